"""What a new system needs before someone can use it: an organization, its admin, and a write key for imports."""

from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Final, Protocol

import httpx2
import msgspec

from stack.errors import Refused
from stack.folder import Folder
from stack.keyring import write_private
from stack.server import Place

ORGANIZATION: Final = "Local"
SLUG: Final = "local"
EMAIL: Final = "admin@localhost.localdomain"
PASSWORD: Final = "admin_password"  # noqa: S105 — the name of the secret
KEY_NAME: Final = "local imports"
RIGHTS: Final = ("events", "history")


class Run(Protocol):
    """Runs a module of ours to its end."""

    def __call__(self, name: str, *module: str, **more: str) -> Awaitable[None]:
        """`name` is its log, `more` goes into its environment."""
        ...


class LocalKey(msgspec.Struct, frozen=True):
    """The write key of this machine's imports."""

    id: str
    key: str


async def prepare(place: Place, environment: Mapping[str, str], run: Run) -> None:
    """Make the organization, its admin and the write key, where they are missing. Raises Refused."""
    password = place.secret(PASSWORD)
    names = ("--organization", ORGANIZATION, "--slug", SLUG, "--email", EMAIL)
    await run("bootstrap", "api", "bootstrap", *names, TALLYWIRE_ADMIN_PASSWORD=password)
    await _ensure_key(place, environment["TALLYWIRE_API_URL"])


def local_key(folder: Folder) -> LocalKey:
    """The write key that imports use. Raises Refused where there is none yet."""
    file = _key_file(folder)
    if not file.exists():
        raise Refused("There is no local write key yet: run `tallywire up`")
    return msgspec.json.decode(file.read_bytes(), type=LocalKey)


async def _ensure_key(place: Place, api_url: str) -> None:
    """Keep the key that is known and still valid; otherwise make one."""
    file = _key_file(place.folder)
    async with httpx2.AsyncClient(base_url=f"{api_url}/api/v1", timeout=15) as client:
        login = {"username": EMAIL, "password": place.secret(PASSWORD)}
        token = _ok(await client.post("/auth/token", data=login))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        if file.exists() and still_valid(local_key(place.folder), (await client.get("/write-keys")).json()):
            return
        made = _ok(await client.post("/write-keys", json={"name": KEY_NAME, "rights": RIGHTS}))
    write_private(file, msgspec.json.encode(LocalKey(id=str(made["id"]), key=str(made["key"]))).decode())


def still_valid(key: LocalKey, listed: list[dict[str, object]]) -> bool:
    """Whether the API lists a key as one that was not revoked."""
    return any(each["id"] == key.id and each["revoked_at"] is None for each in listed)


def _ok(answer: httpx2.Response) -> dict[str, object]:
    if answer.is_error:
        raise Refused(f"The API answered {answer.status_code} to {answer.request.url}: {answer.text[:300]}")
    return msgspec.json.decode(answer.content, type=dict[str, object])


def _key_file(folder: Folder) -> Path:
    return folder.secrets / "write_key.json"
