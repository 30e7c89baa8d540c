"""A client of our own API, signed in as the local admin."""

import time
from pathlib import Path
from typing import Any, Final

import httpx2

from stack import environment, first_run, keyring
from stack.errors import Refused
from stack.folder import folder_at

PATIENCE_S: Final = 15


def access_token(data: Path | None) -> str:
    """An access token of the local admin, from the API's own sign-in. Raises Refused."""
    with client(data) as signing_in:
        login = {"username": first_run.EMAIL, "password": keyring.secret(folder_at(data), first_run.PASSWORD)}
        return str(ask(signing_in, "POST", "/auth/token", data=login)["access_token"])


def client(data: Path | None, token: str | None = None) -> httpx2.Client:
    """A client for /api/v1 of the system in this folder."""
    url = environment.load(data).api_url
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=f"{url}/api/v1", headers=headers, timeout=15)


def ask(client: httpx2.Client, method: str, path: str, **more: Any) -> Any:
    """The JSON that the API answers, None for an empty answer. Raises Refused with what it said.

    A 503 did nothing: what the API needs may be starting again, so it is asked for a while.
    """
    end = time.monotonic() + PATIENCE_S
    while (answer := _answer(client, method, path, **more)).status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        if time.monotonic() > end:
            break
        time.sleep(0.5)
    if answer.is_error:
        raise Refused(f"The API answered {answer.status_code}: {_detail(answer)}")
    return answer.json() if answer.content else None


def _answer(client: httpx2.Client, method: str, path: str, **more: Any) -> httpx2.Response:
    try:
        return client.request(method, path, **more)
    except httpx2.TransportError as error:
        raise Refused(f"The API does not answer at {client.base_url}: is it running? See `tallywire status`") from error


def _detail(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
        where = "".join(f"; {error['at']}: {error['message']}" for error in problem.get("errors", ()))
        return str(problem.get("detail") or problem.get("title") or problem) + where
    except (ValueError, AttributeError):
        return answer.text[:300]
