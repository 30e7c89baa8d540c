"""Counting is exact for any order, duplication, batching, cut and number of starts."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.buckets import Batch, Buckets, Counted, Places
from streams.cells import Cells, Figures
from streams.index import Index, Words
from streams.seen import Seen

BASE_MINUTE = 29_000_000


@dataclass(frozen=True)
class Event:
    content: int
    minute: int
    number: int
    code: int
    robot: bool
    value: int


def batch(events: list[Event]) -> Batch:
    return Batch(
        content=np.array([(1, 2, e.content, 7) for e in events], np.uint64).reshape(-1, 4),
        id=np.array(
            [((BASE_MINUTE + e.minute) * 60_000 + e.number << 16, e.number) for e in events], np.uint64
        ).reshape(-1, 2),
        code=np.array([e.code for e in events], np.uint64),
        robot=np.array([e.robot for e in events], np.bool_),
        value=np.array([e.value for e in events], np.uint64),
    )


class Ledger:
    """What ClickHouse holds: the first of each event, up to the position that is asked for."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, int], tuple[int, Event]] = {}

    def insert(self, events: list[tuple[int, Event]]) -> None:
        for position, event in events:
            key = (event.content, event.minute, event.number)
            if key not in self.rows or position < self.rows[key][0]:
                self.rows[key] = (position, event)

    def contents(self) -> Words:
        return np.array(sorted({(1, 2, e.content, 7) for _, e in self.rows.values()}), np.uint64).reshape(-1, 4)

    def known_from(self) -> int:
        return max((BASE_MINUTE + e.minute + 1 for _, e in self.rows.values()), default=0)

    def load(self, buckets: Buckets, events: Batch, before: int) -> Places:
        missing = buckets.missing(events)
        wanted = {int(c[2]) for c in missing.contents}
        sums: dict[tuple[int, int], list[int]] = {}
        for position, e in self.rows.values():
            if position < before and e.content in wanted:
                cell = sums.setdefault((e.content, e.code), [0, 0, 0])
                cell[0] += 1
                cell[1] += e.robot
                cell[2] += e.value
        keys = list(sums)
        buckets.load_totals(
            np.array([(1, 2, c, 7) for c, _ in keys], np.uint64).reshape(-1, 4),
            np.array([code for _, code in keys], np.uint64),
            np.array([sums[key] for key in keys], np.uint64).reshape(-1, 3),
        )
        asked = {(int(c[2]), int(m)) for c, m in zip(missing.bucket_contents, missing.bucket_minutes, strict=True)}
        held = [e for p, e in self.rows.values() if p < before and (e.content, BASE_MINUTE + e.minute) in asked]
        buckets.load_events(batch(held))
        return missing.places


def absolute(counted: Counted, minutes: dict[object, tuple[int, ...]], totals: dict[object, tuple[int, ...]]) -> None:
    """Apply projections as the stores do: the larger count wins."""

    def keep_larger(store: dict[object, tuple[int, ...]], key: object, figures: tuple[int, ...]) -> None:
        if key not in store or store[key][0] < figures[0]:
            store[key] = figures

    for minute, content, cells in counted.changed:
        for i in range(len(cells.owner)):
            key = (int(content[i, 2]), minute - BASE_MINUTE, int(cells.code[i]))
            keep_larger(minutes, key, (int(cells.count[i]), int(cells.robots[i]), int(cells.value[i])))
    of = dict(zip(counted.content_rows.tolist(), counted.contents[:, 2].tolist(), strict=True))
    t = counted.totals
    for i in range(len(t.owner)):
        key = (of[int(t.owner[i])], int(t.code[i]))
        keep_larger(totals, key, (int(t.count[i]), int(t.robots[i]), int(t.value[i])))


