"""Fragments of a text with what matched marked, the same for every index that leaves it to us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final, TypeAlias

Span: TypeAlias = tuple[int, int]
"""Where a match begins and ends in the text, in code points."""


class Phrases:
    """Phrases to look for in texts, each a run of words as an index has cut them.

    However many there are, a text is gone through once. Of a phrase the first 16 words count.
    """

    def __init__(self, phrases: Iterable[Sequence[str]]) -> None:
        # Words that follow words, from the first on; None marks where a phrase ends.
        self._first: dict[str | None, Any] = {}
        for phrase in phrases:
            node = self._first
            for word in phrase[:_PHRASE]:
                node = node.setdefault(word, {})
            node[None] = True
        self._first.pop(None, None)

    def places(self, words: Sequence[str], steps: int | None = None) -> Iterator[int]:
        """The places of all words that belong to a match, in order; or of those that are found
        in so many steps from one word to the next. Phrases that repeat themselves take up to 16
        of these for each word."""
        marked = taken = 0
        for place, word in enumerate(words):
            node = self._first.get(word)
            step = place + 1
            while node is not None:
                if None in node:
                    yield from range(max(place, marked), step)
                    marked = max(marked, step)
                node = node.get(words[step]) if step < len(words) else None
                step += 1
            taken += step - place
            if steps is not None and taken > steps:
                return


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


_PHRASE: Final = 16
_FRAGMENTS: Final = 3
_LENGTH: Final = 150
_BEFORE: Final = 40
"""How much of a fragment comes before its first match, at most."""
SHOWN: Final = _FRAGMENTS * (_LENGTH // 2 + 1)
"""How many matches the fragments of one text have room for, at most."""
