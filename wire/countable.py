"""Which events of an envelope may be counted. A collector writes no others; what somebody else writes must neither be
counted nor stop the counting. Whoever reads the log and asks what was counted judges as the counting does.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from wire import ids
from wire.accounts import LAST_S
from wire.errors import Poison
from wire.events import KINDS, MAX_VALUE
from wire.ids import Words

MOST_THOUSANDTHS: Final = MAX_VALUE * 1000
_AFTER_ALL_TIMES_MS: Final = (LAST_S + 1) * 1000

Wrong = list[tuple[npt.NDArray[np.bool_], Poison]]


def wrong(
    *,
    kind: npt.NDArray[np.integer],
    id_: tuple[Words, Words],
    value: Words,
    content: tuple[Words, Words],
    partition: npt.NDArray[np.integer] | int,
    partitions: int,
) -> Wrong:
    """Columns of n events of `partition`, ids as their words -> which of the n may not be counted, by reason."""
    times_ms = id_[0] >> np.uint64(16)
    checks = (
        (kind >= len(KINDS), Poison("unknown_kind", "a kind is newer than this processor")),
        (~ids.is_v7(*id_), Poison("invalid_id", "an id is no UUIDv7")),
        (times_ms >= _AFTER_ALL_TIMES_MS, Poison("invalid_id", "the time of an id is after all that tables hold")),
        (value > MOST_THOUSANDTHS, Poison("invalid_value", f"a value is above {MAX_VALUE}")),
        (
            ids.partitions(*content, partitions) != partition,
            Poison("wrong_partition", "an envelope carries pieces of another partition"),
        ),
    )
    return [(events, poison) for events, poison in checks if events.any()]
