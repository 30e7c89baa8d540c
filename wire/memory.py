"""Memory that was used once is kept and used again: what a batch or a body needs is the same each time.

glibc would give every large array back to the kernel at once and have it cleared anew for the next one, which took a
quarter of a worker's time; and it would keep a heap for each thread, though only one at a time works on a batch.
"""

import ctypes
import gc
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_OPTIONS: Final = {_ARENA_MAX: 1, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 1 << 30}


_NEW_OBJECTS: Final = 50_000


def look_seldom() -> None:
    """Call it when everything is imported: Python does not look for garbage in what is there already, and in what comes
    only after so many objects. Batches are lists of thousands, and looking through them is for nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def keep() -> None:
    """Call it first thing in a process; on other C libraries than glibc nothing changes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        for option, value in _OPTIONS.items():
            mallopt(option, value)
