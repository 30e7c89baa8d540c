"""Refresh tokens: one winner, and no family outlives the reuse of one of its tokens."""

import asyncio
from collections import Counter
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    rule,
    run_state_machine_as_test,
)

from api.auth.origin import Origin
from api.sessions import service
from api.users.models import User

PASSWORD = "correct horse battery staple"
ORIGIN = Origin("127.0.0.1", "a test")


async def sign_in(client, person, **headers: str) -> dict[str, Any]:
    form = {"username": person.email, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/token", data=form, headers=headers)
    assert answer.status_code == 200
    return answer.json()


async def refresh(client, pair):
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})


def bearing(pair) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


async def me(client, pair) -> int:
    return (await client.get("/api/v1/me", headers=bearing(pair))).status_code


async def begun(app, person) -> dict[str, Any]:
    """A session, without the tenth of a second that a password takes."""
    doors = app.state.doors
    async with doors.database.transaction(person.organization_id) as session:
        user = await session.get_one(User, person.id)
        return (await service.begin(session, user, doors.tokens, "password", ORIGIN)).model_dump()


async def test_a_refresh_token_gets_the_next_pair_and_is_worth_nothing_afterwards(client, team) -> None:
    first = await sign_in(client, team.editor)
    answer = await refresh(client, first)
    second = answer.json()
    assert (answer.status_code, second.keys()) == (200, first.keys())
    assert second["refresh_token"] != first["refresh_token"]
    assert await me(client, second) == await me(client, first) == 200
    assert (await refresh(client, first)).status_code == 401
    assert (await refresh(client, second)).status_code == 401
    assert await me(client, second) == await me(client, first) == 401


