"""Passwords: changed, reset, guessed at."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx2
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from api.app import create_app
from api.auth import throttle
from api.auth.strength import weakness
from api.auth.throttle import OF_ACCOUNT, OF_ADDRESS, OF_PAIR, network
from api.errors import Invalid, TooMany, Unauthenticated

PASSWORD = "correct horse battery staple"
NEW = "seven purple horses on a roof"


async def sign_in(client, person, password: str = PASSWORD):
    return await client.post("/api/v1/auth/token", data={"username": person.email, "password": password})


def bearing(answer) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def change(client, headers, current: str = PASSWORD, new: str = NEW):
    body = {"current_password": current, "new_password": new}
    return await client.put("/api/v1/me/password", json=body, headers=headers)


async def reset_link(client, by, whom) -> str:
    answer = await client.post(f"/api/v1/users/{whom.id}/password-reset", headers=by.headers)
    assert answer.status_code == 201
    return answer.json()["token"]


async def reset(client, token: str, new: str = NEW):
    return await client.post("/api/v1/auth/password-reset", json={"token": token, "new_password": new})


async def test_a_changed_password_is_the_one_and_ends_every_other_session(client, team, superuser) -> None:
    here, there = await sign_in(client, team.editor), await sign_in(client, team.editor)
    assert (await change(client, bearing(here))).status_code == 204
    assert (await client.get("/api/v1/me", headers=bearing(here))).status_code == 200
    assert (await client.get("/api/v1/me", headers=bearing(there))).status_code == 401
    assert (await sign_in(client, team.editor)).status_code == 401
    assert (await sign_in(client, team.editor, NEW)).status_code == 200
    stored = await superuser.fetchval("SELECT password_hash FROM users WHERE id = $1", team.editor.id)
    assert stored.startswith("$argon2id$")


async def test_a_password_changes_only_for_who_knows_the_old_one(client, team) -> None:
    signed = await sign_in(client, team.editor)
    wrong = await change(client, bearing(signed), current="wrong")
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "this is not your current password")
    assert (await change(client, bearing(signed), new="short")).status_code == 422
    assert (await change(client, bearing(signed), new=team.editor.email)).status_code == 422
    assert (await sign_in(client, team.editor)).status_code == 200


async def test_a_hash_of_other_parameters_is_made_anew_by_the_next_right_password(client, team, superuser) -> None:
    async def stored() -> str:
        return await superuser.fetchval("SELECT password_hash FROM users WHERE id = $1", team.editor.id)

    before = Argon2Hasher(time_cost=1, memory_cost=64).hash(PASSWORD)
    await superuser.execute("UPDATE users SET password_hash = $2 WHERE id = $1", team.editor.id, before)
    assert (await sign_in(client, team.editor, "a guess")).status_code == 401
    assert await stored() == before
    here = await sign_in(client, team.editor)
    renewed = await stored()
    assert (Argon2Hasher().check_needs_rehash(before), Argon2Hasher().check_needs_rehash(renewed)) == (True, False)
    assert (await sign_in(client, team.editor)).status_code == 200
    assert (await client.get("/api/v1/me", headers=bearing(here))).status_code == 200, "nobody is signed out by it"
    assert await stored() == renewed


async def test_a_password_that_changes_during_a_sign_in_is_neither_put_back_nor_let_in_by(
    client, team, superuser
) -> None:
    before, after = (Argon2Hasher(time_cost=1, memory_cost=64).hash(password) for password in (PASSWORD, NEW))
    put = "UPDATE users SET password_hash = $2 WHERE id = $1"
    await superuser.execute(put, team.editor.id, before)
    async with superuser.acquire() as other, other.transaction():
        await other.execute(put, team.editor.id, after)
        signing_in = asyncio.create_task(sign_in(client, team.editor))
        blocked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))"
        while not await superuser.fetchval(blocked, other.get_server_pid()):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    assert (await signing_in).status_code == 401
    assert await superuser.fetchval("SELECT password_hash FROM users WHERE id = $1", team.editor.id) == after


async def test_a_reset_link_sets_a_password_once_and_ends_every_session(client, team, superuser, caplog) -> None:
    signed = await sign_in(client, team.editor)
    token = await reset_link(client, team.org_admin, team.editor)
    answers = await asyncio.gather(*(reset(client, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401, 401]
    assert (await client.get("/api/v1/me", headers=bearing(signed))).status_code == 401
    assert (await sign_in(client, team.editor, NEW)).status_code == 200
    stored = await superuser.fetch("SELECT r::text FROM password_resets AS r WHERE organization_id = $1", team.id)
    trail = await superuser.fetch("SELECT entry FROM audit_entries WHERE organization_id = $1", team.id)
    assert {"password.reset_link_made", "password.reset"} <= {
        action for row in trail for action in ("password.reset_link_made", "password.reset") if f'"{action}"' in row[0]
    }
    assert not [row for row in (*stored, *trail) if token in row[0] or NEW in row[0]]
    assert token not in caplog.text
    assert NEW not in caplog.text


async def test_a_reset_link_that_is_too_old_or_replaced_or_of_somebody_suspended_does_not_hold(
    client, team, superuser
) -> None:
    replaced = await reset_link(client, team.org_admin, team.editor)
    old = await reset_link(client, team.org_admin, team.editor)
    await superuser.execute("UPDATE password_resets SET expires_at = now() WHERE user_id = $1", team.editor.id)
    suspended = await reset_link(client, team.org_admin, team.viewer)
    await superuser.execute("UPDATE users SET status = 'suspended' WHERE id = $1", team.viewer.id)
    for token in (replaced, old, suspended, "tws_" + "A" * 64, "nothing"):
        assert (await reset(client, token)).status_code == 401


async def test_changing_a_password_ends_the_links_that_were_made_before(client, team) -> None:
    token = await reset_link(client, team.org_admin, team.editor)
    assert (await change(client, bearing(await sign_in(client, team.editor)))).status_code == 204
    assert (await reset(client, token, "another seven purple horses")).status_code == 401


async def test_a_weak_password_spends_no_link(client, team) -> None:
    token = await reset_link(client, team.org_admin, team.editor)
    assert (await reset(client, token, "qwertyuiop123")).status_code == 422
    assert (await reset(client, token)).status_code == 204


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("x" * 11, False),
        ("passwordpassword", False),
        ("123456789012345", False),
        ("qwertyuiopasdf", False),
        ("grace@acme.example", False),
        ("h7Bo0Nrr9lzaMSx5MFNNzrm_5ee4-HLJ", True),
        ("\U0001f40e" * 3 + " purple roof 77", True),
        ("y" * 1025, False),
    ],
)
def test_a_password_is_accepted_by_its_length_and_by_how_soon_it_would_be_guessed(password, accepted) -> None:
    assert (weakness(password, "grace@acme.example") is None) is accepted


Caller = Callable[[str], httpx2.AsyncClient]


@pytest.fixture
async def caller_from(app) -> AsyncIterator[Caller]:
    """Clients of any address."""
    made: list[httpx2.AsyncClient] = []

    def client(address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, client=(address, 1))
        made.append(httpx2.AsyncClient(transport=transport, base_url="http://api"))
        return made[-1]

    yield client
    for one in made:
        await one.aclose()


async def fail(app, times: int, address: str, account: str) -> None:
    for _ in range(times):
        with suppress(Unauthenticated):
            async with app.state.doors.throttle.attempt(address, account):
                raise Unauthenticated("wrong")


async def test_guessing_is_stopped_and_a_spoofed_address_does_not_help(app, caller_from, team) -> None:
    guesser = caller_from("192.0.2.1")
    await fail(app, OF_PAIR - 3, "192.0.2.1", team.editor.email)
    answers = [await sign_in(guesser, team.editor, f"guess {n}") for n in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= throttle.WINDOW_S
    spoofed = {"username": team.editor.email, "password": PASSWORD}
    headers = {"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7"}
    assert (await guesser.post("/api/v1/auth/token", data=spoofed, headers=headers)).status_code == 429
    assert (await sign_in(guesser, team.viewer)).status_code == 200
    assert (await sign_in(caller_from("192.0.2.2"), team.editor)).status_code == 200


async def test_guesses_sent_at_once_do_not_slip_by(app, caller_from, team) -> None:
    guesser = caller_from("192.0.2.3")
    await fail(app, OF_PAIR - 3, "192.0.2.3", team.editor.email)
    answers = await asyncio.gather(*(sign_in(guesser, team.editor, f"guess {n}") for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 7


async def test_a_current_password_cannot_be_guessed_by_changing_it_either(app, caller_from, team) -> None:
    thief = caller_from("192.0.2.4")
    await fail(app, OF_PAIR - 1, "192.0.2.4", team.editor.email)
    assert (await change(thief, team.editor.headers, "a guess")).status_code == 401
    assert (await change(thief, team.editor.headers)).status_code == 429


async def test_failures_from_everywhere_hold_up_new_addresses_only_and_not_for_long(app) -> None:
    counts, account = app.state.doors.throttle, secrets.token_hex(8)
    async with counts.attempt("203.0.113.1", account):
        """the owner, at home"""
    for n in range(OF_ACCOUNT):
        await fail(app, 1, f"198.51.{n}.1", account)
    with pytest.raises(TooMany) as refused:
        async with counts.attempt("198.51.200.1", account):
            pass
    wait_s = int(refused.value.headers["Retry-After"])
    for _ in range(20):
        with pytest.raises(TooMany) as again:
            async with counts.attempt("198.51.201.1", account):
                pass
        assert int(again.value.headers["Retry-After"]) <= wait_s
    async with counts.attempt("203.0.113.1", account):
        """the owner's own address is known"""


