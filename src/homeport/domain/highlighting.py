"""Fragments of a text with what matched marked, the same for every index that leaves it to us."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
"""Where a match begins and ends in the text, in code points."""


def fragments(text: str, spans: Sequence[Span]) -> tuple[str, ...]:
    """Up to three fragments of about 150 characters around the matches, in the text's order.

    `<em>` and `</em>` stand around each match; all else is escaped for HTML. Fragments begin
    and end between words where they can. Without a match there is none.
    """
    found: list[str] = []
    place = 0
    spans = sorted(spans)
    while place < len(spans) and len(found) < _FRAGMENTS:
        first = spans[place][0]
        start = _between_words(text, max(0, first - _BEFORE), first)
        end = start + _LENGTH
        inside = [one for one in spans[place:] if one[1] <= max(end, spans[place][1])]
        end = max(end, inside[-1][1])
        if end < len(text):
            end = max(text.rfind(" ", 0, end + 1), inside[-1][1])
        found.append(_marked(text, start, min(end, len(text)), inside))
        place += len(inside)
    return tuple(found)


def _between_words(text: str, start: int, limit: int) -> int:
    """The beginning of the first whole word from `start` on."""
    if start == 0 or text[start - 1].isspace():
        return start
    space = text.find(" ", start, limit)
    return start if space < 0 else space + 1


def _marked(text: str, start: int, end: int, spans: Sequence[Span]) -> str:
    pieces: list[str] = []
    for first, last in spans:
        if first < start:
            continue
        pieces += (escape(text[start:first]), "<em>", escape(text[first:last]), "</em>")
        start = last
    pieces.append(escape(text[start:end]))
    return "".join(pieces).strip()


_FRAGMENTS: Final = 3
_LENGTH: Final = 150
_BEFORE: Final = 40
"""How much of a fragment comes before its first match, at most."""
