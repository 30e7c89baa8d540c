import socket

from hypothesis import given
from hypothesis import strategies as st

from stack import ports


def test_a_port_in_use_is_not_free_and_free_again_afterwards() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert not ports.is_free(taken)
    assert ports.is_free(taken)


def test_a_port_taken_on_every_interface_is_not_free_here() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not ports.is_free(listener.getsockname()[1])


@given(st.sets(st.sampled_from(sorted(ports.USUAL)), min_size=1), st.booleans())
def test_ports_are_kept_and_never_given_twice(names: set[str], any_free: bool) -> None:
    first, _ = ports.choose(sorted(names), {}, any_free=any_free)
    assert len(set(first.values())) == len(names)
    again, said = ports.choose(sorted(names), first, any_free=any_free)
    assert (again, said) == (first, [])


def test_the_usual_port_is_taken_where_it_is_free_and_said_where_it_is_not() -> None:
    usual = ports.USUAL["kafka_controller"]
    assert ports.choose(["kafka_controller"], {})[0] == {"kafka_controller": usual}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", usual))
        listener.listen()
        chosen, said = ports.choose(["kafka_controller"], {})
    assert chosen["kafka_controller"] != usual
    assert said == [f"port {usual} is taken: kafka_controller listens on {chosen['kafka_controller']} from now on"]
