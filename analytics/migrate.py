"""Bring a ClickHouse database to the shape that `schema/` describes, file by file, in the order of their numbers.

There is no transaction around a statement and its record, so every statement must bear being run twice.
"""

import hashlib
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

SCHEMA: Final = Path(__file__).parent / "schema"


class EditedMigration(Exception):
    """A file that this database has been through says something else now."""


def migrate(client: Client, schema: Path = SCHEMA) -> list[str]:
    """Apply what this database has not been through; answers the names of those files.

    Raises EditedMigration, before anything is applied, where an applied file was changed or taken away.
    """
    files = {path.stem: path.read_text() for path in sorted(schema.glob("*.sql"))}
    client.command(next(iter(files.values())))
    rows = client.query("SELECT name, checksum FROM schema_migrations").result_rows
    applied: dict[str, str] = {row[0]: row[1] for row in rows}
    for name, was in applied.items():
        if name not in files:
            raise EditedMigration(f"{name}.sql was applied to this database but is no longer in {schema.name}/")
        if was != checksum(files[name]):
            raise EditedMigration(
                f"{name}.sql was changed after it was applied: put it back, and add a new file instead"
            )
    new = [name for name in files if name not in applied]
    for name in new:
        client.command(files[name])
        client.insert("schema_migrations", [[name, checksum(files[name])]], column_names=["name", "checksum"])
    return new


def checksum(text: str) -> str:
    """What a migration says, as a short fixed text."""
    return hashlib.sha256(text.encode()).hexdigest()
