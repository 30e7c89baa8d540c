"""A user's profile: any JSON object, within bounds."""

import json
import math
from typing import Annotated, Any, Final

from pydantic import AfterValidator, JsonValue, WithJsonSchema

from api.content.schemas import storable

MOST_BYTES: Final = 16 * 1024
DEEPEST: Final = 8


def within_bounds(profile: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is too large, too deep, or cannot be stored. Raises ValueError."""
    _check(profile, 1)
    size = len(json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MOST_BYTES:
        raise ValueError(f"must not take more than {MOST_BYTES} bytes as JSON, and this takes {size}")
    return profile


def _check(value: JsonValue, depth: int) -> None:
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must not contain NaN or infinity")
    elif isinstance(value, dict | list):
        if depth > DEEPEST:
            raise ValueError(f"must not be nested more than {DEEPEST} deep")
        for name in value if isinstance(value, dict) else ():
            storable(name)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)


Profile = Annotated[
    dict[str, JsonValue],
    AfterValidator(within_bounds),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": True,
            "description": f"any JSON object of at most {MOST_BYTES} bytes, nested at most {DEEPEST} deep",
        }
    ),
]
