from pathlib import Path

import pytest

from stack import addresses, environment, state
from stack.errors import Refused
from stack.folder import Folder
from stack.ports import USUAL
from stack.server import Place
from stack.state import State

SERVERS = ("POSTGRES", "REDIS", "RABBITMQ", "KAFKA", "CLICKHOUSE")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    folder = Folder(tmp_path / "data")
    folder.make()
    return Place(folder, USUAL)


def test_everything_is_ours_where_nothing_is_given(place: Place) -> None:
    made = addresses.assemble(place, "tansu", {})
    assert all("@127.0.0.1:" in made[f"TALLYWIRE_{name}_URL"] for name in SERVERS if name != "KAFKA")
    assert made == addresses.assemble(place, "tansu", {})
    passwords = {made[f"TALLYWIRE_{name}_URL"].split("@")[0].rpartition(":")[2] for name in SERVERS if name != "KAFKA"}
    assert len(passwords) == 4


def test_a_given_address_wins_and_its_roles_follow(place: Place) -> None:
    given = {"TALLYWIRE_POSTGRES_URL": "postgresql://boss:p%40ss@db.example:6543/news?sslmode=require"}
    made = addresses.assemble(place, "tansu", given)
    assert made["TALLYWIRE_POSTGRES_URL"] == given["TALLYWIRE_POSTGRES_URL"]
    secret = place.secret("tallywire_app")
    expected = f"postgresql://tallywire_app:{secret}@db.example:6543/news?sslmode=require"
    assert made["TALLYWIRE_POSTGRES_APP_URL"] == expected
    assert "boss" not in made["TALLYWIRE_POSTGRES_RELAY_URL"]


def test_a_given_role_address_wins_too(place: Place) -> None:
    given = {"TALLYWIRE_POSTGRES_APP_URL": "postgresql://other:x@db.example/news"}
    assert (
        addresses.assemble(place, "tansu", given)["TALLYWIRE_POSTGRES_APP_URL"] == given["TALLYWIRE_POSTGRES_APP_URL"]
    )


def test_repeating_what_we_chose_is_not_giving_an_address() -> None:
    ours, theirs = "redis://:a@127.0.0.1:8479/0", "redis://:b@cache.example/0"
    before = State(environment={"TALLYWIRE_REDIS_URL": ours})
    assert addresses.given(before, {"TALLYWIRE_REDIS_URL": ours, "HOME": "/"}) == {}
    assert addresses.given(before, {"TALLYWIRE_REDIS_URL": theirs}) == {"TALLYWIRE_REDIS_URL": theirs}
    before.given = ["TALLYWIRE_REDIS_URL"]
    assert addresses.given(before, {"TALLYWIRE_REDIS_URL": ours}) == {"TALLYWIRE_REDIS_URL": ours}


def test_commands_get_the_settings_of_the_running_system(place: Place) -> None:
    with pytest.raises(Refused, match="make up"):
        environment.load(place.folder.root)
    state.write(place.folder, State(environment=addresses.assemble(place, "tansu", {})))
    settings = environment.load(place.folder.root)
    assert settings.api_url == "http://127.0.0.1:8400"
    assert place.secret("valkey") in settings.redis_url.get_secret_value()
    assert place.secret("valkey") not in repr(settings)
    assert settings.signing_keys_file == place.folder.secrets / "signing_keys.json"
