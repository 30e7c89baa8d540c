"""Signing in at an identity provider: a real one over HTTP, and everything that it may say wrongly."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyotp
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from api.auth import throttle
from api.auth.oidc import Oidc
from api.auth.provider import AWAY_S, GOOD_FOR_S, NEWER_S
from tests.api.oidc_provider import CLIENT_ID, CLIENT_SECRET, REDIRECT, Provider, running_provider

DESCRIPTION = "/.well-known/openid-configuration"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider() as made:
        yield made


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.user, running.lies, running.calls, running.signing = {}, {}, {}, None
    running.asked.clear()
    return running


@dataclass
class Door:
    """The application with this provider, for one team."""

    client: httpx2.AsyncClient
    provider: Provider
    now: float = 1000.0
    """the clock by which what the provider said grows old"""

    async def start(self) -> dict[str, str]:
        answer = await self.client.post("/api/v1/auth/oidc/start")
        assert answer.status_code == 200
        return answer.json()

    async def at_provider(self, address: str) -> dict[str, str]:
        """What the browser brings back."""
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(address)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == REDIRECT
        return {name: values[0] for name, values in parse_qs(back.query).items()}

    async def finish(self, flow: str, brought: dict[str, str], **more: str) -> httpx2.Response:
        body = {"flow": flow, "state": brought["state"], "code": brought["code"], **more}
        return await self.client.post("/api/v1/auth/oidc/finish", json=body)

    async def sign_in(self, email: str, subject: str = "s-1", verified: Any = True) -> httpx2.Response:
        self.provider.user = {"sub": subject, "email": email, "email_verified": verified}
        started = await self.start()
        return await self.finish(started["flow"], await self.at_provider(started["authorization_url"]))


@pytest.fixture
async def door(settings, app, client, team, provider) -> AsyncIterator[Door]:
    named = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(CLIENT_SECRET),
        "oidc_redirect_url": REDIRECT,
        "oidc_organization_id": team.id,
    }
    doors, door = app.state.doors, Door(client, provider)
    oidc = Oidc(settings.model_copy(update=named), doors.redis, lambda: door.now)
    app.state.doors = replace(doors, oidc=oidc)
    yield door
    app.state.doors = doors


def bearing(answer: httpx2.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_a_verified_address_signs_in_its_user_and_is_linked(door, team, superuser) -> None:
    answer = await door.sign_in(team.editor.email.upper())
    assert answer.status_code == 200
    me = await door.client.get("/api/v1/me", headers=bearing(answer))
    assert (me.json()["id"], me.json()["last_login"] is None) == (str(team.editor.id), False)
    sessions = await door.client.get("/api/v1/sessions", headers=bearing(answer))
    assert [one["method"] for one in sessions.json()] == ["oidc"]
    renamed = await door.sign_in("another@address.example", verified=False)
    assert renamed.status_code == 200, "the subject is linked, whatever the address is now"
    linked = await superuser.fetch("SELECT issuer, subject FROM identities WHERE user_id = $1", team.editor.id)
    assert [tuple(row) for row in linked] == [(door.provider.issuer, "s-1")]


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_signs_nobody_in(door, team, superuser, verified) -> None:
    assert (await door.sign_in(team.editor.email, verified=verified)).status_code == 401
    assert await superuser.fetchval("SELECT count(*) FROM identities WHERE user_id = $1", team.editor.id) == 0


async def test_nobody_is_created_and_nobody_of_another_organization_or_above_it_comes_in(
    door, team, strangers, superuser
) -> None:
    before = await superuser.fetchval("SELECT count(*) FROM users")
    answers = [
        await door.sign_in("nobody@nowhere.example", "s-2"),
        await door.sign_in(strangers.editor.email, "s-3"),
        await door.sign_in(team.super_admin.email, "s-4"),
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert bodies == [bodies[0]] * 3
    assert await superuser.fetchval("SELECT count(*) FROM users") == before


async def test_whoever_became_a_super_admin_or_was_suspended_no_longer_comes_in_so(door, team, superuser) -> None:
    for change in ("role = 'super_admin'", "status = 'suspended'"):
        await superuser.execute("UPDATE users SET role = 'editor', status = 'active' WHERE id = $1", team.editor.id)
        assert (await door.sign_in(team.editor.email)).status_code == 200
        await superuser.execute(f"UPDATE users SET {change} WHERE id = $1", team.editor.id)
        assert (await door.sign_in(team.editor.email)).status_code == 401


async def test_a_second_identity_does_not_take_over_a_user_who_has_one(door, team) -> None:
    assert (await door.sign_in(team.editor.email, "s-1")).status_code == 200
    assert (await door.sign_in(team.editor.email, "s-other")).status_code == 401
    assert (await door.sign_in(team.editor.email, "s-1")).status_code == 200


async def test_a_flow_is_good_once_and_only_for_who_started_it_and_for_its_own_state(door, team) -> None:
    door.provider.user = {"sub": "s-1", "email": team.editor.email, "email_verified": True}
    mine, theirs = await door.start(), await door.start()
    brought = await door.at_provider(mine["authorization_url"])
    assert (await door.finish("no such flow", brought)).status_code == 401
    assert (await door.finish(theirs["flow"], brought)).status_code == 401
    assert (await door.finish(mine["flow"], brought)).status_code == 200
    assert (await door.finish(mine["flow"], brought)).status_code == 401
    other = await door.start()
    wrong = {**await door.at_provider(other["authorization_url"]), "state": "another"}
    assert (await door.finish(other["flow"], wrong)).status_code == 401


async def test_the_code_is_bound_to_its_verifier(door, team) -> None:
    """A code that was stolen on its way back is worth nothing in another flow, even with that flow's state."""
    door.provider.user = {"sub": "s-1", "email": team.editor.email, "email_verified": True}
    stolen = await door.at_provider((await door.start())["authorization_url"])
    thief = await door.start()
    state = parse_qs(urlsplit(thief["authorization_url"]).query)["state"][0]
    assert (await door.finish(thief["flow"], {"state": state, "code": stolen["code"]})).status_code == 401


