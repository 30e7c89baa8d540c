"""How often the service compares."""

from stack.commands.verify_every import SOON_S, pause_s
from stack.verified import Result

AWAY = Result(at=0, failed="Connection closed by server.")


def test_where_a_store_was_away_it_is_tried_again_soon_and_not_after_the_whole_time() -> None:
    assert pause_s(AWAY, 900) == SOON_S
    assert pause_s(AWAY, 5) == 5


def test_what_could_be_compared_is_compared_again_after_the_whole_time_even_where_it_differs() -> None:
    assert pause_s(Result(at=0), 900) == 900
    assert pause_s(Result(at=0, differences=3), 900) == 900
