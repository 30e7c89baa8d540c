"""Readers who send events and keep their own ledger: what was acknowledged, and so what must come out.

It counts with a dict, from what it wrote itself, and knows nothing of how Tallywire counts. What was not acknowledged
is sent again with the same ids until it is. The same event comes again later (exactly, or with another kind: the first
one counts), events are late and early, and some are wrong and must be refused.
"""

import asyncio
import gzip
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from uuid import UUID

import aiohttp

from wire.events import KINDS
from wire.ids import id_at, time_ms

PLATFORMS: Final = ("web", "ios", "android", "x", "facebook")
DUPLICATES: Final = 0.05
LATE: Final = 0.02
WRONG: Final = 0.01
LATEST_MS: Final = int(6.5 * 24 * 3600 * 1000)
EARLIEST_MS: Final = 4 * 60 * 1000
ANSWER_S: Final = 20

Cell = tuple[str, str, str, str, int]
"""organization, content, platform, kind, minute (unix time // 60)"""
Figure = tuple[int, int, int]
"""count, robots, value in thousandths"""


@dataclass(frozen=True)
class Organization:
    """Who sends, with which write key, about which pieces."""

    id: str
    key: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Sent:
    """One event. `counts`: it must be counted; a repetition must not. `wrong`: it must be refused."""

    organization: Organization
    body: dict[str, Any]
    counts: bool = True
    wrong: bool = False

    @property
    def cell(self) -> Cell:
        body = self.body
        minute = time_ms(UUID(body["id"])) // 60_000
        return self.organization.id, body["content_id"], body["platform"], body["kind"], minute

    @property
    def figure(self) -> Figure:
        return 1, int(self.body.get("robot", False)), round(self.body.get("value", 0) * 1000)


@dataclass
class Ledger:
    """What was acknowledged."""

    cells: dict[Cell, Figure] = field(default_factory=dict)
    acknowledged: Counter[str] = field(default_factory=Counter)
    """`events`, `repetitions`, `refused`, and how often each kind of answer was met"""

    def add(self, event: Sent) -> None:
        if event.counts:
            held = self.cells.get(event.cell, (0, 0, 0))
            self.cells[event.cell] = (
                held[0] + event.figure[0],
                held[1] + event.figure[1],
                held[2] + event.figure[2],
            )
        self.acknowledged["events" if event.counts else "repetitions"] += 1


