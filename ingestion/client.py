"""The front doors as an importer uses them: the API for pieces, the collector for events, totals and refusals.

What may pass later is sent again, the same bytes with the same ids: nothing is lost and nothing counts twice.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2
import msgspec

from wire.errors import Poison, Transient

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
GIVE_UP_S: Final = 120
"""How long one call is tried before the import ends."""
MAX_PAUSE_S: Final = 15

Form = TypeVar("Form")


class Taken(msgspec.Struct, frozen=True):
    """What the collector answered: how many it took, and (index, reason) of the others."""

    class Rejected(msgspec.Struct, frozen=True):
        """One that was not taken."""

        index: int
        reason: str
        detail: str

    accepted: int
    rejected: tuple[Rejected, ...]


class Piece(msgspec.Struct, frozen=True):
    """What an imported piece is called here, and whether it is new."""

    source_ref: str
    id: str
    created: bool


class Client:
    """Use as an async context. `token` answers a fresh access token; it is asked again when one has expired."""

    def __init__(
        self,
        *,
        api_url: str,
        ingestion_url: str,
        write_key: str,
        token: Callable[[], Awaitable[str]],
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._ingestion_url = ingestion_url.rstrip("/")
        self._write_key = write_key
        self._token = token
        self._access_token = ""
        self._give_up_s = give_up_s
        self._http = httpx2.AsyncClient(timeout=60)

    async def pieces(self, pieces: Sequence[dict[str, Any]]) -> list[Piece]:
        """Make sure that these pieces exist, at most 1,000; answers them in order. Raises as `events` does."""
        body = msgspec.json.encode({"pieces": pieces})
        self._access_token = self._access_token or await self._token()
        url = f"{self._api_url}/api/v1/content/bulk"
        answer = await self._post(url, body, self._access_token)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self._access_token = await self._token()
            answer = await self._post(url, body, self._access_token)
        return _decoded(answer, list[Piece])

    async def events(self, events: Sequence[dict[str, Any]]) -> Taken:
        """Send events, at most 10,000.

        Raises Transient where it cannot be delivered within `give_up_s`, Poison where it is refused as a whole.
        """
        return await self._collect("/v1/events", events)

    async def snapshots(self, snapshots: Sequence[dict[str, Any]]) -> Taken:
        """Send platforms' own totals. Raises as `events` does."""
        return await self._collect("/v1/snapshots", snapshots)

    async def rejections(self, rejections: Sequence[dict[str, Any]]) -> Taken:
        """Send what was refused here. Raises as `events` does."""
        return await self._collect("/v1/rejections", rejections)

    async def _collect(self, path: str, items: Sequence[dict[str, Any]]) -> Taken:
        answer = await self._post(f"{self._ingestion_url}{path}", msgspec.json.encode(items), self._write_key)
        return _decoded(answer, Taken)

    async def _post(self, url: str, body: bytes, bearer: str) -> httpx2.Response:
        """The first answer that is not to be tried again."""
        give_up_at = time.monotonic() + self._give_up_s
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        pause_s = 0.25
        while True:
            wait_s = pause_s * random.uniform(0.5, 1)  # noqa: S311 - only spreads the retries
            try:
                answer = await self._http.post(url, content=body, headers=headers)
                if answer.status_code not in AGAIN:
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
                wait_s = max(wait_s, _retry_after_s(answer))
            except httpx2.TransportError as error:
                said = repr(error)
            if time.monotonic() + wait_s > give_up_at:
                raise Transient(f"{url} did not take it in {self._give_up_s:.0f} s; the last answer was {said}")
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()


def _retry_after_s(answer: httpx2.Response) -> float:
    """Seconds that the answer asks to wait; 0 where it does not say, or says it as a date."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), MAX_PAUSE_S) if text.isdigit() else 0.0


def _decoded(answer: httpx2.Response, form: type[Form]) -> Form:
    """The body of a success. Raises Poison for any other answer."""
    if not answer.is_success:
        raise Poison("refused", f"{answer.url} answered {answer.status_code}: {answer.text[:500]}")
    try:
        return msgspec.json.decode(answer.content, type=form)
    except msgspec.DecodeError as error:
        raise Poison("not_understood", f"{answer.url} answered what is no {form}: {error}") from error
