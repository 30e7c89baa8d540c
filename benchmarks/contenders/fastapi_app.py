"""The same collector as one writes it with FastAPI, pydantic and aiokafka: the same checks, acks=all.

`per` is "event" (a message an event, keyed by its content, as consumers want them) or "request" (a message a request,
which is cheaper, and can be neither keyed nor kept in a content's order).
"""

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from benchmarks.contenders.result import task

TASK = task()
KNOWN = {UUID(hex=id_) for id_ in TASK["contents"]}
AUTHORIZATION = f"Bearer {TASK['write_key']}"
WEEK_MS, AHEAD_MS = 7 * 24 * 3600 * 1000, 5 * 60 * 1000
Kind = Literal["view", "read", "click", "reaction", "share", "comment", "save", "subscribe"]


class Event(BaseModel):
    """One event."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    content_id: UUID
    kind: Kind
    platform: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    actor: Annotated[str, Field(max_length=128)] | None = None
    value: Annotated[float, Field(ge=0, le=1_000_000_000)] | None = None
    attributes: dict[str, object] | None = None
    robot: bool | None = None

    @field_validator("id")
    @classmethod
    def of_now(cls, id_: UUID) -> UUID:
        """A UUIDv7 of the last 7 days."""
        now_ms, at_ms = int(time.time() * 1000), id_.int >> 80
        if id_.version != 7 or not now_ms - WEEK_MS <= at_ms <= now_ms + AHEAD_MS:
            raise ValueError("id must be a UUIDv7 of the last 7 days")
        return id_

    @field_validator("content_id")
    @classmethod
    def known(cls, content_id: UUID) -> UUID:
        """Content of this organization."""
        if content_id not in KNOWN:
            raise ValueError("unknown content")
        return content_id


events_of = TypeAdapter(list[Event])
event_of = TypeAdapter(Event)
producers: list[AIOKafkaProducer] = []


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Open the producer."""
    producer = AIOKafkaProducer(bootstrap_servers=TASK["kafka"], acks="all", linger_ms=5, max_request_size=8 << 20)
    await producer.start()
    producers.append(producer)
    yield
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, bool]:
    """Up."""
    return {"kafka": bool(producers)}


@app.post("/v1/events", status_code=202)
async def events(request: Request) -> dict[str, int]:
    """202 once Kafka has all of them."""
    if not hmac.compare_digest(request.headers.get("authorization", ""), AUTHORIZATION):
        raise HTTPException(401)
    body = await request.body()
    try:
        if request.headers["content-type"] == "application/x-ndjson":
            parsed = [event_of.validate_json(line) for line in body.splitlines()]
        else:
            parsed = events_of.validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, error.errors(include_url=False, include_context=False)) from error
    await (per_event(parsed) if TASK["per"] == "event" else per_request(parsed))
    return {"accepted": len(parsed)}


async def per_event(parsed: list[Event]) -> None:
    """A message an event."""
    send = producers[0].send
    sent = [await send(TASK["topic"], event.model_dump_json().encode(), key=event.content_id.bytes) for event in parsed]
    await asyncio.gather(*sent)


async def per_request(parsed: list[Event]) -> None:
    """A message a request."""
    await producers[0].send_and_wait(TASK["topic"], orjson.dumps([event.model_dump(mode="json") for event in parsed]))


if __name__ == "__main__":
    import uvicorn

    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    uvicorn.run(app, host="127.0.0.1", port=TASK["port"], loop="uvloop", access_log=False, log_level="error")
