"""Signing in, and the tokens that come of it."""

import asyncio
import base64
import json
import stat
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey

from api.auth.passwords import Passwords
from api.auth.tokens import Claims, Tokens, ensure_key_file, new_key_set, read_key_file
from api.errors import Unauthenticated, Unavailable

PASSWORD = "correct horse battery staple"
USER, ORGANIZATION = UUID(int=1), UUID(int=2)
KEYS = KeySet.import_key_set(json.loads(new_key_set()))
NOW = 1_800_000_000


async def sign_in(client, email: str, password: str = PASSWORD, **more: str):
    return await client.post("/api/v1/auth/token", data={"username": email, "password": password, **more})


async def test_the_right_password_gives_a_token_that_says_who_is_asking(client, team) -> None:
    answer = await sign_in(client, team.editor.email, grant_type="password")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], set(body)) == (
        "bearer",
        600,
        {"access_token", "token_type", "expires_in", "refresh_token"},
    )
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.status_code == 200
    user = me.json()
    assert abs(time.time() - _unix(user.pop("last_login"))) < 60
    assert abs(time.time() - _unix(user.pop("created_at"))) < 600
    assert user == {
        "id": str(team.editor.id),
        "email": team.editor.email,
        "organization_id": str(team.id),
        "role": "editor",
        "profile": {},
        "status": "active",
    }


def _unix(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


async def test_an_address_is_found_whatever_its_case(client, team) -> None:
    assert (await sign_in(client, f" {team.editor.email.upper()} ")).status_code == 200


@pytest.mark.parametrize("status", ["inactive", "suspended"])
async def test_every_refusal_reads_the_same(client, team, superuser, status) -> None:
    await superuser.execute("UPDATE users SET status = $1 WHERE id = $2", status, team.viewer.id)
    answers = [
        await sign_in(client, team.editor.email, "wrong"),
        await sign_in(client, team.viewer.email),
        await sign_in(client, "nobody@nowhere.example"),
        await sign_in(client, "no\0body@nowhere.example"),
        await sign_in(client, "' OR true --"),
    ]
    problems = [(answer.status_code, {**answer.json(), "request_id": ""}) for answer in answers]
    assert problems[0][0] == 401
    assert problems == [problems[0]] * len(problems)


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(client, team) -> None:
    async def seconds(email: str) -> float:
        began = time.perf_counter()
        await sign_in(client, email, "wrong")
        return time.perf_counter() - began

    known = min([await seconds(team.editor.email) for _ in range(4)])
    unknown = min([await seconds("nobody@nowhere.example") for _ in range(4)])
    assert 0.4 < unknown / known < 2.5


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": "a@b.example"},
        {"password": "x"},
        {"username": "a@b.example", "password": "canary-password", "grant_type": "client_credentials"},
        {"username": "a@b.example", "password": "canary-password" * 100},
        {"username": "canary-name" * 100, "password": "x"},
    ],
)
async def test_a_form_that_is_not_valid_is_422_and_never_repeats_what_was_sent(client, form, caplog) -> None:
    answer = await client.post("/api/v1/auth/token", data=form)
    assert answer.status_code == 422
    assert "canary" not in answer.text + caplog.text


async def test_many_sign_ins_at_once_leave_the_event_loop_free(client, team) -> None:
    signing_in = [asyncio.create_task(sign_in(client, team.editor.email)) for _ in range(12)]
    longest = 0.0
    while not all(task.done() for task in signing_in):
        began = time.perf_counter()
        assert (await client.get("/healthz")).status_code == 200
        longest = max(longest, time.perf_counter() - began)
        await asyncio.sleep(0.01)
    assert [task.result().status_code for task in signing_in] == [200] * 12
    assert longest < 1.0


async def test_more_checks_than_can_wait_are_sent_away_to_come_again(password_hash) -> None:
    passwords = Passwords(most_waiting=3)
    checks = [passwords.verify(PASSWORD, password_hash) for _ in range(8)]
    outcomes = await asyncio.gather(*checks, return_exceptions=True)
    assert outcomes[:3] == [True] * 3
    assert {type(outcome) for outcome in outcomes[3:]} == {Unavailable}
    assert await passwords.verify(PASSWORD, password_hash) is True
    passwords.close()


def test_a_token_holds_for_ten_minutes_and_no_longer() -> None:
    token = Tokens(KEYS, now=lambda: NOW).issue(USER, ORGANIZATION)
    assert Tokens(KEYS, now=lambda: NOW + 599).read(token) == Claims(USER, ORGANIZATION)
    with pytest.raises(Unauthenticated):
        Tokens(KEYS, now=lambda: NOW + 600).read(token)


