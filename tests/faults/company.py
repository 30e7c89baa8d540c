"""Faults at once: some that do not contradict each other, each begun at a moment of its own."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

from tests.faults.table import EVERYTHING
from tests.faults.trial import Fault


def at_once(random: Random, faults: Sequence[Fault], how_many: int, within_s: float) -> list[Fault]:
    """So many faults, the later ones begun within some seconds of the first."""
    chosen: list[Fault] = []
    sociable = [fault for fault in faults if not fault.takes >= EVERYTHING]
    for fault in random.sample(sociable, len(sociable)):
        if len(chosen) < how_many and not any(fault.takes & other.takes for other in chosen):
            chosen.append(replace(fault, begins_s=round(random.uniform(0, within_s), 1) if chosen else 0))
    return chosen


def named(words: str, faults: Sequence[Fault]) -> list[list[Fault]]:
    """Trials as they are printed: "kill api,cut redis+freeze streams@2.5" is one fault, then two at once."""
    return [[_one(word, faults) for word in together.split("+")] for together in words.split(",")]


def _one(word: str, faults: Sequence[Fault]) -> Fault:
    name, _, begins = word.partition("@")
    (fault,) = (fault for fault in faults if fault.name == name)
    return replace(fault, begins_s=float(begins or 0))


def fewer(faults: Sequence[Fault]) -> list[list[Fault]]:
    """All smaller companies of these, the smallest first."""
    return [list(some) for count in range(1, len(faults)) for some in combinations(faults, count)]