def oracle(log: list[Event]) -> tuple[dict[object, tuple[int, ...]], dict[object, tuple[int, ...]]]:
    firsts = {(e.content, e.minute, e.number): e for e in reversed(log)}.values()
    minutes: dict[object, tuple[int, ...]] = {}
    totals: dict[object, tuple[int, ...]] = {}
    for store, key in [(minutes, lambda e: (e.content, e.minute, e.code)), (totals, lambda e: (e.content, e.code))]:
        counts = Counter(key(e) for e in firsts)
        robots = Counter(key(e) for e in firsts if e.robot)
        for k, n in counts.items():
            store[k] = (n, robots[k], sum(e.value for e in firsts if key(e) == k))
    return minutes, totals


events = st.builds(
    Event,
    content=st.integers(0, 4),
    minute=st.integers(0, 3),
    number=st.integers(0, 12),
    code=st.sampled_from([0, 1, 256, 257]),
    robot=st.booleans(),
    value=st.integers(0, 1000),
)


@given(
    log=st.lists(events, max_size=60),
    steps=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["go on", "crash", "die before projecting"])), max_size=40
    ),
    max_bytes=st.sampled_from([1, 20_000, 1 << 30]),
    ledger_known=st.booleans(),
)
def test_any_order_duplication_batching_crash_and_eviction_gives_the_independent_count(
    log: list[Event], steps: list[tuple[int, str]], max_bytes: int, ledger_known: bool
) -> None:
    ledger, minutes, totals = Ledger(), {}, {}

    def begin() -> Buckets:
        return Buckets(ledger.known_from(), ledger.contents() if ledger_known else None, max_bytes=max_bytes)

    buckets, at = begin(), 0
    plan = [*steps, *[(7, "go on")] * 60]
    for size, fate in plan:
        part = log[at : at + size]
        places = ledger.load(buckets, batch(part), at)
        counted = buckets.count(batch(part), places)
        ledger.insert([(at + i, e) for i, e in enumerate(part) if counted.fresh[i]])
        if fate != "die before projecting":
            absolute(counted, minutes, totals)
        if fate == "go on":
            at += size
        else:
            buckets = begin()
    assert (minutes, totals) == oracle(log)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**64 - 1)), max_size=200))
def test_an_index_gives_equal_keys_one_row_and_other_keys_another(keys: list[tuple[int, int, int]]) -> None:
    index = Index(3)
    cut = len(keys) // 2
    rows = [
        row
        for part in (keys[:cut], keys[cut:])
        for row in index.find_or_add(np.array(part, np.uint64).reshape(-1, 3))[0].tolist()
    ]
    firsts = list(dict.fromkeys(keys))
    assert rows == [firsts.index(key) for key in keys]
    assert index.find(np.array([(9, 9, 9)], np.uint64)).tolist() == [-1]
    assert index.size == len(firsts)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**32 - 1), st.integers(0, 2)), max_size=200),
    st.sampled_from([0, BASE_MINUTE]),
)
def test_an_id_is_new_in_its_bucket_once_whatever_else_was_seen(ids: list[tuple[int, int, int]], minute: int) -> None:
    seen = Seen(minute)
    high = (minute * 60_000 << 16) + np.array([above for _, above, _ in ids], np.uint64)
    words = np.column_stack((high, np.array([low for *_, low in ids], np.uint64)))
    bucket, places = np.array([bucket for bucket, *_ in ids], np.int64), np.arange(len(ids))
    cut = len(ids) // 2
    fresh = [flag for part in (places[:cut], places[cut:]) for flag in seen.add(bucket[part], words, part).tolist()]
    firsts = {id_: at for at, id_ in reversed(list(enumerate(ids)))}
    assert fresh == [firsts[id_] == at for at, id_ in enumerate(ids)]


def test_ids_that_differ_in_one_bit_are_told_apart_however_many_there_are() -> None:
    seen, chance = Seen(BASE_MINUTE), np.random.default_rng(1)
    ids = np.column_stack(
        (
            np.full(50_000, BASE_MINUTE * 60_000 << 16, np.uint64),
            chance.integers(0, 1 << 62, 50_000, np.uint64),
        )
    )
    places, bucket = np.arange(50_000), np.zeros(50_000, np.int64)
    assert seen.add(bucket, ids, places).all()
    assert not seen.add(bucket, ids, places).any()
    assert seen.add(bucket + 1, ids, places).all()
    for word in (0, 1):
        other = ids.copy()
        other[:, word] ^= np.uint64(1)
        assert seen.add(bucket, other, places).all()


