"""The worker over its real queues: what is applied, what waits, what is buried, what survives a lost connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aio_pika
import asyncpg
import httpx2
import msgspec
import pytest
from pydantic import SecretStr

import wire.rabbitmq
from api.worker import carry_out
from api.worker.run import run
from tests.refusals import read_only
from wire import telemetry
from wire.commands import SCORE_CONTENT, Command, PublishContent, ScoreContent, shard
from wire.errors import Transient
from wire.ids import new_id
from wire.settings import Settings
from wire.topics import COMMANDS, COMMANDS_EXCHANGE, DEAD, DEAD_EXCHANGE


@pytest.fixture(scope="module")
async def channel(settings) -> AsyncIterator[Any]:
    connection = await wire.rabbitmq.connect(settings.rabbitmq_url, "tests")
    opened = await wire.rabbitmq.channel(connection)
    await wire.rabbitmq.declare(opened)
    yield opened
    await connection.close()


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that consumes every shard."""
    ready = settings.state_dir / f"{settings.worker_name}.ready"
    ready.unlink(missing_ok=True)
    task = asyncio.create_task(run(settings))
    await until(lambda: ready.exists() or task.done())
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition, awaited where it can be. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


async def make_piece(client, team) -> UUID:
    body = {"type": "custom", "title": "t"}
    answer = await client.post("/api/v1/content", json=body, headers=team.super_admin.headers)
    return UUID(answer.json()["id"])


def score(team, piece: UUID, value: float, revision: int = 1) -> Command:
    payload = ScoreContent(content_id=piece, revision=revision, score=value, parts={})
    return Command(
        id=new_id(),
        type="content.score",
        organization_id=team.id,
        key=str(piece),
        issued_at="2026-11-22T10:00:00Z",
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )


async def send(channel, command: Command) -> None:
    message = aio_pika.Message(
        msgspec.json.encode(command), message_id=str(command.id), type=command.type, delivery_mode=2
    )
    await wire.rabbitmq.publish(channel, COMMANDS_EXCHANGE, f"shard.{shard(command.key)}", message)


async def score_of(superuser: asyncpg.Pool, piece: UUID) -> float | None:
    return await superuser.fetchval("SELECT quality_score FROM content WHERE id = $1", piece)


async def left_in(channel, name: str) -> int:
    """How many messages a queue still gives; they are dropped."""
    left: asyncio.Queue[Any] = asyncio.Queue()
    queue = await channel.get_queue(name, ensure=False)
    tag = await queue.consume(left.put, no_ack=True)
    await asyncio.sleep(0.3)
    await queue.cancel(tag)
    return left.qsize()


async def buried(superuser: asyncpg.Pool, id_: UUID) -> asyncpg.Record:
    """A dead command, once it is one."""
    dead = "SELECT * FROM commands_aside WHERE id = $1 AND due_at IS NULL"
    await until(lambda: superuser.fetchrow(dead, id_))
    return await superuser.fetchrow(dead, id_)


async def test_commands_of_every_shard_are_carried_out_and_acknowledged(
    settings, channel, client, team, superuser
) -> None:
    pieces = [await make_piece(client, team) for _ in range(12)]
    assert {shard(str(piece)) for piece in pieces} <= set(range(len(COMMANDS)))
    for n, piece in enumerate(pieces):
        await send(channel, score(team, piece, n / 2))
    async with working(settings):

        async def all_scored() -> bool:
            return [await score_of(superuser, piece) for piece in pieces] == [n / 2 for n in range(12)]

        await until(all_scored)
    assert [await left_in(channel, queue.name) for queue in COMMANDS] == [0] * len(COMMANDS)


async def test_poison_is_buried_with_its_reason_and_holds_nobody_up(settings, channel, client, team, superuser) -> None:
    piece = await make_piece(client, team)
    poison = score(team, piece, 11)
    async with working(settings):
        await send(channel, poison)
        await send(channel, score(team, piece, 5))
        dead = await buried(superuser, poison.id)
        await until(lambda: _is(superuser, piece, 5))
    assert (dead["organization_id"], dead["type"], dead["key"]) == (team.id, "content.score", str(piece))
    assert dead["reason"] == "score_out_of_range"
    assert "11" in dead["detail"]
    assert dead["body"] == msgspec.json.encode(poison)


async def _is(superuser: asyncpg.Pool, piece: UUID, value: float) -> bool:
    return await score_of(superuser, piece) == value


