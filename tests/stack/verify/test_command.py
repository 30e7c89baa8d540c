"""What `tallywire verify` says."""

import json

from stack.errors import Refused
from stack.verify import (
    POSTGRES,
)
from tests.stack.verify.conftest import Command, System
from tests.stack.verify.planted import change_postgres


async def test_what_nobody_counted_is_told_in_a_sentence(system: System, tallywire: Command) -> None:
    system.account(0, accepted=9)
    done = await tallywire("--no-log", "--wait", "0")
    assert done.exit_code == 1
    where = f"organization {system.organization}"
    assert f"{where}: accepted 24, counted 16 (the rest is on its way, or nothing counts)" in done.output


async def test_the_command_says_how_much_it_compared(system: System, tallywire: Command) -> None:
    done = await tallywire("--no-log", "--wait", "0")
    assert done.exit_code == 0, done.output
    assert "figures agree" in done.output
    done = await tallywire("--no-log", "--wait", "0", "--json")
    said = json.loads(done.stdout)
    assert said["equal"] is True
    assert said["compared"][POSTGRES] == 9


async def test_the_command_fails_with_what_differs(system: System, tallywire: Command) -> None:
    await change_postgres(system)
    done = await tallywire("--no-log", "--wait", "0")
    assert done.exit_code == 1
    for word in (str(system.organization), str(system.pieces[0]), "facebook read", "robots=1", "robots=0"):
        assert word in done.output
    done = await tallywire("--no-log", "--wait", "0", "--json", "--all")
    assert done.exit_code == 1
    (difference,) = json.loads(done.stdout)["differences"]
    assert (difference["expected"], difference["found"]) == ([1, 1, 7], [1, 0, 7])


async def test_where_a_store_refuses_nothing_is_said_of_it_and_it_can_be_asked_again(
    system: System, tallywire: Command
) -> None:
    system.clickhouse.command("DETACH TABLE engagement_minutes")
    done = await tallywire("--no-log", "--wait", "0")
    assert isinstance(done.exception, Refused)
    assert "A store does not answer, nothing can be said" in str(done.exception)
    assert "engagement_minutes" in str(done.exception)
    system.clickhouse.command("ATTACH TABLE engagement_minutes")
    assert (await tallywire("--no-log", "--wait", "0")).exit_code == 0
