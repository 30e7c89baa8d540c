"""The second factor: enrolled, asked for, spent, lost."""

import asyncio
import time

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from api.auth.vault import Vault
from api.errors import Conflict
from api.second_factors.codes import STEP_S, new_recovery_codes, recovery_hash, step_of

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def sign_in(client, person, **more: str):
    form = {"username": person.email, "password": PASSWORD, **more}
    return await client.post("/api/v1/auth/token", data=form)


async def enrolled(client, person) -> tuple[str, list[str], str]:
    """The secret, the recovery codes, and the code that confirmed it."""
    made = await client.post("/api/v1/me/second-factor", json={"password": PASSWORD}, headers=person.headers)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert made.json()["otpauth_uri"].startswith("otpauth://totp/Tallywire:")
    code = pyotp.TOTP(secret).at(time.time() - STEP_S)
    confirm = "/api/v1/me/second-factor/confirm"
    assert (await client.post(confirm, json={"code": "000000"}, headers=person.headers)).status_code == 401
    confirmed = await client.post(confirm, json={"code": code}, headers=person.headers)
    assert confirmed.status_code == 200
    return secret, confirmed.json()["recovery_codes"], code


async def test_once_confirmed_nobody_signs_in_without_a_code(client, team) -> None:
    secret, _, confirming = await enrolled(client, team.editor)
    missing = await sign_in(client, team.editor)
    assert (missing.status_code, missing.json()["type"]) == (401, "urn:tallywire:problem:second-factor-required")
    wrong = await client.post("/api/v1/auth/token", data={"username": team.editor.email, "password": "no"})
    assert wrong.json()["type"] == "urn:tallywire:problem:unauthenticated"
    assert (await sign_in(client, team.editor, code=confirming)).status_code == 401
    code = pyotp.TOTP(secret).now()
    answers = await asyncio.gather(*(sign_in(client, team.editor, code=code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


async def test_an_enrolment_that_was_not_confirmed_asks_for_nothing(client, team) -> None:
    for _ in range(2):
        made = await client.post("/api/v1/me/second-factor", json={"password": PASSWORD}, headers=team.editor.headers)
        assert made.status_code == 201
    assert (await sign_in(client, team.editor)).status_code == 200
    refused = await client.post("/api/v1/me/second-factor", json={"password": "no"}, headers=team.editor.headers)
    assert refused.status_code == 401


async def test_a_recovery_code_is_good_once_however_it_is_typed(client, team, superuser) -> None:
    _, codes, _ = await enrolled(client, team.editor)
    assert len(set(codes)) == 10
    typed = codes[0].replace("-", " ").upper()
    assert (await sign_in(client, team.editor, code=typed)).status_code == 200
    assert (await sign_in(client, team.editor, code=codes[0])).status_code == 401
    answers = await asyncio.gather(*(sign_in(client, team.editor, code=codes[1]) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    left = "SELECT cardinality(recovery_hashes) FROM second_factors WHERE user_id = $1"
    assert await superuser.fetchval(left, team.editor.id) == 8


async def test_a_second_factor_is_removed_by_its_owner_s_password_and_code(client, team) -> None:
    _, codes, _ = await enrolled(client, team.editor)
    remove = "/api/v1/me/second-factor/remove"
    wrong = {"password": PASSWORD, "code": "000000"}
    assert (await client.post(remove, json=wrong, headers=team.editor.headers)).status_code == 401
    again = await client.post("/api/v1/me/second-factor", json={"password": PASSWORD}, headers=team.editor.headers)
    assert again.status_code == 409
    right = {"password": PASSWORD, "code": codes[3]}
    assert (await client.post(remove, json=right, headers=team.editor.headers)).status_code == 204
    assert (await sign_in(client, team.editor)).status_code == 200


async def test_an_administrator_helps_whoever_has_lost_it_and_their_sessions_end(client, team, superuser) -> None:
    _, codes, _ = await enrolled(client, team.editor)
    signed = (await sign_in(client, team.editor, code=codes[0])).json()
    address = f"/api/v1/users/{team.editor.id}/second-factor"
    assert (await client.delete(address, headers=team.viewer.headers)).status_code == 403
    assert (await client.delete(address, headers=team.org_admin.headers)).status_code == 204
    headers = {"Authorization": f"Bearer {signed['access_token']}"}
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    assert (await sign_in(client, team.editor)).status_code == 200
    actions = await superuser.fetch("SELECT entry FROM audit_entries WHERE organization_id = $1", team.id)
    text = "".join(row["entry"] for row in actions)
    assert '"second_factor.enabled"' in text
    assert '"second_factor.removed"' in text


async def test_neither_the_secret_nor_a_recovery_code_lies_open(client, team, superuser, caplog) -> None:
    secret, codes, _ = await enrolled(client, team.editor)
    stored = await superuser.fetchval("SELECT f::text FROM second_factors AS f WHERE user_id = $1", team.editor.id)
    bytes_of = await superuser.fetchval("SELECT sealed_secret FROM second_factors WHERE user_id = $1", team.editor.id)
    assert not [one for one in (secret, *codes) if one in stored + caplog.text or one.encode() in bytes_of]


@given(now=st.integers(1_700_000_000, 2_000_000_000), drift=st.integers(-200, 200))
def test_a_code_holds_for_its_step_and_one_on_either_side_and_never_again(now: int, drift: int) -> None:
    code = pyotp.TOTP(SECRET).at(now)
    step = step_of(SECRET, code, now + drift, 0)
    assert (step == now // STEP_S) is (abs((now + drift) // STEP_S - now // STEP_S) <= 1)
    if step is not None:
        assert step_of(SECRET, code, now + drift, step) is None


def test_a_recovery_code_is_made_of_what_is_read_back() -> None:
    codes = new_recovery_codes()
    assert all(recovery_hash(code) == recovery_hash(f" {code.upper()} ") for code in codes)
    assert recovery_hash(codes[0]) != recovery_hash(codes[1])


def test_a_vault_opens_what_any_of_its_keys_sealed() -> None:
    old, new = "o" * 32, "n" * 32
    sealed = Vault(SecretStr(old)).seal("secret")
    assert Vault(SecretStr(f"{new}, {old}")).open(sealed) == "secret"
    with pytest.raises(Conflict, match="TALLYWIRE_ENCRYPTION_KEYS"):
        Vault(SecretStr(new)).open(sealed)
    with pytest.raises(Conflict, match="TALLYWIRE_ENCRYPTION_KEYS"):
        Vault(SecretStr("")).seal("secret")
    with pytest.raises(ValueError, match="32"):
        Vault(SecretStr("short"))
