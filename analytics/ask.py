"""One question to ClickHouse: a file of `queries/`, and what it asks about."""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.asyncclient import AsyncClient

QUERIES: Final = Path(__file__).parent / "queries"
_PARAMETER: Final = re.compile(r"\{(\w+):")


async def ask(client: AsyncClient, name: str, **parameters: object) -> list[dict[str, Any]]:
    """Ask `queries/{name}.sql`; answers its rows, times in UTC. Parameters are bound by the server, never pasted in.

    Raises LookupError for a question that does not exist, TypeError for parameters that are not the question's own.
    """
    sql = question(name)
    wanted = set(_PARAMETER.findall(sql))
    if wanted != parameters.keys():
        raise TypeError(f"{name} asks for {sorted(wanted)}, not {sorted(parameters)}")
    answer = await client.query(sql, parameters=parameters)
    return [
        {column: _utc(value) for column, value in zip(answer.column_names, row, strict=True)}
        for row in answer.result_rows
    ]


@cache
def question(name: str) -> str:
    """The SQL of a question. Raises LookupError naming those that exist."""
    questions = {path.stem: path for path in QUERIES.glob("*.sql")}
    if name not in questions:
        raise LookupError(f"no question is called {name}; there are {', '.join(sorted(questions))}")
    return questions[name].read_text()


def _utc(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value
