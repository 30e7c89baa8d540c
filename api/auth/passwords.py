"""Passwords: argon2id, off the event loop, a few at a time, each check as long as any other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pwdlib import PasswordHash

from api.auth.strength import weakness
from api.errors import Invalid, Unavailable

T = TypeVar("T")

THREADS: Final = 2
"""A hash takes 64 MiB and a tenth of a second of a core."""
MOST_WAITING: Final = 64


class Passwords:
    """Hashes and verifies in a pool of its own. Raises Unavailable where too many are waiting already."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._hash = PasswordHash.recommended()
        self._pool = ThreadPoolExecutor(THREADS, "passwords")
        self._waiting = 0
        self._of_nobody = self._hash.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """What is stored of a password; blocks."""
        return self._hash.hash(password)

    async def hashed(self, password: str, *known: str) -> str:
        """What is stored of a new password. Raises Invalid where it is weak; `known` is what a guesser knows."""
        if reason := await self._run(weakness, password, *known):
            raise Invalid(reason)
        return await self._run(self.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether this is the password; None, for nobody's, is as slow and never true."""
        return await self._run(self._hash.verify, password, stored or self._of_nobody) and stored is not None

    async def renewed(self, password: str, stored: str) -> str | None:
        """What is to be stored of a right password from now on, where `stored` was made with other parameters."""
        if not self._hash.current_hasher.check_needs_rehash(stored):
            return None
        return await self._run(self.hash, password)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= self._most_waiting:
            raise Unavailable("too many sign-ins at once; try again")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
