"""What was refused is kept as well: each refusal is a row that a person can list, with its reason and a sample."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from ingestion.kafka_log import KafkaLog
from ingestion.parse import Refusal, Why
from ingestion.problems import KINDS, Problem
from wire.events import Rejection, encode
from wire.ids import id_at, partition
from wire.secrets import LONGEST, without_secrets
from wire.topics import REJECTIONS

SAMPLE_CHARACTERS: Final = 500
MAX_MESSAGE_ITEMS: Final = 1_000
HTTP: Final = "http"
FOR_WHAT_IT_IS: Final = (400, 413, 415)
"""Answers to a request that is as wrong whoever sends it whenever."""

_DAY_MS: Final = 24 * 3600 * 1000


def of_whole(problem: Problem, body: bytes) -> list[Refusal]:
    """A request that is refused as a whole for what it is -> its one refusal; none where the same may pass later."""
    if problem.status not in FOR_WHAT_IT_IS:
        return []
    return [Refusal(0, Why(KINDS[problem.status].replace("-", "_"), problem.detail), body)]


def of_request(organization_id: UUID, refused: Iterable[Refusal], now_ms: int) -> list[Rejection]:
    """A request's refusals -> rejections. The same request again, on the same day, gives the same ids."""
    day_ms = now_ms - now_ms % _DAY_MS
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    return [
        Rejection(
            id=id_at(day_ms, HTTP, organization_id.bytes, str(place), *why, raw),
            organization_id=organization_id,
            source=HTTP,
            place=place,
            reason=why.reason,
            detail=why.detail,
            sample=sample_of(raw),
            rejected_at=at,
        )
        for place, why, raw in refused
    ]


def sample_of(raw: bytes) -> str:
    """The beginning of something refused, without what looks like a secret."""
    known = SAMPLE_CHARACTERS + LONGEST
    return without_secrets(raw[: 4 * known].decode(errors="replace")[:known])[:SAMPLE_CHARACTERS]


async def publish(log: KafkaLog, organization_id: UUID, rejections: Sequence[Rejection]) -> None:
    """Returns when Kafka has them all, few enough a message. Raises Transient."""
    if not rejections:
        return
    to = partition(organization_id, REJECTIONS.partitions)
    await asyncio.gather(
        *(
            log.append(REJECTIONS, to, encode(rejections[at : at + MAX_MESSAGE_ITEMS]), key=organization_id.bytes)
            for at in range(0, len(rejections), MAX_MESSAGE_ITEMS)
        )
    )
