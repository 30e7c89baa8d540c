from pathlib import Path

from stack import logs


def test_a_large_log_is_moved_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with log.open("ab", buffering=0) as writer:
        for generation in (b"first\n", b"second\n", b"third\n"):
            writer.write(generation * 10)
            logs.rotate(log, largest_bytes=50)
        writer.write(b"fourth\n")
    assert log.read_bytes() == b"fourth\n"
    assert log.with_name("child.log.1").read_bytes() == b"third\n" * 10
    assert log.with_name("child.log.2").read_bytes() == b"second\n" * 10
    assert len(list(tmp_path.iterdir())) == 3


def test_a_small_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("short\n")
    logs.rotate(log, largest_bytes=50)
    assert log.read_text() == "short\n"
    logs.rotate(tmp_path / "none.log")


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("".join(f"line {n}\n" for n in range(5000)))
    assert logs.tail(log, 2) == ["line 4998", "line 4999"]
    assert logs.tail(tmp_path / "none.log", 2) == []


def test_the_tail_since_a_size_has_nothing_from_before_unless_the_log_was_cut(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    assert logs.size(log) == 0
    log.write_text("of an earlier run\n")
    before = logs.size(log)
    assert logs.tail(log, 8, since=before) == []
    with log.open("a") as writer:
        writer.write("of this one\n")
    assert logs.tail(log, 8, since=before) == ["of this one"]
    log.write_text("cut\n")
    assert logs.tail(log, 8, since=before) == ["cut"]


def test_following_gives_whole_lines_of_every_log_also_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("old\n" * 20)
    following = logs.follow({"child": log}, pause_s=0.01)
    with log.open("a", buffering=1) as writer:
        writer.write("new")
        writer.flush()
        lines = iter(following)
        writer.write(" line\n")
        # the first reading is made when the first line is asked for
        log.with_name("later.log").touch()
        assert next(iter([*_take(lines, writer, "more\n")])) == ("child", "more")
        logs.rotate(log, largest_bytes=10)
        assert _take(lines, writer, "after\n") == [("child", "after")]


def _take(lines: object, writer: object, text: str) -> list[tuple[str, str]]:
    """Start reading, write in the meantime, and answer the line that came."""
    import threading
    import time

    def late() -> None:
        time.sleep(0.1)
        writer.write(text)  # type: ignore[attr-defined]

    thread = threading.Thread(target=late)
    thread.start()
    found = next(lines)  # type: ignore[call-overload]
    thread.join()
    return [found]
