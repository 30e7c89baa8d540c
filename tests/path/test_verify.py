"""`tallywire verify` and its service tell what is true of everything that was accepted."""

import os
import signal
import time
from contextlib import suppress

import httpx2

from tests.path.conftest import System, eventually
from tests.path.test_events_to_figures import event, new_piece, post_until_accepted


def test_while_streams_stand_still_verify_says_what_waits_and_then_that_all_agrees(system: System, key: str) -> None:
    content = new_piece(system, "waiting")
    os.kill(system.pid("streams"), signal.SIGSTOP)
    try:
        post_until_accepted(system, key, [event(content) for _ in range(3)])
        early = system.run("verify", "--wait", "0", check=False)
    finally:
        os.kill(system.pid("streams"), signal.SIGCONT)
    assert early.returncode == 3, early.stdout
    assert "wait in the log and are not counted yet" in early.stdout
    late = system.run("verify", "--wait", "30")
    assert "figures agree, and the ledger with" in late.stdout


def test_the_service_shows_its_result_in_metrics_and_in_the_status(system: System) -> None:
    metrics = f"http://127.0.0.1:{system.state['ports']['verify_metrics']}/metrics"
    began = time.time()
    os.kill(system.pid("verify"), signal.SIGKILL)  # what it found before may be what another test has planted

    def when() -> float:
        with suppress(httpx2.TransportError):
            lines = httpx2.get(metrics).text.splitlines()
            return next(float(each.split()[1]) for each in lines if each.startswith("stack_verify_last_run_timestamp"))
        return 0.0

    assert eventually(lambda: when() > began, within_s=90)
    assert "events of the log" in system.run("status").stdout.replace("\n", " ")
