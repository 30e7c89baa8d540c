"""Where a request came from, as a session remembers it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request


@dataclass(frozen=True)
class Origin:
    """The caller's address, and what the client calls itself."""

    address: str
    user_agent: str


def origin_of(request: Request) -> Origin:
    """The peer's address; a proxy's word counts only where TALLYWIRE_TRUSTED_PROXIES names it."""
    agent = "".join(c for c in request.headers.get("user-agent", "") if c.isprintable())
    return Origin(request.client.host[:64] if request.client else "", agent[:200])


CalledFrom = Annotated[Origin, Depends(origin_of)]