async def test_an_address_that_fails_everywhere_is_held_up_everywhere(app) -> None:
    counts, address = app.state.doors.throttle, "2001:db8:1:2::1"
    for n in range(OF_ADDRESS):
        await fail(app, 1, address, f"{secrets.token_hex(4)}-{n}")
    with pytest.raises(TooMany):
        async with counts.attempt("2001:db8:1:2:ffff::9"):
            pass
    async with counts.attempt("2001:db8:1:3::1"):
        """another network"""


async def test_what_is_no_failure_is_forgiven(app) -> None:
    counts, account = app.state.doors.throttle, secrets.token_hex(8)
    for n in range(OF_PAIR + 5):
        try:
            async with counts.attempt("203.0.113.9", account):
                if n % 2:
                    raise Invalid("weak")
        except Invalid:
            pass
    keys = [key async for key in app.state.doors.redis.scan_iter("tw:attempts:*203.0.113.9")]
    assert [int(await app.state.doors.redis.get(key)) for key in keys] == [0, 0]
    assert not [key for key in keys if account.encode() in key]


def test_a_network_is_what_one_party_holds() -> None:
    assert network("192.0.2.1") == "192.0.2.1"
    assert network("2001:db8::1") == network("2001:db8::ffff") == "2001:db8::/64"
    assert network("testclient") == network("") == "unknown"


async def test_where_redis_does_not_answer_nobody_signs_in(settings, team) -> None:
    app = create_app(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await sign_in(client, team.editor)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
