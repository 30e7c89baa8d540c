"""`make chaos MINUTES=60`: faults one after another, then several at once, on one system under steady load.

Every store is compared with what was acknowledged after each drain. It stops at the first difference, with the seed and
all files kept; what was survived is added to docs/faults.md.
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
from tests.faults.conftest import SEED
from tests.faults.table import FAULTS, possible
from tests.faults.trial import Fault, Trial

MINUTES: Final = float(os.environ.get("MINUTES") or 60)
LONGEST_START_S: Final = 600


def rounds(random: Random, faults: list[Fault], before: Counter[str]) -> Iterator[list[Fault]]:
    """Every fault alone, those survived least often `before` first; then for ever two or three at once, or one."""
    yield from ([fault] for fault in sorted(faults, key=lambda fault: (before[fault.name], random.random())))
    in_company = [fault for fault in faults if not fault.alone]
    while True:
        yield random.sample(in_company, random.choice((2, 2, 3)))
        yield [random.choice(faults)]


@pytest.mark.timeout(MINUTES * 60 + LONGEST_START_S)
async def test_every_store_equals_what_was_acknowledged_for_as_long_as_things_go_wrong(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = trial.machine.kafka
    trial.long = MINUTES >= 30
    survived: Counter[str] = Counter()
    before = report.survived(report.PAGE.read_text(encoding="utf-8"))[kafka]
    end = time.monotonic() + MINUTES * 60

    def say(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{words}\n")

    try:
        for faults in rounds(Random(SEED), possible(kafka), before):
            if time.monotonic() > end:
                break
            began = time.monotonic()
            wrong = await trial.survive(faults)
            names = [fault.name for fault in faults]
            say(f"{' + '.join(names)}: {'WRONG' if wrong else 'survived'}, {time.monotonic() - began:.0f} s")
            assert not wrong, trial.story(faults, wrong, SEED)
            survived.update(names)
    finally:
        page = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.with_more(page, FAULTS, kafka, survived), encoding="utf-8")
        events = trial.load.ledger.acknowledged["events"]
        say(f"SEED={SEED}: {survived.total()} faults survived, {events:,} events acknowledged")
