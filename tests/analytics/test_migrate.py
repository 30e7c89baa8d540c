import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from analytics.migrate import SCHEMA, EditedMigration, migrate


@pytest.fixture
def empty(empty_url: SecretStr) -> Iterator[Client]:
    made = wire.clickhouse.client(empty_url)
    yield made
    made.close()


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    (tmp_path / "0001_schema_migrations.sql").write_text((SCHEMA / "0001_schema_migrations.sql").read_text())
    (tmp_path / "0002_a.sql").write_text("-- a\nCREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x\n")
    return tmp_path


def tables(client: Client) -> set[str]:
    return {
        row[0] for row in client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    }


def test_every_file_makes_its_table_and_the_second_time_nothing_is_new(empty: Client) -> None:
    files = sorted(path.stem for path in SCHEMA.glob("*.sql"))
    assert migrate(empty) == files
    made = {name for name in files if "CREATE TABLE" in (SCHEMA / f"{name}.sql").read_text()}
    assert tables(empty) == {name.split("_", 1)[1] for name in made}
    assert migrate(empty) == []


def test_a_new_file_is_applied_alone(empty: Client, schema: Path) -> None:
    assert migrate(empty, schema) == ["0001_schema_migrations", "0002_a"]
    (schema / "0003_b.sql").write_text("ALTER TABLE a ADD COLUMN IF NOT EXISTS y UInt8")
    assert migrate(empty, schema) == ["0003_b"]


def test_an_edited_file_is_refused_by_name_before_anything_is_applied(empty: Client, schema: Path) -> None:
    migrate(empty, schema)
    (schema / "0002_a.sql").write_text(
        "-- changed\nCREATE TABLE IF NOT EXISTS a (x UInt16) ENGINE = MergeTree ORDER BY x"
    )
    (schema / "0003_b.sql").write_text("CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = MergeTree ORDER BY x")
    with pytest.raises(EditedMigration, match=r"0002_a\.sql was changed after it was applied"):
        migrate(empty, schema)
    assert "b" not in tables(empty)


def test_a_file_that_was_taken_away_is_refused(empty: Client, schema: Path) -> None:
    migrate(empty, schema)
    (schema / "0002_a.sql").unlink()
    with pytest.raises(EditedMigration, match=r"0002_a\.sql was applied .* no longer"):
        migrate(empty, schema)


def test_a_crash_between_a_statement_and_its_record_is_made_good(empty: Client, schema: Path) -> None:
    migrate(empty, schema)
    empty.command("DELETE FROM schema_migrations WHERE name = '0002_a'")
    assert migrate(empty, schema) == ["0002_a"]


def test_the_command_migrates_and_asks_and_an_unknown_question_is_refused(empty_url: SecretStr, empty: Client) -> None:
    environment = {**os.environ, "TALLYWIRE_CLICKHOUSE_URL": empty_url.get_secret_value()}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "analytics", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    migrated = run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "0002_engagement_events" in migrated.stderr
    nobody = "00000000-0000-0000-0000-000000000000"
    empty.insert(
        "rejections",
        [[nobody, nobody, "http", 1, "odd", "", "", 0]],
        ["id", "organization_id", "source", "place", "reason", "detail", "sample", "rejected_at"],
    )
    asked = run("ask", "reasons_of_organization", f"organization_id={nobody}", "since=1970-01-01")
    assert asked.stdout == '{"reason":"odd","count":1,"last_at":"1970-01-01T00:00:00Z"}\n', asked.stderr
    refused = run("ask", "the_time")
    assert refused.returncode == 1
    assert "no question is called the_time; there are accounts_" in refused.stderr


def test_every_file_is_one_statement_that_says_what_it_is_for() -> None:
    for path in [*SCHEMA.glob("*.sql"), *(SCHEMA.parent / "queries").glob("*.sql")]:
        text = path.read_text()
        assert text.startswith("-- "), path.name
        assert ";" not in "\n".join(line for line in text.splitlines() if not line.startswith("--")), path.name
