"""A ledger that earlier versions filled is the same ledger in today's shape."""

import shutil
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from analytics.migrate import SCHEMA, migrate

IN_0_1_0 = 7
BEFORE_DICTIONARIES = 12
AT = "toDateTime('2026-11-01 10:00:00', 'UTC') + number * 60"


def fill(client: Client, place: str) -> None:
    """Three events, and each of them once more from a later place in the log."""
    client.command(
        "INSERT INTO engagement_events (organization_id, content_id, minute, id, kind, platform, robot, value, actor,"
        f" attributes, received_at, partition, {place})"
        f" SELECT toUUID('00000000-0000-0000-0000-00000000000a'), toUUID('00000000-0000-0000-0000-00000000000b'), {AT},"
        " toUUID(concat('00000000-0000-7000-8000-00000000000', toString(number))), 'view', 'web', number = 1,"
        f" number * 1000, concat('reader-', toString(number)), concat('{{\"n\":', toString(number), '}}'), {AT}, 3,"
        f" {'later + 10' if place == 'position' else 'bitNot(later + 10)'}"
        " FROM (SELECT place % 3 AS number, place AS later FROM (SELECT number AS place FROM numbers(6)))"
    )


@pytest.mark.parametrize("files", [IN_0_1_0, BEFORE_DICTIONARIES])
def test_what_an_earlier_version_stored_is_read_back_unchanged(
    empty_url: SecretStr, tmp_path: Path, files: int
) -> None:
    for path in sorted(SCHEMA.glob("*.sql"))[:files]:
        shutil.copy(path, tmp_path)
    client = wire.clickhouse.client(empty_url)
    migrate(client, tmp_path)
    fill(client, "position" if files == IN_0_1_0 else "precedence")
    asked = (
        "SELECT organization_id, content_id, minute, id, toString(kind), toString(platform), robot, value, actor,"
        " toString(attributes), received_at, partition, position FROM engagement_events ORDER BY id"
    )
    before = client.query(asked).result_rows
    assert [row[-1] for row in before] == [10, 11, 12]
    migrate(client)
    assert client.query(asked).result_rows == before
    client.command("OPTIMIZE TABLE engagement_events FINAL")
    assert client.query(asked).result_rows == before
    client.close()