@pytest.mark.parametrize("past", [0, 1, 1 << 20])
def test_a_batch_knows_the_places_of_its_minutes_however_far_apart(past: int) -> None:
    chosen = np.random.default_rng(1).integers(0, 3, 100) * past + BASE_MINUTE
    ids = np.column_stack(((chosen * 60_000 << 16).astype(np.uint64), np.zeros(100, np.uint64)))
    nothing = np.zeros(100, np.uint64)
    minutes = Batch(np.zeros((100, 4), np.uint64), ids, nothing, nothing != 0, nothing).minutes
    found = [(minute, part.tolist()) for minute, part in minutes]
    assert found == [(minute, np.flatnonzero(chosen == minute).tolist()) for minute in sorted(set(chosen.tolist()))]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1]), st.integers(1, 9)), max_size=60),
    st.integers(0, 60),
)
def test_cells_tell_what_stands_and_by_how_much_it_grew(more: list[tuple[int, int, int]], cut: int) -> None:
    cells, stand = Cells(), Counter[tuple[int, int]]()
    for part in (more[:cut], more[cut:]):
        owner, code, by = np.array(part, np.uint64).reshape(-1, 3).T
        now, grown = cells.add(Figures(owner.astype(np.int64), code, by, by * np.uint64(0), by))
        growth = Counter[tuple[int, int]]()
        for of, kind, count in part:
            growth[of, kind] += count
        stand += growth
        keys = list(zip(now.owner.tolist(), now.code.tolist(), strict=True))
        assert dict(zip(keys, grown.count.tolist(), strict=True)) == growth
        assert dict(zip(keys, now.count.tolist(), strict=True)) == {key: stand[key] for key in growth}
        assert len(set(keys)) == len(keys)


def test_cells_of_an_owner_are_all_of_its_cells() -> None:
    cells = Cells()
    owner = np.array([0, 1, 0, 1, 1, 2] * 50)
    code = np.array([0, 0, 1, 1, 2, 0] * 50, np.uint64)
    ones = np.ones(300, np.uint64)
    cells.add(Figures(owner, code, ones, np.zeros(300, np.uint64), ones))
    found = cells.of(np.array([1, 0]))
    assert found.owner.tolist() == [1, 1, 1, 0, 0]
    assert sorted(found.code[:3].tolist()) == [0, 1, 2]
    assert found.count.tolist() == [50] * 5


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_an_index_grows_past_its_first_room(size: int) -> None:
    index = Index(1)
    keys = np.arange(size, dtype=np.uint64).reshape(-1, 1)
    assert index.find_or_add(keys)[1].all()
    assert not index.find_or_add(keys)[1].any()
    assert index.find(keys).tolist() == list(range(size))


def test_what_is_held_stays_within_its_bytes_however_long_it_runs() -> None:
    chance, most = np.random.default_rng(1), 4 << 20
    buckets, held = Buckets(0, np.empty((0, 4), np.uint64), max_bytes=most), []
    for step in range(60):
        minute = np.uint64((BASE_MINUTE + step // 4) * 60_000) << np.uint64(16)
        ids = np.column_stack((np.full(2_000, minute), chance.integers(0, 1 << 63, 2_000, np.uint64)))
        content = np.zeros((2_000, 4), np.uint64)
        content[:, 3] = chance.integers(0, 50, 2_000)
        events = Batch(content, ids, np.zeros(2_000, np.uint64), np.zeros(2_000, np.bool_), np.zeros(2_000, np.uint64))
        missing = buckets.missing(events)
        assert len(missing.bucket_contents) == 0, "time only goes on here, so that nothing old is asked for"
        assert buckets.count(events, missing.places).fresh.all()
        held.append(sum(each.nbytes for each in buckets._slices.values()))
    assert max(held[-20:]) <= most // 2
    assert len(buckets._slices) > 1
