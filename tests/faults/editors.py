"""Editors who bring in pieces through the API all the while, and what must have become of each piece."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from tests.faults.load import Organization
from tests.faults.machine import Machine

BODY = "The bank kept its rate at four per cent. Markets had expected a cut, and two members had voted for one."


@dataclass
class Editors:
    """One piece after another, the same again until the API has answered that it is there."""

    machine: Machine
    random: Random
    pause_s: float = 0.5
    made: dict[str, str] = field(default_factory=dict)
    """source_ref -> id of each acknowledged piece"""
    complaints: list[str] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._ended = asyncio.Event()
        self._task = asyncio.create_task(self._edit())

    async def stop(self, within_s: float = 90) -> None:
        """Returns when the last piece is acknowledged."""
        self._ended.set()
        if self._task:
            async with asyncio.timeout(within_s):
                await self._task

    async def _edit(self) -> None:
        organization = self.machine.organizations[0]
        while not self._ended.is_set():
            await self._bring(organization, f"edited-{len(self.made)}")
            await asyncio.wait([asyncio.ensure_future(self._ended.wait())], timeout=self.pause_s)

    async def _bring(self, organization: Organization, name: str) -> None:
        piece = {"source_ref": name, "type": "custom", "title": name, "body": BODY}
        while name not in self.made:
            try:
                async with self.machine.api(organization) as api:
                    answer = await api.post("/content/bulk", json={"pieces": [piece]}, timeout=10)
                    if answer.is_success:
                        self.made[name] = _id(answer.json())
                    elif answer.status_code not in {429, 503}:
                        self.complaints.append(f"the API answered {answer.status_code}: {answer.text[:300]}")
            except (httpx2.TransportError, httpx2.HTTPStatusError):
                pass
            if name not in self.made:
                await asyncio.sleep(0.3)


def _id(answer: Any) -> str:
    piece = (answer if isinstance(answer, list) else answer["pieces"])[0]
    return str(piece["id"])
