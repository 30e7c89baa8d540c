"""One trial: steady load, faults, a drain, and every store equal to what was acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from stack.logs import tail
from tests.faults.editors import Editors
from tests.faults.load import Load
from tests.faults.machine import Machine
from tests.faults.stores import Stores, until_equal

DRAIN_S: Final = 90
PROGRESS_S: Final = 15
"""After a rebalance that nobody died in, everything accepted until then is counted within this."""
PROGRESS_AFTER_DEATH_S: Final = 40
"""A dead worker is missed after 10 s, the others have 10 s to come together, and a store may have been away."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong while events come in; it ends by itself. `holds` is what must be true besides equality,
    and is asserted by `do`. `takes` is what it does something to, or what must be sound for `do` to be right: two that
    have any of it in common contradict each other."""

    name: str
    does: str
    do: Callable[["Trial"], Awaitable[None]]
    holds: str = ""
    costs_s: float = 10
    kafkas: tuple[str, ...] = ("tansu", "apache")
    takes: frozenset[str] = frozenset()
    begins_s: float = 0
    """how long after the first of several"""

    def __str__(self) -> str:
        return f"{self.name}@{self.begins_s:g}" if self.begins_s else self.name


@dataclass
class Trial:
    """A machine under load. `long` is for whoever has an hour: as long as reality would have it."""

    machine: Machine
    random: Random
    stores: Stores
    long: bool = False
    load: Load = field(init=False)
    editors: Editors = field(init=False)
    several: bool = False
    """whether more than one goes wrong just now"""

    def __post_init__(self) -> None:
        machine = self.machine
        self.load = Load(self.random, machine.organizations, machine.doors, 150 if self.long else 300)
        self.editors = Editors(machine, self.random)

    async def survive(self, faults: Sequence[Fault]) -> list[str]:
        """All these faults, each from when it begins; answers what is wrong afterwards."""
        self.load.start()
        self.editors.start()
        self.several = len(faults) > 1
        wrong = []
        try:
            await asyncio.sleep(1)
            results = await asyncio.gather(*map(self._happens, faults), return_exceptions=True)
            wrong = [f"{fault}: {error!r}" for fault, error in zip(faults, results, strict=True) if error]
            await asyncio.sleep(3)
        finally:
            for link in self.machine.links.values():
                link.mend()
            try:
                await asyncio.gather(self.load.stop(), self.editors.stop())
            except TimeoutError:
                wrong.append("not everything was acknowledged in time")
        self.load.skewed, self.load.hot = False, 0.5
        wrong += await until_equal(self._differences, DRAIN_S) + self.load.complaints + self.editors.complaints
        self.load.complaints.clear()
        self.editors.complaints.clear()
        return wrong

    def within(self, alone_s: float) -> float:
        """How long something may take: so long where nothing else goes wrong, and else until all is over."""
        return DRAIN_S if self.several else alone_s

    async def _happens(self, fault: Fault) -> None:
        await asyncio.sleep(fault.begins_s)
        await fault.do(self)

    async def progress(self, within_s: float) -> None:
        """Everything that is accepted until now is counted before long, where nothing else goes wrong meanwhile."""
        if self.several:
            return
        since_ms = time.time() * 1000
        end = time.monotonic() + within_s
        while (reached := await self.stores.counted_up_to_ms()) < since_ms:
            behind = (since_ms - reached) / 1000
            assert time.monotonic() < end, f"{within_s} s later, what came {behind:.1f} s before is not counted"
            await asyncio.sleep(0.2)

    async def _differences(self) -> list[str]:
        found = await self.stores.differences(self.load.ledger.cells)
        return found or await self.stores.pieces_differences(self.editors.made)

    def story(self, faults: Sequence[Fault], wrong: list[str], seed: int) -> str:
        """All that one needs to find out why; it stays beside the machine's files, too."""
        named = "+".join(map(str, faults))
        lines = [f'FAULTS="{named}" SEED={seed} KAFKA={self.machine.kafka}:', *wrong]
        lines.append(f"readers met: {dict(self.load.ledger.acknowledged)}; files and logs: {self.machine.folder}")
        for log in self.machine.logs():
            lines += [f"--- {log.name}", *(line[:300] for line in tail(log, 4))]
        told = "\n".join(lines)
        (self.machine.folder / "story.txt").write_text(told)
        return told
