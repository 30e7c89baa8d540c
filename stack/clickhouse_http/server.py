"""The HTTP server: `/` and `/query` ask, `/ping` says that it lives."""

import asyncio
import signal
from pathlib import Path

from aiohttp import web

from stack.clickhouse_http import question as questions
from stack.clickhouse_http.answer import Answering
from stack.clickhouse_http.body import BLOCK_BYTES, IS_LAST
from stack.clickhouse_http.engine import Engine
from stack.clickhouse_http.errors import READONLY, ClickHouseError, refusal
from stack.clickhouse_http.statement import check, scan
from stack.clickhouse_http.users import User, authenticate


def application(engine: Engine, users: dict[str, User]) -> web.Application:
    """The aiohttp application around a started engine."""

    async def ask(request: web.Request) -> web.StreamResponse:
        headers = {"X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Server-Display-Name": "chdb"}
        answer: web.StreamResponse
        try:
            question = await questions.read(request, authenticate(request, users))
            headers["X-ClickHouse-Query-Id"] = question.id
            answer = await _answer(request, engine, question, headers)
        except ClickHouseError as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            answer = web.Response(status=error.status, text=str(error), headers=headers)
        if IS_LAST in request:
            answer.force_close()
        return answer

    async def ping(_request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    made = web.Application()
    made.router.add_get("/ping", ping)
    made.router.add_route("*", "/", ask)
    made.router.add_route("*", "/query", ask)
    return made


async def _answer(
    request: web.Request, engine: Engine, question: questions.Question, headers: dict[str, str]
) -> web.StreamResponse:
    block = await question.body.block()
    text = question.text + b"\n" + block if question.text and block else question.text + block
    statement = scan(text)
    if statement is None:
        return web.Response(text="Ok.\n", headers=headers)
    if statement.data_at is None:
        text += await question.body.rest()
        statement = scan(text) or statement
    check(text[: statement.data_at], statement, readonly=question.readonly)
    async with engine.handle(
        question.database, question.settings, question.session, readonly=question.readonly
    ) as handle:
        answering = Answering(engine, handle, question, dict(headers))
        if statement.data_at is None:
            return await answering.select(request, text.decode(), statement)
        if question.readonly:
            raise refusal(READONLY, "READONLY", "Cannot execute query in readonly mode.")
        into, rest = text[: statement.into_end].decode(), text[statement.into_end : statement.sql_end].decode()
        rest += f" FORMAT {statement.format or question.format}"
        return await answering.insert(into, rest, text[statement.data_at :])


async def serve(folder: Path, host: str, port: int, users: dict[str, User], memory_mb: int) -> None:
    """Serve `folder` until SIGTERM or SIGINT; running requests have 10 s to end."""
    engine = Engine(folder, memory_mb)
    await engine.start()
    made = application(engine, users)
    runner = web.AppRunner(
        made,
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=10,
        read_bufsize=4 * BLOCK_BYTES,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=512).start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()
    await engine.stop()
