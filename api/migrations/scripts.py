"""A migration's SQL files: many statements each, with the names of this installation's roles put in."""

from pathlib import Path
from typing import Final

from alembic import context, op

VERSIONS: Final = Path(__file__).parent / "versions"


def run(name: str) -> None:
    """Run every statement of `versions/{name}` in the migration's transaction."""
    sql = (VERSIONS / name).read_text()
    for standing_for, role in context.config.attributes["roles"].items():
        sql = sql.replace(f'"{standing_for}"', '"{}"'.format(role.replace('"', '""')))
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("a migration needs a connection: it cannot be run offline")
    connection.run_async(lambda driver: driver.execute(sql))
