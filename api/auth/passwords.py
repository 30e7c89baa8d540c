"""Passwords: argon2id, off the event loop, a few at a time, each check as long as any other."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pwdlib import PasswordHash

from api.errors import Unavailable

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

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether this is the password; None, for nobody's, is as slow and never true."""
        if self._waiting >= self._most_waiting:
            raise Unavailable("too many sign-ins at once; try again")
        self._waiting += 1
        try:
            right = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._hash.verify, password, stored or self._of_nobody
            )
        finally:
            self._waiting -= 1
        return right and stored is not None

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
