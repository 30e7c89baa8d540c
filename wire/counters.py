"""The hot counters in Redis: their keys, their values, and the rule that the larger one wins.

A counter's value is absolute and self-contained: it can be written again, late, or by a worker back from the dead, and
nothing changes. `version` is the number of events counted in it, which only grows.

| key | value | lives |
|---|---|---|
| `tw:totals:{organization}:{content}` | hash: `version`, `cells` | for ever |
| `tw:minute:{organization}:{content}:{minute}` | hash: `version`, `cells` | MINUTE_TTL_SECONDS |
| `tw:snapshots:{organization}:{content}` | hash: `{platform}|{kind}` -> `{captured_at_ms}|{count}` | for ever |
| `tw:as_of` | hash: partition of the events topic -> unix ms up to which all accepted events are counted | for ever |
| `tw:complete_since` | unix ms since which no minute has been missed; absent means that Redis was emptied | for ever |

`minute` is unix time // 60. `cells` is JSON: `[[platform, kind, count, robots, value_thousandths], ...]`.
"""

from typing import Final
from uuid import UUID

import msgspec

MINUTE_TTL_SECONDS: Final = 2 * 3600
AS_OF: Final = "tw:as_of"
COMPLETE_SINCE: Final = "tw:complete_since"


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """How often one kind of engagement happened on one platform; `count` includes `robots`."""

    platform: str
    kind: str
    count: int
    robots: int
    value: int


_cells = msgspec.json.Decoder(list[Cell])


def totals_key(organization_id: UUID, content_id: UUID) -> str:
    """Where a piece's totals stand."""
    return f"tw:totals:{organization_id}:{content_id}"


def minute_key(organization_id: UUID, content_id: UUID, minute: int) -> str:
    """Where a piece's counts of one minute stand."""
    return f"tw:minute:{organization_id}:{content_id}:{minute}"


def snapshots_key(organization_id: UUID, content_id: UUID) -> str:
    """Where the platforms' own totals of a piece stand."""
    return f"tw:snapshots:{organization_id}:{content_id}"


def encode_cells(cells: list[Cell]) -> bytes:
    """Cells -> the hash's field `cells`."""
    return msgspec.json.encode(cells)


def decode_cells(field: bytes | str) -> list[Cell]:
    """The hash's field `cells` -> cells."""
    return _cells.decode(field)


KEEP_LARGER: Final = """
-- KEYS: counters. ARGV: version, cells, time to live in seconds (0: for ever), for each. Answers how many were taken.
local taken = 0
for i, key in ipairs(KEYS) do
  local version, cells, ttl = ARGV[3 * i - 2], ARGV[3 * i - 1], tonumber(ARGV[3 * i])
  local held = redis.call('HGET', key, 'version')
  if not held or tonumber(held) < tonumber(version) then
    redis.call('HSET', key, 'version', version, 'cells', cells)
    if ttl > 0 then redis.call('EXPIRE', key, ttl) end
    taken = taken + 1
  end
end
return taken
"""

KEEP_LATEST: Final = """
-- KEYS: snapshots. ARGV: field, captured_at_ms, count, for each. Answers how many were taken.
-- Of two captures of the same millisecond the larger count stays, so that the order of arrival does not matter.
local taken = 0
for i, key in ipairs(KEYS) do
  local field, at, count = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local held = redis.call('HGET', key, field)
  local held_at, held_count = -1, -1
  if held then
    local a, c = string.match(held, '^(%d+)|(%d+)$')
    held_at, held_count = tonumber(a), tonumber(c)
  end
  if at > held_at or (at == held_at and count > held_count) then
    redis.call('HSET', key, field, string.format('%.0f|%.0f', at, count))
    taken = taken + 1
  end
end
return taken
"""
