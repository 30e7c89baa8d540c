"""A few faults, chosen at random, the first of them two or three at once: every store equals what was acknowledged.
`make chaos` goes through all of them.

SEED=n repeats a selection; FAULTS="kill streams,cut redis+freeze api@2.5" takes those: one, then two at once.
"""

import os
from random import Random
from typing import Final

import pytest

from tests.faults.company import at_once, named
from tests.faults.conftest import SEED
from tests.faults.table import possible
from tests.faults.trial import Fault, Trial

SECONDS: Final = 75
"""For the faults themselves; the machine's start comes on top of it."""
BEGUN_WITHIN_S: Final = 3


def selection(seed: int, kafka: str, words: str) -> list[list[Fault]]:
    """Those named, or as many as the time allows, in random order."""
    here, random = possible(kafka), Random(seed)
    if words:
        return named(words, here)
    short = [fault for fault in here if fault.costs_s <= SECONDS / 2]
    together = at_once(random, short, random.choice((2, 2, 3)), BEGUN_WITHIN_S)
    chosen, left = [together], SECONDS - max(fault.begins_s + fault.costs_s for fault in together)
    for fault in random.sample(here, len(here)):
        if fault.costs_s <= left:
            chosen.append([fault])
            left -= fault.costs_s
    return chosen


CHOSEN: Final = selection(SEED, os.environ.get("KAFKA") or "tansu", os.environ.get("FAULTS", ""))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("faults", CHOSEN, ids=["+".join(map(str, each)).replace(" ", "-") for each in CHOSEN])
async def test_every_store_equals_what_was_acknowledged_though_this_went_wrong(
    trial: Trial, faults: list[Fault]
) -> None:
    wrong = await trial.survive(faults)
    assert not wrong, trial.story(faults, wrong, SEED)