def test_a_token_names_its_key_and_carries_every_claim() -> None:
    token = Tokens(KEYS, now=lambda: NOW).issue(USER, ORGANIZATION)
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert header == {"typ": "JWT", "alg": "Ed25519", "kid": next(iter(KEYS)).kid}
    assert UUID(claims.pop("jti")).version == 4
    assert claims == {
        "iss": "tallywire",
        "aud": "tallywire/api",
        "iat": NOW,
        "exp": NOW + 600,
        "sub": str(USER),
        "org": str(ORGANIZATION),
    }


def signed(changes: dict[str, object], header: dict[str, object] | None = None) -> str:
    """A token of our own key, with claims changed, or dropped where the change is None."""
    claims = {"iss": "tallywire", "aud": "tallywire/api", "iat": NOW, "exp": NOW + 600, "jti": str(uuid4())}
    claims |= {"sub": str(USER), "org": str(ORGANIZATION)} | changes
    key = next(iter(KEYS))
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header or {"alg": "Ed25519", "kid": key.kid}, kept, key, algorithms=["Ed25519"])


def test_the_hand_made_token_of_these_tests_holds_when_nothing_is_changed() -> None:
    assert Tokens(KEYS, now=lambda: NOW).read(signed({})) == Claims(USER, ORGANIZATION)


@pytest.mark.parametrize("claim", ["iss", "aud", "iat", "exp", "sub", "org", "jti"])
def test_every_claim_is_required(claim: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(KEYS, now=lambda: NOW).read(signed({claim: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"exp": NOW - 1},
        {"nbf": NOW + 60},
        {"iat": NOW + 60},
        {"sub": "root"},
        {"org": 7},
    ],
)
def test_a_claim_that_is_not_right_does_not_hold(changes: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(KEYS, now=lambda: NOW).read(signed(changes))


def forgeries() -> dict[str, str]:
    key = next(iter(KEYS))
    other = OKPKey.generate_key("Ed25519", {"alg": "Ed25519"}, auto_kid=True)
    claims = jwt.decode(signed({}), KEYS, algorithms=["Ed25519"]).claims
    public = OctKey.import_key(base64.urlsafe_b64decode(key.as_dict(private=False)["x"] + "="))
    part = {
        name: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        for name, value in (("none", {"alg": "none", "kid": key.kid}), ("claims", claims))
    }
    good = signed({})
    return {
        "another key": jwt.encode({"alg": "Ed25519", "kid": other.kid}, claims, other, algorithms=["Ed25519"]),
        "another key under our name": jwt.encode(
            {"alg": "Ed25519", "kid": key.kid},
            claims,
            other.__class__.import_key({**other.as_dict(private=True), "kid": key.kid}),
            algorithms=["Ed25519"],
        ),
        "a key that is a path": signed({}, {"alg": "Ed25519", "kid": "../../dev/null"}),
        "no key named": signed({}, {"alg": "Ed25519"}),
        "alg none": f"{part['none']}.{part['claims']}.",
        "our public key as a secret": jwt.encode(
            {"alg": "HS256", "kid": key.kid}, claims, public, algorithms=["HS256"]
        ),
        "cut off": good[:-2],
        "no signature": good.rsplit(".", 1)[0] + ".",
    }


@pytest.mark.parametrize("name", forgeries())
def test_a_forgery_does_not_hold(name: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(KEYS, now=lambda: NOW).read(forgeries()[name])


@given(
    st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
)
def test_whatever_is_sent_as_a_token_is_refused_and_never_breaks(token: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(KEYS, now=lambda: NOW).read(token)


def test_a_key_that_no_longer_signs_still_verifies() -> None:
    old = Tokens(KEYS, now=lambda: NOW).issue(USER, ORGANIZATION)
    fresh = KeySet.import_key_set(json.loads(new_key_set()))
    rotated = Tokens(KeySet([*fresh.keys, *KEYS.keys]), now=lambda: NOW)
    assert rotated.read(old) == rotated.read(rotated.issue(USER, ORGANIZATION)) == Claims(USER, ORGANIZATION)
    with pytest.raises(Unauthenticated):
        Tokens(fresh, now=lambda: NOW).read(old)


def test_signing_keys_are_made_once_and_for_the_owner_s_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    ensure_key_file(path)
    first = path.read_text()
    ensure_key_file(path)
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert next(iter(read_key_file(path))).is_private


@pytest.mark.parametrize("path", [None, Path("nowhere.json")])
def test_without_signing_keys_the_error_says_what_to_do(path: Path | None) -> None:
    with pytest.raises(ValueError, match="python -m api bootstrap"):
        read_key_file(path)


def test_a_public_key_cannot_sign(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KEYS.as_dict(private=False)))
    with pytest.raises(ValueError, match="private Ed25519"):
        read_key_file(path)
