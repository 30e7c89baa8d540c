"""Memory in which an insert's body waits until it is whole, and which chDB reads by a path.

It is used again for the next one: on pages of new memory, or of a file, the kernel would spend as long as ClickHouse
spends on what is in them.
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LARGEST: Final = 32 << 20
"""What is larger goes through a file."""
_KEPT: Final = 2


class Spool:
    """Room for one body of at most LARGEST bytes."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("tallywire-insert")
        os.ftruncate(self._memory, LARGEST)
        self._map = mmap.mmap(self._memory, LARGEST)
        self.path = f"/proc/self/fd/{self._memory}"

    def room(self, size: int) -> memoryview:
        """So many bytes; whoever reads `path` finds them and no more."""
        os.ftruncate(self._memory, size)
        return memoryview(self._map)[:size]

    def close(self) -> None:
        """Its memory is free when no room of it is held."""
        os.close(self._memory)


class Spools:
    """As many as are needed at once; a few of them are kept."""

    def __init__(self) -> None:
        self._free: list[Spool] = []

    @contextmanager
    def one(self) -> Iterator[Spool]:
        """A spool that nobody else writes to or reads."""
        spool = self._free.pop() if self._free else Spool()
        try:
            yield spool
        finally:
            if len(self._free) < _KEPT:
                self._free.append(spool)
            else:
                spool.close()
