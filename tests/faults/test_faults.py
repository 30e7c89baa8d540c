"""A few faults, chosen at random: every store equals what was acknowledged. `make chaos` goes through all of them.

SEED=n repeats a selection; FAULTS="kill streams,burst" takes those.
"""

import os
from random import Random
from typing import Final

import pytest

from tests.faults.conftest import SEED
from tests.faults.table import possible
from tests.faults.trial import Fault, Trial

SECONDS: Final = 75
"""For the faults themselves; the machine's start comes on top of it."""


def selection(seed: int, kafka: str, named: str) -> list[Fault]:
    """Those named, or as many as the time allows, in random order."""
    here = possible(kafka)
    if named:
        return [fault for name in named.split(",") for fault in here if fault.name == name]
    chosen, left = [], float(SECONDS)
    for fault in Random(seed).sample(here, len(here)):
        if fault.costs_s <= left:
            chosen.append(fault)
            left -= fault.costs_s
    return chosen


CHOSEN: Final = selection(SEED, os.environ.get("KAFKA") or "tansu", os.environ.get("FAULTS", ""))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", CHOSEN, ids=[fault.name.replace(" ", "-") for fault in CHOSEN])
async def test_every_store_equals_what_was_acknowledged_though_this_went_wrong(trial: Trial, fault: Fault) -> None:
    wrong = await trial.survive([fault])
    assert not wrong, trial.story([fault], wrong, SEED)
