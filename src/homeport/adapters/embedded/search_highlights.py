"""Fragments of what a page of hits shows, around the words that matched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import tantivy

from homeport.adapters.embedded.search_query import Leaf, QueryTranslator
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.adapters.embedded.search_words import as_indexed
from homeport.domain.highlighting import SHOWN, Phrases, Span, fragments
from homeport.domain.model.query import (
    All,
    Fuzzy,
    Highlights,
    Node,
    Phrase,
    Prefix,
    SearchQuery,
    Words,
)
from homeport.domain.spelling import resembles


class Highlighter:
    """For the hits of one page, in their order. The whole page has a `_Room`, so that none takes
    long; what comes after that is left without fragments."""

    def __init__(
        self, schema: SearchSchema, translator: QueryTranslator, query: SearchQuery
    ) -> None:
        self._schema = schema
        self._room = _Room()
        self._wanted: dict[str, _Wanted] = {}
        if query.highlight:
            found = [(one, translator.tokens(one)) for one in leaves(query.match)]
            for path in query.highlight:
                here = [(one, words) for one, words in found if one.field in (None, path)]
                self._wanted[path] = _Wanted(here, self._room)

    @property
    def wanted(self) -> bool:
        """Whether the query asks for fragments, and there is room for more."""
        return bool(self._wanted) and not self._room.is_full

    def of(self, stored: str) -> Highlights:
        """The fragments of each field that has some; `stored` are the hit's texts by field, as
        JSON."""
        self._room.take(len(stored) // _CHARACTERS)
        shown = json.loads(stored)
        found = []
        for path, wanted in self._wanted.items():
            pieces: list[str] = []
            for text in shown.get(path, ()):
                if self._room.is_full:
                    break
                pieces += fragments(text, self._spans(text, wanted))
            if pieces:
                found.append((path, tuple(pieces)))
        return tuple(found)

    def _spans(self, text: str, wanted: _Wanted) -> list[Span]:
        """Where something wanted is in a text, cut into words as the index has cut it: as much of
        it as fragments show."""
        self._room.take(_TEXT)
        spans: set[Span] = set()
        text = self._as_indexed(text[: 2 * self._room.left])
        if wanted.phrases is not None:
            words = self._cut(self._schema.words, text)
            places = wanted.phrases.places(
                [token.text for token in words], _STEPS * len(words) + _FEW_STEPS
            )
            spans.update(_span(words[place]) for place in islice(places, SHOWN))
        if wanted.has_patterns:
            found = (
                _span(token)
                for token in self._cut(self._schema.plain_words, text)
                if wanted.likes(token.text)
            )
            spans.update(islice(found, SHOWN))
        self._room.take(_MARKED * len(spans))
        return sorted(spans)

    def _as_indexed(self, text: str) -> str:
        if text.isascii():
            return text
        seen = as_indexed(text)
        self._room.take(len(text) // (_REWRITTEN if seen != text else _LOOKED_AT))
        return seen

    def _cut(self, analyzer: tantivy.TextAnalyzer, text: str) -> list[tantivy.Token]:
        """The words of a text, or of so much of it as there is room for: each takes two
        characters at the least, with what parts it from the next."""
        tokens = analyzer.pre_tokenize(text[: 2 * self._room.left]).tokens
        self._room.take(len(tokens) + len(text) // _CHARACTERS)
        return tokens


@dataclass(slots=True)
class _Room:
    """How much work there may still be, in words that are cut out of a text: 0.7 µs each, 1.2
    where other work is on the processor. What it may come to is told in decision 9."""

    left: int = 200_000

    @property
    def is_full(self) -> bool:
        return self.left == 0

    def take(self, words: int) -> None:
        self.left = max(0, self.left - words)


class _Wanted:
    """What to look for in one field."""

    def __init__(self, found: Sequence[tuple[Leaf, Sequence[str]]], room: _Room) -> None:
        phrases = [words for one, words in found if words and isinstance(one, Words | Phrase)]
        self.phrases: Final = Phrases(phrases) if phrases else None
        self._starts: Final = frozenset(
            words[0] for one, words in found if isinstance(one, Prefix) and len(words) == 1
        )
        self._nearly: Final = tuple(
            (words[0], one.edits)
            for one, words in found
            if isinstance(one, Fuzzy) and len(words) == 1
        )
        self._lengths: Final = sorted({len(start) for start in self._starts})
        self._room: Final = room
        self._known: Final[dict[str, bool]] = {}

    @property
    def has_patterns(self) -> bool:
        return bool(self._starts or self._nearly)

    def likes(self, word: str) -> bool:
        """Whether a word begins, or is nearly, as asked. Each is judged once, while there is
        room."""
        known = self._known.get(word)
        if known is None:
            if self._room.is_full:
                return False
            known = self._known[word] = self._begins(word) or self._resembles(word)
        return known

    def _begins(self, word: str) -> bool:
        self._room.take(len(self._lengths))
        return any(word[:length] in self._starts for length in self._lengths)

    def _resembles(self, word: str) -> bool:
        close = [
            (asked, edits) for asked, edits in self._nearly if abs(len(asked) - len(word)) <= edits
        ]
        self._room.take(len(self._nearly) + _JUDGED * len(close))
        return any(resembles(word, asked, edits) for asked, edits in close)


def leaves(node: Node) -> Iterator[Leaf]:
    """The words that must be there."""
    if isinstance(node, All):
        for one in node.nodes:
            yield from leaves(one)
    elif isinstance(node, Words | Phrase | Prefix | Fuzzy):
        yield node


def _span(token: tantivy.Token) -> Span:
    return token.char_offset_from, token.char_offset_to or token.char_offset_from


# What else there is to do, in words that are cut.
_TEXT: Final = 24
"""A text, however short."""
_CHARACTERS: Final = 64
"""So many characters that are read."""
_LOOKED_AT: Final = 16
_REWRITTEN: Final = 2
"""So many characters of a text that is no ASCII, or one whose marks have stand-ins."""
_JUDGED: Final = 8
"""A word that is compared with another of about its length."""
_MARKED: Final = 4
"""A match that is shown."""
_STEPS: Final = 2
"""Of phrases, so many for each word of a text are counted in with it; not more are taken."""
_FEW_STEPS: Final = 1000
"""In a short text there may be as many as there are."""