@dataclass
class Load:
    """Steady traffic from many readers at once, until `stop`. All that is random follows from `random`.

    `doors` are collectors' addresses and may change at any time. `complaints` are answers that no collector may give.
    """

    random: Random
    organizations: list[Organization]
    doors: list[str]
    events_per_s: float = 400
    readers: int = 12
    hot: float = 0.5
    """the share of the first piece"""
    skewed: bool = False
    """some collector's clock is wrong: it may refuse by the id's time, and another one accepts"""
    ledger: Ledger = field(default_factory=Ledger)
    complaints: list[str] = field(default_factory=list)
    _recent: deque[Sent] = field(default_factory=lambda: deque(maxlen=2000))
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        self._ended = asyncio.Event()
        self._tasks = [asyncio.create_task(self._reader()) for _ in range(self.readers)]

    async def stop(self, within_s: float = 90) -> None:
        """No new events; returns when all are acknowledged."""
        self._ended.set()
        async with asyncio.timeout(within_s):
            await asyncio.gather(*self._tasks)
        self._tasks = []

    def event(self, organization: Organization, **more: Any) -> Sent:
        """A new event of this organization."""
        random, now_ms = self.random, int(time.time() * 1000)
        if random.random() < LATE:
            now_ms -= random.randrange(LATEST_MS)
        elif random.random() < LATE:
            now_ms += random.randrange(EARLIEST_MS)
        hot = random.random() < self.hot
        body: dict[str, Any] = {
            "id": str(id_at(now_ms, random.randbytes(16))),
            "content_id": organization.pieces[0] if hot else random.choice(organization.pieces),
            "kind": random.choices(KINDS, range(len(KINDS), 0, -1))[0],
            "platform": random.choices(PLATFORMS, range(len(PLATFORMS), 0, -1))[0],
        }
        if random.random() < 0.3:
            body["actor"] = f"reader-{random.randrange(1000)}"
        if random.random() < 0.1:
            body["robot"] = True
        if body["kind"] == "read":
            body["value"] = random.randrange(600_000) / 1000
        return Sent(organization, {**body, **more})

    def batch(self, organization: Organization, size: int) -> list[Sent]:
        """New events, with repetitions of old ones and wrong ones among them."""
        batch = []
        mine = [sent for sent in self._recent if sent.organization is organization]
        for _ in range(size):
            chance = self.random.random()
            if chance < DUPLICATES and mine:
                batch.append(self._again(self.random.choice(mine)))
            elif chance < DUPLICATES + WRONG:
                batch.append(self._wrong(organization))
            else:
                batch.append(self.event(organization))
        return batch

    def _again(self, first: Sent) -> Sent:
        """The same event exactly, or what pretends to be it: the first one was acknowledged before, so it counts."""
        pretends = {"kind": self.random.choice(KINDS), "platform": self.random.choice(PLATFORMS), "value": 7.0}
        changed = pretends if self.random.random() < 0.3 else {}
        return Sent(first.organization, {**first.body, **changed}, counts=False)

    def _wrong(self, organization: Organization) -> Sent:
        others = [each for each in self.organizations if each is not organization] or [organization]
        long_ago = int(time.time() * 1000) - 8 * 24 * 3600 * 1000
        wrongs: tuple[dict[str, Any], ...] = (
            {"kind": "stare"},
            {"value": -1},
            {"platform": "Not A Platform"},
            {"content_id": str(UUID(int=self.random.getrandbits(128)))},
            {"content_id": others[0].pieces[0]} if others[0] is not organization else {"kind": ""},
            {"id": str(id_at(long_ago, self.random.randbytes(16)))},
            {"id": "not-an-id"},
            {"robot": "yes"},
            {"actor": "a\0b"},
            {"attributes": []},
            {"unheard_of": 1},
        )
        sent = self.event(organization, **self.random.choice(wrongs))
        return Sent(sent.organization, sent.body, counts=False, wrong=True)

    async def _reader(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S, connect=2)) as session:
            while not self._ended.is_set():
                began = time.monotonic()
                size = self.random.choice((1, 5, 20, 60, 150))
                await self.deliver(session, self.batch(self.random.choice(self.organizations), size))
                pause_s = size * self.readers / self.events_per_s - (time.monotonic() - began)
                if pause_s > 0:
                    await asyncio.wait([asyncio.ensure_future(self._ended.wait())], timeout=pause_s)

    async def deliver(self, session: aiohttp.ClientSession, batch: list[Sent]) -> None:
        """Send until every event is acknowledged, or refused where it must be."""
        while batch:
            door = self.random.choice(self.doors)
            body, headers = self._encoded(batch)
            try:
                async with session.post(f"{door}/v1/events", data=body, headers=headers) as answer:
                    status, text = answer.status, await answer.text()
                    wait_s = answer.headers.get("Retry-After")
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.ledger.acknowledged[type(error).__name__] += 1
                await asyncio.sleep(self.random.uniform(0.1, 0.5))
                continue
            self.ledger.acknowledged[str(status)] += 1
            if status == 202:
                batch = self._acknowledged(batch, json.loads(text))
            elif status not in {429, 503} or wait_s is None:
                self.complaints.append(f"{status} (Retry-After: {wait_s}): {text[:300]}")
            if batch:
                await asyncio.sleep(min(float(wait_s or 0), 2) + self.random.uniform(0.1, 0.5))

    def _acknowledged(self, batch: list[Sent], told: dict[str, Any]) -> list[Sent]:
        """Notes what an answer says; answers what must be sent again."""
        refused = {each["index"]: each["reason"] for each in told["rejected"]}
        again = []
        for at, event in enumerate(batch):
            why = refused.get(at)
            if self.skewed and why in {"id_in_future", "id_too_old"} and not event.wrong:
                again.append(event)
            elif (why is not None) != event.wrong:
                self.complaints.append(f"{'refused for ' + why if why else 'accepted'}: {event.body}")
            elif event.wrong:
                self.ledger.acknowledged["refused"] += 1
            else:
                self.ledger.add(event)
                if event.counts:
                    self._recent.append(event)
        return again

    def _encoded(self, batch: list[Sent]) -> tuple[bytes, dict[str, str]]:
        bodies = [event.body for event in batch]
        headers = {"Authorization": f"Bearer {batch[0].organization.key}", "Content-Type": "application/json"}
        shape = self.random.randrange(4)
        if shape == 0:
            headers["Content-Type"] = "application/x-ndjson"
            data = "\n".join(map(json.dumps, bodies)).encode()
        else:
            data = json.dumps({"events": bodies} if shape == 1 else bodies).encode()
        if self.random.random() < 0.3:
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data, 1)
        return data, headers
