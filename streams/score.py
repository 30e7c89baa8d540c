"""How good a piece reads, from 0 to 10: named parts that add up to the score, a pure function of its text.

Parts come in steps of an eighth, which floats hold exactly: their sum is the score to the last bit, in any order.

readability   0-4    Flesch reading ease: 60 and more (plain English) is full, 0 and less is nothing
length        0-3    words: full from 150 to 1500, falling to nothing at 0 and at 6000
structure     0-2    paragraphs of at most 120 words, more than one of them, sentences of at most 30 words on average
title         0-1    3 to 14 words that do not shout
"""

import html
import re
from dataclasses import dataclass
from typing import Final

import textstat
from textstat.backend.counts import _count_syllables

VERSION: Final = 1
"""Grows with every change of what a text is worth, so that pieces are scored anew."""
LONGEST: Final = 200_000
"""Characters that are looked at; the rest of a longer body changes nothing."""

_count_syllables.get_cmudict = lambda _lang: None  # it would download a dictionary at the first text; hyphens do

_BREAK: Final = re.compile(r"</(?:p|div|li|h[1-6]|blockquote)\s*>|<br\s*/?>\s*<br\s*/?>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[a-zA-Z/!][^<>]*>")
_PARAGRAPHS: Final = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Score:
    """`value` is the sum of `parts`."""

    value: float
    parts: dict[str, float]


def score(title: str, body: str) -> Score:
    """A piece's score; the body may be plain text, Markdown or HTML. An empty body scores 0 in every part."""
    text = plain(body[:LONGEST])
    if not text:
        return Score(0.0, dict.fromkeys(("readability", "length", "structure", "title"), 0.0))
    parts = {
        "readability": _eighths(4 * _between(textstat.flesch_reading_ease(text), 0, 60)),
        "length": _eighths(3 * _length(words(text))),
        "structure": _eighths(2 * _structure(text)),
        "title": _eighths(_title(title)),
    }
    return Score(sum(parts.values()), parts)


def plain(body: str) -> str:
    """A body without its tags, paragraphs apart by an empty line."""
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n\n", body))).strip()


def words(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


def _length(count: int) -> float:
    return min(_between(count, 0, 150), 1 - _between(count, 1500, 6000))


def _structure(text: str) -> float:
    paragraphs = [words(part) for part in _PARAGRAPHS.split(text) if part.strip()]
    short = sum(count for count in paragraphs if count <= 120) / max(1, sum(paragraphs))
    parted = 1.0 if len(paragraphs) > 1 or sum(paragraphs) <= 120 else 0.0
    sentences = 1 - _between(words(text) / textstat.sentence_count(text), 30, 60)
    return (short + parted + sentences) / 3


def _title(title: str) -> float:
    fits = 1.0 if 3 <= words(title) <= 14 else 0.5
    return fits * (0.5 if title.isupper() else 1.0) if title.strip() else 0.0


def _between(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _eighths(points: float) -> float:
    return round(points * 8) / 8
