"""What the identity provider says of itself: its addresses and its keys, asked for now and then, not each time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.errors import Unavailable

T = TypeVar("T")

GOOD_FOR_S: Final = 600
NEWER_S: Final = 30
"""Keys that do not verify a token are asked for anew once they are older than that."""
AWAY_S: Final = 1
TIMEOUT_S: Final = 5
AWAY: Final = "the identity provider does not answer, or not as OpenID Connect asks; try again"


class Kept(Generic[T]):
    """What `fetch` answers, as long as it is good; many who want it at once wait for one answer, or one failure."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._asking = asyncio.Lock()
        self._found: tuple[T, float] | None = None
        self._away_until = 0.0

    async def get(self, good_for_s: float) -> T:
        """What was answered no longer ago than this. Raises Unavailable."""
        async with self._asking:
            if self._found is not None and self._clock() - self._found[1] < good_for_s:
                return self._found[0]
            if self._clock() < self._away_until:
                raise Unavailable(AWAY)
            try:
                found = await self._fetch()
            except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._away_until = self._clock() + AWAY_S
                raise Unavailable(AWAY) from error
            self._found = found, self._clock()
            return found


class Provider:
    """The provider of this issuer. Raises Unavailable where it does not answer as one."""

    def __init__(self, issuer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._description = Kept(self._describe, clock)
        self._keys = Kept(self._import_keys, clock)

    async def described(self) -> dict[str, str]:
        """Its addresses, by their names in OpenID Connect Discovery."""
        return await self._description.get(GOOD_FOR_S)

    async def keys(self, *, newer: bool = False) -> KeySet:
        """The keys that verify its tokens; `newer` where those at hand did not."""
        return await self._keys.get(NEWER_S if newer else GOOD_FOR_S)

    async def _describe(self) -> dict[str, str]:
        found: dict[str, str] = await _json(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found["issuer"] != self._issuer:
            raise ValueError(f"the provider calls itself {found['issuer']!r}")
        return found

    async def _import_keys(self) -> KeySet:
        return KeySet.import_key_set(await _json((await self.described())["jwks_uri"]))


async def _json(address: str) -> Any:
    async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
        return (await client.get(address)).raise_for_status().json()
