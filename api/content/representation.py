"""A piece as bytes: its JSON and the ETag of it, the same from whichever statement it was read."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from fastapi import Response

from api.content.models import Content
from api.content.rich_text import clean
from api.content.schemas import ContentResponse

COLUMNS: Final = tuple(name for name in ContentResponse.model_fields if name != "shown_cleaned")
_encoder = msgspec.json.Encoder()


def fields_of(row: Mapping[str, Any] | Content) -> dict[str, Any]:
    """A row of the driver's, or a mapped piece, as the fields of its JSON."""
    if isinstance(row, Content):
        fields = {name: getattr(row, name) for name in COLUMNS}
    else:
        fields = {name: row[name] for name in COLUMNS}
    body = clean(fields["body"])
    return {**fields, "body": body, "shown_cleaned": body != fields["body"]}


def encoded(value: object) -> bytes:
    """JSON, as this folder writes it."""
    return _encoder.encode(value)


def state_tag(revision: int, updated_at: datetime) -> str:
    """What of an ETag says in which state a piece is; readers do not change it, editors do."""
    return f"{revision}-{int(updated_at.timestamp() * 1_000_000):x}"


def etag_of(fields: Mapping[str, Any], body: bytes) -> str:
    """A strong ETag: the piece's state, then a hash of every byte, so that other figures are another one."""
    state = state_tag(fields["revision"], fields["updated_at"])
    return f'"{state}.{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


def tag_of(row: Mapping[str, Any] | Content) -> str:
    """The ETag of a piece as it would be answered."""
    fields = fields_of(row)
    return etag_of(fields, encoded(fields))


def answer(row: Mapping[str, Any] | Content, status: int = 200) -> Response:
    """A piece as the answer to a request."""
    fields = fields_of(row)
    body = encoded(fields)
    return Response(body, status, {"ETag": etag_of(fields, body)}, media_type="application/json")