async def test_what_is_sent_to_the_provider_is_a_challenge_and_nothing_secret(door) -> None:
    started = await door.start()
    asked = parse_qs(urlsplit(started["authorization_url"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [REDIRECT]
    assert asked["scope"] == ["openid email"]
    assert started["flow"] not in started["authorization_url"]
    assert CLIENT_SECRET not in started["authorization_url"]


NOW = int(time.time())


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://another.example"},
        {"aud": "another"},
        {"aud": [CLIENT_ID, "another"]},
        {"exp": NOW - 3600},
        {"iat": NOW + 3600},
        {"nonce": "another"},
        {"at_hash": "another"},
        {"sub": None},
        {"azp": "another"},
    ],
    ids=" ".join,
)
async def test_an_id_token_that_is_not_right_signs_nobody_in(door, team, lies) -> None:
    door.provider.lies = lies
    assert (await door.sign_in(team.editor.email)).status_code == 401


async def test_an_id_token_that_another_key_signed_signs_nobody_in(door, team) -> None:
    door.provider.signing = RSAKey.generate_key(2048, {"kid": door.provider.key.kid})
    assert (await door.sign_in(team.editor.email)).status_code == 401


async def test_a_second_factor_is_asked_for_here_too_and_the_flow_waits_for_it(door, team) -> None:
    enrol = {"password": PASSWORD}
    made = await door.client.post("/api/v1/me/second-factor", json=enrol, headers=team.editor.headers)
    totp = pyotp.TOTP(made.json()["secret"])
    confirm = {"code": totp.at(time.time() - 30)}
    await door.client.post("/api/v1/me/second-factor/confirm", json=confirm, headers=team.editor.headers)
    door.provider.user = {"sub": "s-1", "email": team.editor.email, "email_verified": True}
    started = await door.start()
    brought = await door.at_provider(started["authorization_url"])
    missing = await door.finish(started["flow"], brought)
    assert (missing.status_code, missing.json()["type"]) == (401, "urn:tallywire:problem:second-factor-required")
    finished = await door.finish(started["flow"], brought, second_factor_code=totp.now())
    assert finished.status_code == 200
    assert (await door.finish(started["flow"], brought, second_factor_code=totp.now())).status_code == 401


@pytest.mark.parametrize("calls", [{"issuer": "https://another.example"}, {"jwks_uri": "http://127.0.0.1:1/jwks"}])
async def test_a_provider_that_is_away_or_another_than_it_should_be_is_503(door, team, calls) -> None:
    started = await door.start()
    door.provider.user = {"sub": "s-1", "email": team.editor.email, "email_verified": True}
    brought = await door.at_provider(started["authorization_url"])
    door.provider.calls = calls
    door.now += GOOD_FOR_S
    assert (await door.finish(started["flow"], brought)).status_code == 503


async def test_what_the_provider_says_of_itself_is_asked_for_once_and_again_when_it_is_old(door, team) -> None:
    await asyncio.gather(*(door.start() for _ in range(5)))
    for _ in range(2):
        assert (await door.sign_in(team.editor.email)).status_code == 200
    assert (door.provider.asked[DESCRIPTION], door.provider.asked["/jwks"]) == (1, 1)
    door.now += GOOD_FOR_S
    assert (await door.sign_in(team.editor.email)).status_code == 200
    assert (door.provider.asked[DESCRIPTION], door.provider.asked["/jwks"]) == (2, 2)


async def test_a_key_that_is_not_known_is_asked_for_at_once_and_one_that_there_is_not_only_now_and_then(
    door, team
) -> None:
    assert (await door.sign_in(team.editor.email)).status_code == 200
    door.now += NEWER_S
    door.provider.key = RSAKey.generate_key(2048, {"alg": "RS256"}, auto_kid=True)
    assert (await door.sign_in(team.editor.email)).status_code == 200
    assert door.provider.asked["/jwks"] == 2
    door.provider.signing = RSAKey.generate_key(2048)
    for _ in range(3):
        assert (await door.sign_in(team.editor.email)).status_code == 401
    assert door.provider.asked["/jwks"] == 2


async def test_a_provider_that_is_away_is_asked_once_a_second_by_however_many(door) -> None:
    door.provider.calls = {"issuer": "https://another.example"}
    answers = await asyncio.gather(*(door.client.post("/api/v1/auth/oidc/start") for _ in range(5)))
    assert ({answer.status_code for answer in answers}, door.provider.asked[DESCRIPTION]) == ({503}, 1)
    door.provider.calls = {}
    door.now += AWAY_S
    await door.start()


async def test_who_begins_and_never_finishes_is_held_up_and_who_finishes_is_not(door, team, monkeypatch) -> None:
    monkeypatch.setattr(throttle, "OF_ADDRESS", 3)
    for _ in range(4):
        assert (await door.sign_in(team.editor.email)).status_code == 200
    for _ in range(3):
        await door.start()
    held_up = await door.client.post("/api/v1/auth/oidc/start")
    assert (held_up.status_code, "not finished" in held_up.json()["detail"]) == (429, True)
    assert 1 <= int(held_up.headers["retry-after"]) <= throttle.WINDOW_S


async def test_where_no_provider_is_set_up_there_is_nothing(client) -> None:
    assert (await client.post("/api/v1/auth/oidc/start")).status_code == 404
    body = {"flow": "x", "state": "x", "code": "x"}
    assert (await client.post("/api/v1/auth/oidc/finish", json=body)).status_code == 404