async def test_of_twenty_refreshes_at_once_exactly_one_wins(app, client, team, superuser) -> None:
    pair = await begun(app, team.editor)
    answers = await asyncio.gather(*(refresh(client, pair) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 19}
    reasons = await superuser.fetch("SELECT end_reason FROM sessions WHERE user_id = $1", team.editor.id)
    assert [row["end_reason"] for row in reasons] == ["reused"]
    trail = await superuser.fetchval(
        "SELECT count(*) FROM audit_entries WHERE organization_id = $1 AND entry LIKE '%\"reused\"%'", team.id
    )
    assert trail == 1


@pytest.mark.parametrize(
    "change", ["sessions SET expires_at = now()", "refresh_tokens SET created_at = now() - interval '8 days'"]
)
async def test_what_is_too_old_does_not_refresh(app, client, team, superuser, change) -> None:
    pair = await begun(app, team.editor)
    await superuser.execute(f"UPDATE {change} WHERE organization_id = $1", team.id)
    assert (await refresh(client, pair)).status_code == 401


@pytest.mark.parametrize("token", ["", "twr_", "twr_" + "A" * 64, "twp_" + "A" * 64, "\u00e9", "x" * 200])
async def test_what_is_no_refresh_token_is_401(client, token) -> None:
    answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401


async def test_neither_secret_of_a_pair_is_stored_or_logged(app, client, team, superuser, caplog) -> None:
    pair = await sign_in(client, team.editor)
    await refresh(client, pair)
    rows = await superuser.fetch("SELECT t::text FROM refresh_tokens AS t WHERE organization_id = $1", team.id)
    rows += await superuser.fetch("SELECT s::text FROM sessions AS s WHERE organization_id = $1", team.id)
    rows += await superuser.fetch("SELECT entry FROM audit_entries WHERE organization_id = $1", team.id)
    stored = "".join(row[0] for row in rows) + caplog.text
    assert stored
    assert not [secret for secret in (pair["access_token"], pair["refresh_token"], PASSWORD) if secret in stored]


async def test_one_sees_where_one_is_signed_in_and_ends_it_there(client, team) -> None:
    here = await sign_in(client, team.editor, **{"User-Agent": "here"})
    there = await sign_in(client, team.editor, **{"User-Agent": "there" * 100})
    listed = (await client.get("/api/v1/sessions", headers=bearing(here))).json()
    assert [(one["user_agent"][:5], one["current"], one["method"]) for one in listed] == [
        ("there", False, "password"),
        ("here", True, "password"),
    ]
    assert len(listed[0]["user_agent"]) == 200
    ended = f"/api/v1/sessions/{listed[0]['id']}"
    assert (await client.delete(ended, headers=team.viewer.headers)).status_code == 404
    assert (await client.delete(ended, headers=bearing(here))).status_code == 204
    assert (await me(client, there), await me(client, here)) == (401, 200)
    assert (await refresh(client, there)).status_code == 401
    assert (await client.delete(ended, headers=bearing(here))).status_code == 404


async def test_signing_out_ends_this_session_and_everywhere_all_of_them(app, client, team) -> None:
    one, two, three = [await begun(app, team.editor) for _ in range(3)]
    assert (await client.post("/api/v1/auth/sign-out", headers=bearing(one))).status_code == 204
    assert [await me(client, pair) for pair in (one, two, three)] == [401, 200, 200]
    assert (await client.post("/api/v1/auth/sign-out-everywhere", headers=bearing(two))).status_code == 204
    assert [await me(client, pair) for pair in (one, two, three)] == [401, 401, 401]
    assert [(await refresh(client, pair)).status_code for pair in (one, two, three)] == [401] * 3


async def test_a_session_that_has_ended_cannot_be_begun_again_by_plain_sql(app, client, team, superuser) -> None:
    pair = await begun(app, team.editor)
    await client.post("/api/v1/auth/sign-out", headers=bearing(pair))
    with pytest.raises(Exception, match="stays so"):
        await superuser.execute(
            "UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE user_id = $1", team.editor.id
        )


class Families(RuleBasedStateMachine):
    """Sessions of one user, and what anybody who holds any of their tokens may try."""

    app: Any
    client: Any
    person: Any
    loop: Any
    pairs = Bundle("pairs")
    """(family, refresh token, access token), current and spent ones"""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, bool] = {}
        self.current: dict[int, str] = {}
        self.access: dict[int, str] = {}

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def keep(self, family: int, pair: dict[str, Any]) -> tuple[int, str]:
        self.current[family], self.access[family] = pair["refresh_token"], pair["access_token"]
        return family, pair["refresh_token"]

    @rule(target=pairs)
    def sign_in(self) -> Any:
        family = len(self.alive)
        self.alive[family] = True
        return self.keep(family, self.do(begun(self.app, self.person)))

    @rule(target=pairs, pair=pairs)
    def refresh(self, pair: tuple[int, str]) -> Any:
        """Any token that ever was: the current one goes on, any other ends its family."""
        family, token = pair
        answer = self.do(refresh(self.client, {"refresh_token": token}))
        wins = self.alive[family] and token == self.current[family]
        assert answer.status_code == (200 if wins else 401)
        if wins:
            return self.keep(family, answer.json())
        self.alive[family] = False
        return multiple()

    @rule(pair=pairs, at_once=st.integers(2, 4))
    def refresh_at_once(self, pair: tuple[int, str], at_once: int) -> None:
        family, token = pair

        async def all_of_them() -> list[int]:
            asked = (refresh(self.client, {"refresh_token": token}) for _ in range(at_once))
            return [answer.status_code for answer in await asyncio.gather(*asked)]

        wins = self.alive[family] and token == self.current[family]
        assert Counter(self.do(all_of_them())) == Counter([200] * wins + [401] * (at_once - wins))
        self.alive[family] = False

    @rule(pair=consumes(pairs))
    def sign_out(self, pair: tuple[int, str]) -> None:
        family = pair[0]
        headers = {"Authorization": f"Bearer {self.access[family]}"}
        answer = self.do(self.client.post("/api/v1/auth/sign-out", headers=headers))
        assert answer.status_code == (204 if self.alive[family] else 401)
        self.alive[family] = False

    def teardown(self) -> None:
        """Access tokens, and the newest refresh token, hold exactly where the family lives."""
        for family, token in self.access.items():
            answer = self.do(self.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}))
            assert answer.status_code == (200 if self.alive[family] else 401)
            again = self.do(refresh(self.client, {"refresh_token": self.current[family]}))
            assert again.status_code == (200 if self.alive[family] else 401)


async def test_no_sequence_leaves_a_family_alive_of_which_a_token_was_used_twice(app, client, team) -> None:
    parts = {"app": app, "client": client, "person": team.editor, "loop": asyncio.get_running_loop()}
    machine = type("FamiliesOfThisTeam", (Families,), parts)
    limits = hypothesis.settings(max_examples=10, stateful_step_count=10, deadline=None)
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=limits)
