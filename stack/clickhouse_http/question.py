"""A request, read: what is asked, by whom, with which parameters and settings."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, web

from stack.clickhouse_http.body import Body
from stack.clickhouse_http.errors import NOT_IMPLEMENTED, UNKNOWN_SETTING, refusal
from stack.clickhouse_http.users import User

_TRANSPORT = (
    "query database default_format user password session_id session_timeout session_check query_id quota_key role"
    " compress decompress enable_http_compression http_zlib_compression_level buffer_size wait_end_of_query stacktrace"
    " send_progress_in_http_headers http_headers_progress_interval_ms client_protocol_version"
)
NOT_SETTINGS: Final = frozenset(_TRANSPORT.split())
"""Parameters that speak of the request, not of the query."""

_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Question:
    """What a request asks; `text` is the statement's part in the URL, the rest is the body's beginning."""

    id: str
    text: bytes
    body: Body
    database: str
    format: str
    session: str | None
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    accepted: str
    readonly: bool


async def read(request: web.Request, user: User) -> Question:
    """The question that a request asks. Raises ClickHouseError for what cannot be understood."""
    fields = dict(request.query)
    is_form = request.content_type == "multipart/form-data"
    if is_form:
        fields |= await _form(request)
    settings = {name: value for name, value in fields.items() if name not in NOT_SETTINGS and not _is_parameter(name)}
    for name in settings:
        if not _NAME.fullmatch(name):
            raise refusal(UNKNOWN_SETTING, "UNKNOWN_SETTING", f"Unknown setting {name!r}.")
    compressed = fields.get("enable_http_compression") == "1"
    return Question(
        id=fields.get("query_id") or str(uuid.uuid4()),
        text=fields.get("query", "").strip().encode(),
        body=Body(request, none=is_form),
        database=fields.get("database") or request.headers.get("X-ClickHouse-Database") or "",
        format=fields.get("default_format") or request.headers.get("X-ClickHouse-Format") or "TabSeparated",
        session=fields.get("session_id"),
        parameters={name.removeprefix("param_"): fields[name] for name in fields if _is_parameter(name)},
        settings=settings,
        accepted=request.headers.get("Accept-Encoding", "") if compressed else "",
        readonly=user.readonly or request.method == "GET",
    )


def _is_parameter(name: str) -> bool:
    return name.startswith("param_")


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form; a file in it would be external data, which chDB cannot take."""
    fields = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.filename or not part.name:
            raise refusal(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "External data does not work in the embedded engine.")
        fields[part.name] = bytes(await part.read(decode=True)).decode()
    return fields
