"""The HTTP collector: what each route does, from the request to the answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import Final, NamedTuple

from ingestion import bodies, in_flight, parse, rejections, uploads
from ingestion.accounts_table import AccountsTable
from ingestion.admission import EVENT_BYTES, REQUEST_BYTES, Memory, Rates
from ingestion.bodies import JSON, NDJSON, Receive
from ingestion.claims import Claims
from ingestion.contents import Contents
from ingestion.database import Database
from ingestion.group_commit import GroupCommit
from ingestion.kafka_log import KafkaLog
from ingestion.parse import Refusal
from ingestion.platforms import TOO_MANY_PLATFORMS, Platforms
from ingestion.problems import Answer, Problem, ok, unavailable
from ingestion.validate import UNKNOWN_CONTENT, Sent
from ingestion.write_keys import EVENTS, HISTORY, WriteKey, WriteKeys
from wire import topics
from wire.errors import Transient
from wire.events import encode
from wire.ids import new_id
from wire.settings import Settings
from wire.telemetry import EVENTS_ACCEPTED, EVENTS_REJECTED

_PLATFORM: Final = attrgetter("platform")


class Request(NamedTuple):
    """One HTTP request whose body has not been read yet; header names are lower case."""

    headers: Mapping[bytes, bytes]
    receive: Receive


@dataclass(frozen=True, slots=True)
class Collector:
    """The doors to the stores, and what is let in."""

    database: Database
    log: KafkaLog
    commit: GroupCommit
    write_keys: WriteKeys
    contents: Contents
    platforms: Platforms
    rates: Rates
    memory: Memory
    now: Callable[[], float] = time.time

    async def events(self, request: Request) -> Answer:
        """POST /v1/events: 202 once Kafka has every accepted event and every refusal."""
        with self.memory.hold() as held:
            key = await self._admit(request, EVENTS, HISTORY)
            body = b""
            try:
                lines = bodies.media_type(request.headers, (JSON, NDJSON)) == NDJSON
                body = await bodies.read(request.receive, request.headers, held)
                batch = parse.parse(body, lines=lines)
            except Problem as problem:
                await self._keep(key, rejections.of_whole(problem, body))
                raise
            held.grow_to(REQUEST_BYTES + len(body) + EVENT_BYTES * len(batch.events))
            sent, refused, now_ms = len(batch.events), batch.refused, self._now_ms()
            self.rates.charge(key.organization_id, sent + len(refused))
            unknown = await self.contents.unknown(key.organization_id, [event.content_id for event in batch.events])
            too_many = self.platforms.too_many(key.organization_id, set(map(_PLATFORM, batch.events)), now_ms)
            adding = self.commit.add(Sent(key.organization_id, batch, now_ms, HISTORY in key.rights, unknown, too_many))
            del body, batch  # the group lets go of the events once they are in envelopes, which may wait for Kafka
            try:
                judged = await adding
                refused = sorted((*refused, *judged))
            except Transient as error:
                raise _kafka_away() from error
            await self._keep(key, refused)
        return _accepted(sent - len(judged), refused)

    async def snapshots(self, request: Request) -> Answer:
        """POST /v1/snapshots: platforms' own totals; 202 once Kafka has them."""
        async with self._upload(request) as (key, body):
            good, refused = uploads.snapshots(body, self._now())
            unknown = await self.contents.unknown(key.organization_id, [item.content_id for _, item in good])
            known = [(place, item) for place, item in good if item.content_id not in unknown]
            names = {item.platform for _, item in known}
            too_many = self.platforms.too_many(key.organization_id, names, self._now_ms())
            items = [item for _, item in known if item.platform not in too_many]
            refused += [
                Refusal(place, UNKNOWN_CONTENT if item.content_id in unknown else TOO_MANY_PLATFORMS, encode(item))
                for place, item in good
                if item.content_id in unknown or item.platform in too_many
            ]
            await uploads.publish_snapshots(self.log, key.organization_id, items)
            await self._keep(key, refused)
            self.rates.charge(key.organization_id, len(good) + len(refused))
        return _accepted(len(items), sorted(refused), counted=False)

    async def rejections(self, request: Request) -> Answer:
        """POST /v1/rejections: what an importer refused by itself; 202 once Kafka has it."""
        async with self._upload(request) as (key, body):
            good, refused = uploads.rejections(body, key.organization_id, self._now())
            await rejections.publish(self.log, key.organization_id, good)
            await self._keep(key, refused)
            self.rates.charge(key.organization_id, len(good) + len(refused))
        return _accepted(len(good), refused, counted=False)

    async def lives(self, _: Request) -> Answer:
        """GET /healthz: 200."""
        return ok(HTTPStatus.OK, {"status": "ok"})

    async def ready(self, _: Request) -> Answer:
        """GET /readyz: 200 while Kafka and PostgreSQL answer, else 503 and which does not."""
        try:
            await self.database.fetch("SELECT 1")
            postgres = True
        except Transient:
            postgres = False
        told = {"kafka": await self.log.answers(), "postgres": postgres}
        return ok(HTTPStatus.OK if all(told.values()) else HTTPStatus.SERVICE_UNAVAILABLE, told)

    @asynccontextmanager
    async def _upload(self, request: Request) -> AsyncIterator[tuple[WriteKey, bytes]]:
        """The key and the body of an upload, held until it is done; Kafka's absence within is a 503."""
        with self.memory.hold() as held:
            key = await self._admit(request, HISTORY)
            body = b""
            try:
                bodies.media_type(request.headers, (JSON,))
                body = await bodies.read(request.receive, request.headers, held)
                yield key, body
            except Problem as problem:
                await self._keep(key, rejections.of_whole(problem, body))
                raise
            except Transient as error:
                raise _kafka_away() from error

    async def _keep(self, key: WriteKey, refused: Sequence[Refusal]) -> None:
        """Returns when Kafka has these refusals. Raises Problem 503 where it may not."""
        told = rejections.of_request(key.organization_id, refused, self._now_ms())
        try:
            await rejections.publish(self.log, key.organization_id, told)
        except Transient as error:
            raise _kafka_away() from error

    async def _admit(self, request: Request, *rights: str) -> WriteKey:
        """Before the body is read: who is it, may they, and is there room."""
        key = await self.write_keys.find(request.headers.get(b"authorization", b""))
        key.require(*rights)
        self.rates.admit(key.organization_id)
        if not self.log.is_up:
            raise _kafka_away()
        return key

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def _now_ms(self) -> int:
        return int(self.now() * 1000)


