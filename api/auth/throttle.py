"""Guessing at sign-ins is slowed down: failures are counted in Redis, per address, per account, and per both.

Every attempt is counted before it is judged, and forgiven if it was right, so that guesses sent at once do not slip by.
A window never grows by what was refused in it, and an address from which the account has signed in before is not held
up by what others do to the account: nobody is locked out for long.
"""

import hashlib
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import redis.asyncio
import redis.exceptions

from api.errors import SecondFactorRequired, TooMany, Unauthenticated, Unavailable

WINDOW_S: Final = 300
OF_ADDRESS: Final = 100
OF_PAIR: Final = 20
OF_ACCOUNT: Final = 100
KNOWN_S: Final = 30 * 86400

_COUNT: Final = """
local wait = 0
for i, key in ipairs(KEYS) do
    if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[i + 1]) then
        wait = math.max(wait, redis.call('TTL', key), 1)
    end
end
if wait == 0 then
    for _, key in ipairs(KEYS) do
        if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, ARGV[1]) end
    end
end
return wait
"""
_FORGIVE: Final = """
for _, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then redis.call('DECR', key) end
end
"""
_REMEMBER: Final = "redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])"


class Count(NamedTuple):
    """What is counted under a key, and how many failures are allowed in a window."""

    key: str
    most: int


class Throttle:
    """Raises TooMany with Retry-After, and Unavailable where Redis does not answer: then nobody signs in."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    @asynccontextmanager
    async def attempt(self, address: str, account: str = "") -> AsyncIterator[None]:
        """One attempt from an address, at an account where one is named; Unauthenticated inside is a failure."""
        counts = await self._counts(address, account)
        await self._count(counts, "too many attempts failed")
        try:
            yield
        except Unauthenticated as error:
            if isinstance(error, SecondFactorRequired):
                await self._ask(_FORGIVE, [count.key for count in counts])
            raise
        except BaseException:
            await self._ask(_FORGIVE, [count.key for count in counts])
            raise
        await self._ask(_FORGIVE, [count.key for count in counts])
        if account:
            await self._ask(_REMEMBER, [_known(address, account)], KNOWN_S)

    async def begin(self, address: str) -> None:
        """Count a sign-in that goes on elsewhere: until it is finished, it counts among those that failed."""
        await self._count([_begun(address)], "too many sign-ins were begun from here and not finished")

    async def finished(self, address: str) -> None:
        """A sign-in that was begun here has come to its end."""
        await self._ask(_FORGIVE, [_begun(address).key])

    async def _count(self, counts: Sequence[Count], why: str) -> None:
        if wait_s := await self._ask(_COUNT, [count.key for count in counts], WINDOW_S, *(c.most for c in counts)):
            raise TooMany(f"{why}; come again in {wait_s} s", headers={"Retry-After": str(wait_s)})

    async def _counts(self, address: str, account: str) -> Sequence[Count]:
        of_address = Count(f"tw:attempts:{network(address)}", OF_ADDRESS)
        if not account:
            return [of_address]
        counts = [of_address, Count(f"tw:attempts:{_digest(account)}:{network(address)}", OF_PAIR)]
        if not await self._ask("return redis.call('EXISTS', KEYS[1])", [_known(address, account)]):
            counts.append(Count(f"tw:attempts:{_digest(account)}", OF_ACCOUNT))
        return counts

    async def _ask(self, script: str, keys: Sequence[str], *arguments: int) -> int:
        try:
            return int(await self._redis.eval(script, len(keys), *keys, *arguments) or 0)
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            raise Unavailable("attempts cannot be counted now, so there are none; try again") from error


def network(address: str) -> str:
    """What one party holds at least: an IPv4 address, a /64 of IPv6."""
    try:
        at = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(at) if at.version == 4 else str(ipaddress.ip_network((at, 64), strict=False))


def _begun(address: str) -> Count:
    return Count(f"tw:attempts:begun:{network(address)}", OF_ADDRESS)


def _known(address: str, account: str) -> str:
    return f"tw:known:{_digest(account)}:{network(address)}"


def _digest(account: str) -> str:
    return hashlib.sha256(account.encode(errors="replace")).hexdigest()
