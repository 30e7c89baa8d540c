"""`make chaos MINUTES=60`: faults one after another, and two or three at once, on one system under steady load.

Every store is compared with what was acknowledged after each drain. It stops at the first difference, with the seed and
all files kept; where several went wrong at once it tries fewer of them, each time on a new system, and says the fewest
that differ, too. What was survived is added to docs/faults.md.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest

from tests.faults import report
from tests.faults.company import at_once, fewer
from tests.faults.conftest import SEED, trial_in
from tests.faults.machine import Died
from tests.faults.table import FAULTS, possible
from tests.faults.trial import Fault, Trial

MINUTES: Final = float(os.environ.get("MINUTES") or 60)
LONG: Final = MINUTES >= 30
BEGUN_WITHIN_S: Final = 15 if LONG else 3
LONGEST_START_S: Final = 600
LONGEST_SEARCH_S: Final = 1200
"""For the fewest faults that differ."""
LONGEST_TRIAL_S: Final = 300


def rounds(random: Random, faults: list[Fault], before: Counter[str]) -> Iterator[list[Fault]]:
    """Every fault alone, those survived least often `before` first; once none is left that never was, two or three at
    once after each; then for ever like that."""
    for fault in sorted(faults, key=lambda fault: (before[fault.name], random.random())):
        yield [fault]
        if before[fault.name]:
            yield at_once(random, faults, random.choice((2, 2, 3)), BEGUN_WITHIN_S)
    yield from rounds(random, faults, Counter({fault.name: 1 for fault in faults}))


def say(capsys: pytest.CaptureFixture[str], words: str) -> None:
    """At once, whoever looks."""
    with capsys.disabled():
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


@pytest.mark.timeout(MINUTES * 60 + LONGEST_START_S + LONGEST_SEARCH_S)
async def test_every_store_equals_what_was_acknowledged_for_as_long_as_things_go_wrong(
    trial: Trial, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = trial.machine.kafka
    trial.long = LONG
    survived: Counter[str] = Counter()
    trials = 0
    before = report.survived(report.PAGE.read_text(encoding="utf-8"))[kafka]
    end = time.monotonic() + MINUTES * 60
    try:
        for faults in rounds(Random(SEED), possible(kafka), before):
            if time.monotonic() > end:
                break
            began = time.monotonic()
            wrong = await trial.survive(faults)
            names = "+".join(map(str, faults))
            say(capsys, f"{names}: {'WRONG' if wrong else 'survived'}, {time.monotonic() - began:.0f} s")
            if wrong:
                story = trial.story(faults, wrong, SEED)
                say(capsys, story)
                pytest.fail(f"the fewest that differ: {await _fewest(faults, tmp_path_factory)}\n{story}")
            trials += 1
            survived.update([*(fault.name for fault in faults), *_together(faults)])
    finally:
        page = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.with_more(page, FAULTS, kafka, survived), encoding="utf-8")
        events = trial.load.ledger.acknowledged["events"]
        say(capsys, f"SEED={SEED}: {trials} trials survived, {events:,} events acknowledged")


def _together(faults: list[Fault]) -> list[str]:
    return [report.AT_ONCE[len(faults)]] if len(faults) > 1 else []


async def _fewest(faults: list[Fault], folders: pytest.TempPathFactory) -> str:
    """The smallest company of these, begun as they were, that differs on a new system; all, where no smaller does."""
    end = time.monotonic() + LONGEST_SEARCH_S - LONGEST_TRIAL_S
    try:
        for some in fewer(faults):
            if time.monotonic() > end:
                return "not found in time"
            async with trial_in(folders.mktemp("fewer")) as trial:
                trial.long = LONG
                if wrong := await trial.survive(some):
                    return trial.story(some, wrong, SEED)
    except (Died, TimeoutError) as error:
        return f"not found, a new system did not start: {error!r}"
    return "+".join(map(str, faults))