def _kafka_away() -> Problem:
    return unavailable("Kafka may not have taken everything; send the same again, what it has is not counted twice.")


def _accepted(count: int, refused: Sequence[Refusal], *, counted: bool = True) -> Answer:
    told = [{"index": place, "reason": why.reason, "detail": why.detail} for place, why, _ in refused]
    if counted:
        EVENTS_ACCEPTED.inc(count)
        for _, why, _ in refused:
            EVENTS_REJECTED.labels(why.reason).inc()
    return ok(HTTPStatus.ACCEPTED, {"accepted": count, "rejected": told})


@asynccontextmanager
async def collector(settings: Settings) -> AsyncIterator[Collector]:
    """A collector over these stores, whether they are up yet or not; at its end, what was accepted is in Kafka."""
    database, accounts, id_ = Database(settings.postgres_relay_url), AccountsTable(settings.clickhouse_url), new_id()
    watching = asyncio.create_task(in_flight.watch(accounts))
    async with (
        KafkaLog(settings.kafka_url) as log,
        WriteKeys(database) as write_keys,
        Claims(id_, accounts.store) as claims,
        GroupCommit(partial(log.append, topics.EVENTS), topics.EVENTS.partitions, id_, claims.add) as commit,
    ):
        yield Collector(
            database=database,
            log=log,
            commit=commit,
            write_keys=write_keys,
            contents=Contents(database),
            platforms=Platforms(),
            rates=Rates(settings.ingestion_events_per_second),
            memory=Memory(settings.ingestion_memory_bytes),
        )
    watching.cancel()
    await accounts.close()
    database.close()
