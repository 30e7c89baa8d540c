"""No sequence of calls, commands and plain SQL publishes a text without valid approvals; and the proof of the search.

A state machine drives one piece through the API, one by one and in bulk, its schedule, the worker and PostgreSQL, as
the role that serves requests, while policies change, people are suspended and time passes. What is lawful is counted
in Python, from the rows. Each check that shuts a way is taken out in turn: then the way must be open.
"""

import asyncio

import pytest
from hypothesis import Phase

from tests.api.gate.faults import FAULTS, Cut, Fault, planted
from tests.api.gate.life import search
from tests.api.gate.piece import Piece
from tests.api.gate.world import WayThrough, World


async def test_no_sequence_publishes_a_text_without_valid_approvals(world) -> None:
    await search(world, 50, 16)


BROKEN = {
    "nothing is ever refused": Cut("publish_refusal", "RETURN CASE", "RETURN NULL; RETURN CASE"),
    "the trigger lets everything through": Cut("guard_publishing", "refusal IS NOT NULL", "false"),
}
"""Gates so broken that a search without any hint must see it."""


@pytest.mark.parametrize("fault", BROKEN)
async def test_the_same_search_finds_a_way_through_a_gate_that_was_broken(scratch, names, fault) -> None:
    async with planted(Fault((BROKEN[fault],), ()), scratch.superuser, names["app"]):
        with pytest.raises(WayThrough):
            await search(scratch, 100, 8, Phase.generate, derandomize=True)


def walk(world: World, fault: Fault) -> None:
    """Go a fault's way, and look after each step. Raises WayThrough."""
    piece = Piece(world)
    for method, *given in (*fault.way, ("try_everything",)):
        getattr(piece, method)(*given)
        piece.check()


@pytest.mark.parametrize("name", FAULTS)
async def test_a_way_is_shut_by_its_check_and_open_without_it(scratch, names, name) -> None:
    await asyncio.to_thread(walk, scratch, FAULTS[name])
    async with planted(FAULTS[name], scratch.superuser, names["app"]):
        with pytest.raises(WayThrough):
            await asyncio.to_thread(walk, scratch, FAULTS[name])
