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
PROGRESS_WITHOUT_LEADER_S: Final = 75
"""Where the leader of the group leaves while another joins: Tansu would wait for it for ever, so after 30 s another
worker takes its place."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong while events come in; it ends by itself. `holds` is what must be true besides equality,
    and is asserted by `do`; where that cannot be while something else goes wrong, it happens `alone`."""

    name: str
    does: str
    do: Callable[["Trial"], Awaitable[None]]
    holds: str = ""
    costs_s: float = 10
    kafkas: tuple[str, ...] = ("tansu", "apache")
    alone: bool = False


@dataclass
class Trial:
    """A machine under load. `long` is for whoever has an hour: as long as reality would have it."""

    machine: Machine
    random: Random
    stores: Stores
    long: bool = False
    load: Load = field(init=False)
    editors: Editors = field(init=False)
    _several: bool = False

    def __post_init__(self) -> None:
        machine = self.machine
        self.load = Load(self.random, machine.organizations, machine.doors, 150 if self.long else 300)
        self.editors = Editors(machine, self.random)

    async def survive(self, faults: Sequence[Fault]) -> list[str]:
        """All these faults at once; answers what is wrong afterwards."""
        self.load.start()
        self.editors.start()
        self._several = len(faults) > 1
        wrong = []
        try:
            await asyncio.sleep(1)
            results = await asyncio.gather(*(fault.do(self) for fault in faults), return_exceptions=True)
            wrong = [f"{fault.name}: {error!r}" for fault, error in zip(faults, results, strict=True) if error]
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

    async def progress(self, within_s: float) -> None:
        """Everything that is accepted until now is counted before long, where nothing else goes wrong meanwhile."""
        if self._several:
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
        lines = [f"{', '.join(fault.name for fault in faults)} on {self.machine.kafka}, seed {seed}:", *wrong]
        lines.append(f"readers met: {dict(self.load.ledger.acknowledged)}; files and logs: {self.machine.folder}")
        for log in self.machine.logs():
            lines += [f"--- {log.name}", *(line[:300] for line in tail(log, 4))]
        told = "\n".join(lines)
        (self.machine.folder / "story.txt").write_text(told)
        return told