async def test_a_command_that_cannot_go_through_now_waits_and_holds_back_those_of_its_piece_only(
    settings, channel, client, team, superuser, monkeypatch
) -> None:
    """Every first try of this command is told that it lost a deadlock, by PostgreSQL's own error."""
    piece, other = await make_piece(client, team), await make_piece(client, team)
    deadlocked, behind = score(team, piece, 8), score(team, piece, 9)
    tries: list[float] = []
    order: list[UUID] = []
    real = carry_out.HANDLERS["content.score"]

    async def losing(connection: asyncpg.Connection, command: Command) -> None:
        order.append(command.id)
        if command.id == deadlocked.id:
            tries.append(time.monotonic())
            if len(tries) <= 2:
                await connection.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = 'deadlock_detected'; END $$"
                )
        await real(connection, command)

    monkeypatch.setitem(carry_out.HANDLERS, "content.score", losing)
    async with working(settings):
        await send(channel, deadlocked)
        await send(channel, behind)
        await send(channel, score(team, other, 3))
        await until(lambda: _is(superuser, other, 3), 5)
        assert await score_of(superuser, piece) is None
        await until(lambda: _is(superuser, piece, 9))
    assert len(tries) == 3
    assert [id_ for id_ in order if id_ in (deadlocked.id, behind.id)] == [*[deadlocked.id] * 3, behind.id]
    assert await superuser.fetchval("SELECT count(*) FROM commands_aside WHERE key = $1", str(piece)) == 0
    assert 0.9 < tries[1] - tries[0] < 4
    assert 4.9 < tries[2] - tries[1] < 9


async def test_a_command_that_fails_in_an_unforeseen_way_is_buried_in_the_end(
    settings, channel, client, team, superuser, monkeypatch
) -> None:
    command = score(team, await make_piece(client, team), 8)

    async def failing(connection: asyncpg.Connection, command: Command) -> None:
        raise KeyError("a bug")

    monkeypatch.setitem(carry_out.HANDLERS, "content.score", failing)
    later = "UPDATE commands_aside SET attempts = 7, due_at = now() WHERE id = $1 AND attempts = 1 RETURNING id"
    async with working(settings) as worker:
        await send(channel, command)
        await until(lambda: superuser.fetchval(later, command.id))
        dead = await buried(superuser, command.id)
        assert not worker.done()
    assert (dead["reason"], dead["attempts"]) == ("unexpected_error", 8)


async def test_what_others_have_given_up_and_what_is_no_command_is_kept_where_it_can_be_seen(
    settings, channel, client, team, superuser
) -> None:
    command = score(team, await make_piece(client, team), 8)
    ids = [new_id(), new_id()]
    given_up = aio_pika.Message(msgspec.json.encode(command), message_id=str(command.id), type=command.type)
    odd = {"reason": "a\0reason", "detail": "d" * 999}
    unreadable = aio_pika.Message(b"\xff\0", message_id=str(ids[0]), headers=odd)
    async with working(settings):
        await wire.rabbitmq.publish(channel, DEAD_EXCHANGE, "shard.0", given_up)
        await wire.rabbitmq.publish(channel, DEAD_EXCHANGE, "elsewhere", unreadable)
        for _ in range(2):
            message = aio_pika.Message(b"{}", message_id=str(ids[1]), type="x\0y")
            await wire.rabbitmq.publish(channel, COMMANDS_EXCHANGE, "shard.1", message)
        dead = [await buried(superuser, id_) for id_ in (command.id, *ids)]
    assert [one["reason"] for one in dead] == ["delivered_too_often", "a\ufffdreason", "undecodable_command"]
    assert [one["organization_id"] for one in dead] == [team.id, None, None]
    assert [one["body"] for one in dead] == [msgspec.json.encode(command), b"\xff\0", b"{}"]
    assert [await left_in(channel, queue.name) for queue in (*COMMANDS, DEAD)] == [0] * (len(COMMANDS) + 1)


async def test_a_message_that_forges_its_organization_is_dead_and_nothing_is_applied(
    settings, channel, client, team, strangers, superuser
) -> None:
    piece = await make_piece(client, team)
    before = dict(await superuser.fetchrow("SELECT * FROM content WHERE id = $1", piece))
    payload = PublishContent(content_id=piece, sha256="0" * 64, actor_id=strangers.editor.id)
    publish = msgspec.structs.replace(
        score(strangers, piece, 1), type="content.publish", payload=msgspec.Raw(msgspec.json.encode(payload))
    )
    forged = [score(strangers, piece, 8), publish]
    async with working(settings):
        for command in forged:
            await send(channel, command)
        dead = [await buried(superuser, command.id) for command in forged]
    assert {one["reason"] for one in dead} == {"unknown_content"}
    assert dict(await superuser.fetchrow("SELECT * FROM content WHERE id = $1", piece)) == before


