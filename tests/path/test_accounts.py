"""Every event that came in is accounted for: accepted = stored + duplicate + rejected, whoever is killed in between."""

import os
import signal
from collections import Counter
from typing import Any

import httpx2

from tests.path.conftest import System, eventually
from tests.path.test_events_to_figures import event, new_piece, post_until_accepted


def total(api: httpx2.Client) -> Counter[str]:
    return Counter(api.get("/accounts").raise_for_status().json()["total"])


def drained(api: httpx2.Client) -> Counter[str]:
    """What became of everything so far, once nothing is in flight."""
    return eventually(lambda: (now := total(api))["in_flight"] == 0 and now, within_s=60)


def test_what_was_accepted_is_accounted_for_exactly_though_collector_and_counting_are_killed(
    system: System, api: httpx2.Client, key: str
) -> None:
    content = new_piece(system, "accounted")
    before = drained(api)
    sent = [event(content) for _ in range(300)]
    for at in range(0, 300, 20):
        if victim := {100: "streams", 200: "ingestion"}.get(at):
            os.kill(system.pid(victim), signal.SIGKILL)
        post_until_accepted(system, key, sent[at : at + 20])
    post_until_accepted(system, key, sent[:60])

    def counted() -> Any:
        now = total(api)
        now.subtract(before)
        return now["in_flight"] == 0 and now["stored"] == 300 and now

    found = eventually(counted, within_s=60)
    assert found["accepted"] == found["stored"] + found["duplicate"] >= 360
    assert (found["rejected"], found["lost"]) == (0, 0)
    system.run("verify")


def test_while_nothing_counts_what_was_accepted_is_in_flight(system: System, api: httpx2.Client, key: str) -> None:
    content = new_piece(system, "in-flight")
    drained(api)
    streams = system.pid("streams")
    os.kill(streams, signal.SIGSTOP)
    try:
        post_until_accepted(system, key, [event(content) for _ in range(25)])
        assert eventually(lambda: total(api)["in_flight"] == 25, within_s=10)
        assert system.run("verify", "--wait", "0", check=False).returncode == 3
    finally:
        os.kill(streams, signal.SIGCONT)
    drained(api)
