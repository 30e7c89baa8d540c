"""What is kept where only a part was measured anew."""

from benchmarks import report


def test_a_row_measured_anew_takes_its_old_ones_place_and_the_rest_stays() -> None:
    before = {
        "machine": "m",
        "versions": {"a": "1"},
        "rows": [{"name": "x", "v": 1}, {"name": "y", "v": 1}],
        "memory": 5,
    }
    now = {"machine": "m", "versions": {"b": "2"}, "rows": [{"name": "y", "v": 2}]}
    assert report.joined(before, now, ["x", "y"]) == {
        "machine": "m",
        "versions": {"a": "1", "b": "2"},
        "rows": [{"name": "x", "v": 1}, {"name": "y", "v": 2}],
        "memory": 5,
    }


def test_nothing_of_another_machine_is_kept() -> None:
    before = {"machine": "other", "versions": {"a": "1"}, "rows": [{"name": "x"}], "memory": 5}
    now = {"machine": "m", "versions": {"b": "2"}, "rows": [{"name": "y"}]}
    assert report.joined(before, now, ["x", "y"]) == now
