"""What is written for Redis is what its readers decode, whatever the figures."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.cells import Figures
from streams.envelopes import Platforms
from streams.sinks.cells_json import encoded
from wire.counters import Cell, encode_cells
from wire.events import KINDS

NAMES = ("web", "x", "a" * 32, "linkedin_2")
NUMBERS = st.one_of(st.integers(0, 11), st.integers(0, 2**64 - 1), st.sampled_from([9, 10, 99, 100, 2**63, 2**64 - 1]))
CELLS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, len(KINDS) - 1), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=9
)


@given(st.lists(CELLS, max_size=6))
def test_each_owner_gets_its_cells_as_the_shape_of_the_counters_has_them(groups: list[list[tuple[int, ...]]]) -> None:
    platforms = Platforms()
    for name in NAMES:
        platforms.code(name)
    rows = [(7 * owner, platform << 8 | kind, *sums) for owner, of in enumerate(groups) for platform, kind, *sums in of]
    columns = np.array(rows, dtype=object).reshape(-1, 5).T
    figures = Figures(columns[0].astype(np.int64), *(column.astype(np.uint64) for column in columns[1:]))
    expected = [
        (7 * owner, encode_cells([Cell(NAMES[platform], KINDS[kind], *sums) for platform, kind, *sums in of]))
        for owner, of in enumerate(groups)
    ]
    owners, texts = encoded(figures, platforms)
    assert list(zip(owners.tolist(), texts, strict=True)) == expected
