import socket
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack import ports


def listening(host: str, port: int = 0) -> socket.socket:
    """As a server does it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    listener.bind((host, port))
    listener.listen()
    return listener


@pytest.mark.parametrize("host", [ports.HOST, "0.0.0.0"])
def test_a_port_on_which_something_listens_is_not_kept_and_free_again_afterwards(host: str) -> None:
    with ExitStack() as held:
        with listening(host) as listener:
            taken = listener.getsockname()[1]
            assert ports.choose(["api"], {"api": taken}, held.enter_context)[0] != {"api": taken}
        assert ports.choose(["api"], {"api": taken}, held.enter_context)[0] == {"api": taken}


@given(st.sets(st.sampled_from(sorted(ports.USUAL)), min_size=1), st.booleans())
def test_ports_are_kept_and_never_given_twice(names: set[str], any_free: bool) -> None:
    with ExitStack() as held:
        first, _ = ports.choose(sorted(names), {}, held.enter_context, any_free=any_free)
        assert len(set(first.values())) == len(names)
        again, said = ports.choose(sorted(names), first, held.enter_context, any_free=any_free)
        assert (again, said) == (first, [])


def test_a_free_port_is_nobody_elses_before_its_server_listens_and_while_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as mine, ExitStack() as theirs:
        first, second = ports.free(mine.enter_context), ports.free(theirs.enter_context)
        theirs.close()
        monkeypatch.setattr(ports, "_candidates", lambda: [first, second])
        assert ports.free(theirs.enter_context) == second
        theirs.close()
        for _ in range(2):
            with listening(ports.HOST, first), socket.create_connection((ports.HOST, first)):
                assert ports.free(theirs.enter_context) == second
            theirs.close()


def test_the_usual_port_is_taken_where_it_is_free_and_said_where_it_is_not() -> None:
    usual = ports.USUAL["kafka_controller"]
    with ExitStack() as held:
        assert ports.choose(["kafka_controller"], {}, held.enter_context)[0] == {"kafka_controller": usual}
        with listening(ports.HOST, usual):
            chosen, said = ports.choose(["kafka_controller"], {}, held.enter_context)
    assert chosen["kafka_controller"] != usual
    assert said == [f"port {usual} is taken: kafka_controller listens on {chosen['kafka_controller']} from now on"]