async def test_commands_go_on_after_rabbitmq_has_cut_the_connection(
    settings, servers, channel, client, team, superuser, names
) -> None:
    at = urlsplit(servers.rabbitmq_url)
    piece = await make_piece(client, team)
    async with working(settings) as worker:
        await send(channel, score(team, piece, 1))
        await until(lambda: _is(superuser, piece, 1))
        async with httpx2.AsyncClient(
            base_url=servers.rabbitmq_management_url, auth=(at.username, at.password)
        ) as http:

            async def cut() -> bool:
                listed = (await http.get(f"/api/vhosts/{names['database']}/connections")).json()
                ours = [
                    one["name"]
                    for one in listed
                    if "commands" in one.get("client_properties", {}).get("connection_name", "")
                ]
                for name in ours:
                    await http.delete(f"/api/connections/{name}")
                return bool(ours)

            await until(cut)
        for value in (2, 3, 4):
            await send(channel, score(team, piece, value))
        await until(lambda: _is(superuser, piece, 4))
        assert not worker.done()


async def test_a_queue_that_is_deleted_under_its_consumer_is_made_and_consumed_again(
    settings, channel, client, team, superuser
) -> None:
    piece = await make_piece(client, team)
    async with working(settings) as worker:
        await send(channel, score(team, piece, 1))
        await until(lambda: _is(superuser, piece, 1))
        await channel.queue_delete(COMMANDS[shard(str(piece))].name)

        async def taken() -> bool:
            with suppress(Transient):
                await send(channel, score(team, piece, 2))
            return await _is(superuser, piece, 2)

        await until(taken)
        assert not worker.done()


class Proxy:
    """A door to PostgreSQL that can be shut, and cuts what is open when it is."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._to = (at.hostname, at.port)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        self._open |= {writer, far_writer}
        with suppress(OSError):
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._open -= {writer, far_writer}

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_while_postgresql_is_away_commands_wait_in_place_and_lose_nothing(
    settings, channel, client, team, superuser, caplog
) -> None:
    url = settings.postgres_app_url.get_secret_value()
    proxy = Proxy(url)
    await proxy.open()
    at = urlsplit(url)
    through = url.replace(f"{at.hostname}:{at.port}", f"127.0.0.1:{proxy.port}")
    pieces = [await make_piece(client, team) for _ in range(6)]
    async with working(settings.model_copy(update={"postgres_app_url": SecretStr(through)})) as worker:
        await send(channel, score(team, pieces[0], 1))
        await until(lambda: _is(superuser, pieces[0], 1))
        await proxy.shut()
        for piece in pieces:
            await send(channel, score(team, piece, 2))
        await until(lambda: "waiting for PostgreSQL" in caplog.text)
        await asyncio.sleep(1)
        assert "set aside" not in caplog.text
        await proxy.open()

        async def all_scored() -> bool:
            return {await score_of(superuser, piece) for piece in pieces} == {2}

        await until(all_scored)
        assert not worker.done()
    await proxy.shut()


async def test_while_postgresql_is_read_only_commands_wait_in_place_and_none_is_set_aside(
    settings, channel, client, team, superuser, caplog
) -> None:
    pieces = [await make_piece(client, team) for _ in range(6)]
    body = {"type": "custom", "title": "t"}
    async with working(settings) as worker:
        async with read_only(superuser):
            for piece in pieces:
                await send(channel, score(team, piece, 2))
            await until(lambda: "waiting for PostgreSQL" in caplog.text)
            refused = await client.post("/api/v1/content", json=body, headers=team.super_admin.headers)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert refused.json()["type"] == "urn:tallywire:problem:unavailable"
            await asyncio.sleep(1)
            assert not worker.done()
        await until(lambda: _all_are(superuser, pieces, 2))
        assert not worker.done()
    assert "retry_in_s" not in caplog.text, "its session ended, and RabbitMQ counted deliveries"
    assert "set aside" not in caplog.text


async def _all_are(superuser: asyncpg.Pool, pieces: list[UUID], value: float) -> bool:
    return [await score_of(superuser, piece) for piece in pieces] == [value] * len(pieces)


def test_types_that_senders_make_up_are_not_kept_by_the_metrics() -> None:
    for n in range(3):
        carry_out.count(f"made.up_{n}", "dead")
    carry_out.count(None, "dead")
    carry_out.count(SCORE_CONTENT, "dead")
    types = {sample.labels["type"] for metric in telemetry.COMMANDS.collect() for sample in metric.samples}
    assert {"unknown", SCORE_CONTENT} <= types <= {"unknown", *carry_out.HANDLERS}
