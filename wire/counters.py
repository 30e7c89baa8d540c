"""The hot counters in Redis: their keys, their values, and how a writer moves them forward.

The counters of one partition of the events topic move together. They are whole up to a position of that partition's
log, which stands beside them: a writer that is behind it changes nothing, and a writer that finds it smaller than what
it wrote knows that Redis has lost something, and what. Values are absolute.

| key | value | lives |
|---|---|---|
| `tw:{p}:position` | `position_text`: every event before this position is in the counters of partition p | for ever |
| `tw:{p}:totals` | hash: piece -> cells | for ever |
| `tw:{p}:minute:{minute}` | hash: piece -> cells of that minute, unix time // 60 | MINUTE_TTL_SECONDS |
| `tw:snapshots:{organization}:{content}` | hash: `{platform}|{kind}` -> `{captured_at_ms}|{count}` | for ever |
| `tw:snapshots_whole` | present where every piece's snapshots are there | for ever |
| `tw:as_of` | hash: partition -> unix ms up to which all accepted events are counted | for ever |
| `twnext:{p}:{token}:...` | what is being built anew, before it takes the others' place | NEXT_TTL_SECONDS |

A piece is 32 bytes: its organization's id and its own. Cells are JSON: `[[platform, kind, count, robots,
value_thousandths], ...]`. `{p}` is in braces in the key itself, so that a partition's keys stay together in a cluster.
"""

from typing import Final
from uuid import UUID

import msgspec

from wire.ids import WINDOW_FUTURE_MS, partition
from wire.topics import EVENTS

MINUTES_KEPT: Final = 61
MINUTE_TTL_SECONDS: Final = 2 * 3600
NEXT_TTL_SECONDS: Final = 3600
AS_OF: Final = "tw:as_of"
SNAPSHOTS_WHOLE: Final = "tw:snapshots_whole"


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """How often one kind of engagement happened on one platform; `count` includes `robots`."""

    platform: str
    kind: str
    count: int
    robots: int
    value: int


_cells = msgspec.json.Decoder(list[Cell])


def partition_of(content_id: UUID) -> int:
    """The partition of the events topic that a piece belongs to, which is where its counters stand."""
    return partition(content_id, EVENTS.partitions)


def piece_field(organization_id: UUID, content_id: UUID) -> bytes:
    """A piece's field in the hashes."""
    return organization_id.bytes + content_id.bytes


def position_key(of: int) -> str:
    """Up to where the counters of a partition are whole."""
    return f"tw:{{{of}}}:position"


def totals_key(of: int) -> str:
    """Where the totals of a partition's pieces stand."""
    return f"tw:{{{of}}}:totals"


def minute_key(of: int, minute: int) -> str:
    """Where the counts of one minute stand."""
    return f"tw:{{{of}}}:minute:{minute}"


def next_key(live: str, token: str) -> str:
    """Where `totals_key` or `minute_key` are built anew by whoever chose the token; no reader looks there."""
    _, partition, rest = live.split(":", 2)
    return f"twnext:{partition}:{token}:{rest}"


def may_stand(now_s: float) -> range:
    """Every minute (unix time // 60) of which Redis may hold anything: kept ones, and those not yet forgotten."""
    now = int(now_s) // 60
    return range(now - MINUTES_KEPT - MINUTE_TTL_SECONDS // 60 - 1, now + WINDOW_FUTURE_MS // 60_000 + 2)


def parts_key(of: int, token: str) -> str:
    """Which parts of what is built anew have been written: Redis may lose some of them before they take their place."""
    return f"twnext:{{{of}}}:{token}:parts"


def snapshots_key(organization_id: UUID, content_id: UUID) -> str:
    """Where the platforms' own totals of a piece stand."""
    return f"tw:snapshots:{organization_id}:{content_id}"


def encode_cells(cells: list[Cell]) -> bytes:
    """Cells -> a hash's value."""
    return msgspec.json.encode(cells)


def decode_cells(value: bytes | str) -> list[Cell]:
    """A hash's value -> cells."""
    return _cells.decode(value)


def position_text(position: int, generation: int = 0) -> str:
    """A position as 20 digits, which compare as the numbers do; Redis's own numbers are floats.

    Every position of a later generation of figures (`tallywire recount` begins one) is larger than all before it.
    """
    return f"g{generation:06}.{position:020}" if generation else f"{position:020}"


def position_in(text: str) -> tuple[int, int]:
    """The generation and the position in a position's text; of an empty one (-1, 0)."""
    if not text:
        return -1, 0
    generation, _, position = text.rpartition(".")
    return int(generation[1:] or 0), int(position)


_WRITE: Final = """\
local at = 3
for i = 2, #KEYS do
  local ttl, last = tonumber(ARGV[at]), at + 1 + 2 * tonumber(ARGV[at + 1])
  for from = at + 2, last, 4000 do
    redis.call('HSET', KEYS[i], unpack(ARGV, from, math.min(from + 3999, last)))
  end
  if ttl > 0 then redis.call('EXPIRE', KEYS[i], ttl) end
  at = last + 1
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""

ADVANCE: Final = (
    """
-- KEYS: position, then hashes. ARGV: the position that the writer wrote last, the one that it moves to, then for each
-- hash: its time to live in seconds (0: for ever), how many pieces, and each piece and its cells.
-- Answers the position that stands at the end. Smaller than the first argument: Redis has lost something, and nothing
-- was written.
local held = redis.call('GET', KEYS[1]) or ''
if held < ARGV[1] or held >= ARGV[2] then return held end
"""
    + _WRITE
)

REPAIR: Final = (
    """
-- As ADVANCE, but the counters must stand exactly where the writer saw them.
local held = redis.call('GET', KEYS[1]) or ''
if held ~= ARGV[1] then return held end
"""
    + _WRITE
)

SWITCH: Final = """
-- KEYS: position, the set of parts, then pairs: a hash built anew, and the one whose place it takes; one that was not
-- built is removed. ARGV: where the counters must stand (empty: nothing stands), where they stand then, how many parts
-- there must be, and each pair's time to live. Answers where they stand in the end.
local held = redis.call('GET', KEYS[1]) or ''
if held ~= ARGV[1] or redis.call('SCARD', KEYS[2]) ~= tonumber(ARGV[3]) then return held end
redis.call('UNLINK', KEYS[2])
for i = 3, #KEYS, 2 do
  local ttl = tonumber(ARGV[(i + 5) / 2])
  redis.call('UNLINK', KEYS[i + 1])
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    if ttl > 0 then redis.call('EXPIRE', KEYS[i + 1], ttl) else redis.call('PERSIST', KEYS[i + 1]) end
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
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
