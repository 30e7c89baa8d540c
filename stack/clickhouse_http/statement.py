"""What a statement is, as far as HTTP must know: its first word, its format, and where an insert's data begins."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stack.clickhouse_http.errors import NOT_IMPLEMENTED, READONLY, refusal

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(?P<word>\w+)|.""",
    re.DOTALL,
)
_LINE_END = re.compile(rb"[ \t\r]*\n?")

_ENGINES = b"KAFKA RABBITMQ NATS FILELOG S3QUEUE AZUREQUEUE POSTGRESQL MATERIALIZEDPOSTGRESQL MYSQL MATERIALIZEDMYSQL"
REFUSED_ENGINES: Final = frozenset(_ENGINES.split())
"""Creating one of these fails in chDB but leaves metadata behind with which the folder never opens again."""

_FUNCTIONS = (
    b"FILE FILECLUSTER URL URLCLUSTER S3 S3CLUSTER GCS HDFS REMOTE REMOTESECURE CLUSTER CLUSTERALLREPLICAS MYSQL SQLITE"
    b" POSTGRESQL MONGODB REDIS ODBC JDBC EXECUTABLE PYTHON AZUREBLOBSTORAGE ICEBERG DELTALAKE HUDI INPUT"
)
OUTSIDE: Final = frozenset(_FUNCTIONS.split())
"""Table functions that read files or other machines: not for read-only users."""

_INSERT_SOURCES: Final = frozenset((b"SELECT", b"VALUES", b"WITH", b"INFILE"))
_AFTER_FORMAT: Final = frozenset((b"", b"SETTINGS", b";"))


@dataclass(frozen=True)
class Statement:
    """`word` is the first word in capitals, `format` the one that the text asks for; an insert's data, where it
    travels with the statement, begin at `data_at`; `into_end` is where the table and its columns end, `sql_end` where
    its FORMAT clause began."""

    word: bytes
    format: str | None = None
    into_end: int = 0
    sql_end: int = 0
    data_at: int | None = None


def _tokens(text: bytes) -> Iterator[re.Match[bytes]]:
    return (token for token in _TOKEN.finditer(text) if token["skip"] is None)


def scan(text: bytes) -> Statement | None:
    """The statement at the beginning of `text`, which may end in an insert's data; None for blanks only."""
    tokens = _tokens(text)
    first = next((token[0].upper() for token in tokens if token[0] != b"("), None)
    if first == b"INSERT":
        return _insert(text, tokens)
    return Statement(first, _format(tokens)) if first else None


def _insert(text: bytes, tokens: Iterator[re.Match[bytes]]) -> Statement:
    depth = into_end = 0
    for token in tokens:
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        word = token[0].upper()
        if depth == 0 and word in _INSERT_SOURCES:
            break
        if depth == 0 and word == b"SETTINGS":
            into_end = into_end or token.start()
        if depth == 0 and word == b"FORMAT" and (name := next(tokens, None)):
            line_end = _LINE_END.match(text, name.end())
            data_at = line_end.end() if line_end else name.end()
            end = token.start()
            return Statement(b"INSERT", name[0].decode(errors="replace"), into_end or end, end, data_at)
    return Statement(b"INSERT")


def _format(tokens: Iterator[re.Match[bytes]]) -> str | None:
    """The name in `... FORMAT name` or `... FORMAT name SETTINGS ...`; a column may be called format, too."""
    found = None
    keyword, name = b"", None
    for token in (*tokens, None):
        now = token[0].upper() if token else b""
        if keyword == b"FORMAT" and name and now in _AFTER_FORMAT:
            found = name.decode()
        keyword, name = (name or b"").upper(), token["word"] if token else None
    return found


def check(text: bytes, statement: Statement, *, readonly: bool) -> None:
    """Raises ClickHouseError for what must not reach the engine: see REFUSED_ENGINES and OUTSIDE."""
    creates = statement.word in (b"CREATE", b"ATTACH", b"REPLACE")
    if not creates and not readonly:
        return
    before = b""
    for token in _tokens(text):
        word = token[0].strip(b'`"').upper()
        if creates and before == b"ENGINE" and word in REFUSED_ENGINES:
            detail = f"Engine {word.decode()} does not work in the embedded engine."
            raise refusal(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", detail)
        if readonly and word == b"(" and before in OUTSIDE:
            raise refusal(READONLY, "READONLY", f"A read-only user may not call {before.decode().lower()}().")
        before = before if word == b"=" else word
