"""`python -m api ...` as processes: the first organization, serving, working, and ending when told."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from api.bootstrap import bootstrap
from api.organizations.slug import slug_of
from api.users.email import checked_email
from tests.conftest import free_port
from wire.settings import Settings

PASSWORD = "a password of some length"


def environment(settings: Settings, **changes: object) -> dict[str, str]:
    """The process environment that makes these settings."""
    made = {key: value for key, value in os.environ.items() if not key.startswith("TALLYWIRE_")}
    for name, value in {**dict(settings), **changes}.items():
        if value is not None:
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            made[f"TALLYWIRE_{name.upper()}"] = text
    return made


async def start(*verb: str, settings: Settings, **changes: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        *verb,
        env=environment(settings, **changes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process, text: str = "") -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(process.communicate(text.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def make_first(
    settings: Settings, email: str, password: str = PASSWORD, **changes: object
) -> tuple[int, str, str]:
    verb = ("bootstrap", "--organization", f"Team of {email}", "--email", email)
    return await finish(await start(*verb, settings=settings, **changes), password + "\n")


async def test_bootstrap_makes_keys_an_organization_and_an_administrator_once(settings, client, tmp_path) -> None:
    keys = tmp_path / "keys" / "signing.json"
    code, out, err = await make_first(settings, "Ada@Example.Test", signing_keys_file=keys)
    assert code == 0, err
    made = json.loads(out)
    assert (made["email"], made["created"]) == ("ada@example.test", True)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert PASSWORD not in out + err
    signed = await client.post("/api/v1/auth/token", data={"username": "ada@example.test", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {signed.json()['access_token']}"}
    me = (await client.get("/api/v1/me", headers=headers)).json()
    assert (me["id"], me["organization_id"], me["role"]) == (made["user_id"], made["organization_id"], "org_admin")
    before = keys.read_text()
    code, out, _ = await make_first(settings, "ada@example.test", "another password", signing_keys_file=keys)
    assert (code, json.loads(out)) == (0, {**made, "created": False})
    assert keys.read_text() == before
    again = await client.post("/api/v1/auth/token", data={"username": "ada@example.test", "password": PASSWORD})
    assert again.status_code == 200


async def test_the_first_of_an_organization_of_operators_may_enter_every_other(settings, superuser) -> None:
    email = "operator@example.test"
    code, _, err = await finish(
        await start("bootstrap", "--organization", "Operators", "--email", email, "--super-admin", settings=settings),
        PASSWORD + "\n",
    )
    assert code == 0, err
    assert await superuser.fetchval("SELECT role FROM users WHERE email = $1", email) == "super_admin"


async def test_bootstraps_at_once_make_one_organization(settings, superuser) -> None:
    made = await asyncio.gather(
        *(bootstrap(settings, organization="At once", email="once@example.test", password=PASSWORD) for _ in range(4))
    )
    assert sorted(one.created for one in made) == [False, False, False, True]
    assert len({one.user_id for one in made}) == 1
    assert await superuser.fetchval("SELECT count(*) FROM organizations WHERE slug = 'at-once'") == 1


async def test_bootstrap_says_what_is_wrong_and_never_the_password(settings) -> None:
    code, _, err = await make_first(settings, "a@example.test", "too short")
    assert code == 1
    assert "at least 12 characters" in err
    assert "too short" not in err
    with pytest.raises(ValueError, match="not valid"):
        await bootstrap(settings, organization="x", email="not an address", password=PASSWORD)


def test_a_slug_is_what_is_left_of_a_name() -> None:
    assert slug_of("  ACME Funds, Ltd. ") == "acme-funds-ltd"
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", slug_of("x " * 200))
    with pytest.raises(ValueError, match="no letters"):
        slug_of("!!!")


def test_addresses_of_one_machine_are_addresses_too() -> None:
    assert checked_email("Admin@tallywire.test") == "admin@tallywire.test"
    with pytest.raises(ValueError, match="not valid"):
        checked_email("admin")


async def answers(url: str) -> bool:
    async with httpx2.AsyncClient() as http:
        try:
            return (await http.get(url)).status_code == 200
        except httpx2.TransportError:
            return False


async def test_serving_ends_cleanly_when_told(settings) -> None:
    port = free_port()
    process = await start("serve", settings=settings, port=port)
    for _ in range(600):
        if await answers(f"http://127.0.0.1:{port}/readyz"):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("it does not answer")
    process.send_signal(signal.SIGTERM)
    code, out, err = await finish(process)
    lines = [json.loads(line) for line in err.splitlines()]
    assert any(line["message"] == "request" and line["path"] == "/readyz" and line["request_id"] for line in lines)
    assert (code, out) == (0, "")


async def test_serving_on_a_port_that_is_taken_ends_with_a_sentence(settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = await finish(await start("serve", settings=settings, port=taken.getsockname()[1]))
    assert code != 0
    assert "address already in use" in err


async def test_serving_without_signing_keys_ends_with_what_to_do(settings) -> None:
    code, _, err = await finish(await start("serve", settings=settings, signing_keys_file=None))
    assert code == 1
    assert "python -m api bootstrap" in err
    assert "Traceback" not in err


async def until_exists(path: Path) -> None:
    for _ in range(600):
        if await asyncio.to_thread(path.exists):
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"{path.name} does not appear")


async def test_working_says_when_it_is_ready_and_ends_cleanly_when_told(settings, tmp_path) -> None:
    process = await start("work", settings=settings, state_dir=tmp_path, worker_name="commands-7")
    await until_exists(tmp_path / "commands-7.ready")
    process.send_signal(signal.SIGTERM)
    code, _, err = await finish(process)
    assert code == 0, err
    assert [json.loads(line)["message"] for line in err.splitlines()][-1] == "stopped"


async def test_working_waits_for_stores_that_are_away(settings, tmp_path) -> None:
    away: dict[str, Any] = {"postgres_app_url": "postgresql://nobody:canary@127.0.0.1:1/none"}
    process = await start("work", settings=settings, state_dir=tmp_path, **away)
    await asyncio.sleep(4)
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    code, _, err = await finish(process)
    assert code == 0
    assert "PostgreSQL does not answer" in err
    assert "canary" not in err


async def test_migrating_a_database_that_is_away_ends_with_a_sentence(settings) -> None:
    away = {"postgres_url": "postgresql://nobody:canary@127.0.0.1:1/none"}
    code, _, err = await finish(await start("migrate", settings=settings, **away))
    assert code == 1
    assert "not migrated" in err
    assert "Traceback" not in err
    assert "canary" not in err


async def test_the_openapi_document_is_printed(settings) -> None:
    code, out, _ = await finish(await start("openapi", settings=settings))
    assert code == 0
    assert "/api/v1/content/{id}" in json.loads(out)["paths"]
