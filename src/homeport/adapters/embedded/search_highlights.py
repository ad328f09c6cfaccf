"""Fragments of what a page of hits shows, around the words that matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import tantivy

from homeport.adapters.embedded.search_query import Leaf, QueryTranslator
from homeport.adapters.embedded.search_schema import SearchSchema, one_sigma
from homeport.domain.highlighting import Phrases, Span, fragments
from homeport.domain.model.query import All, Fuzzy, Node, Phrase, Prefix, SearchQuery, Words
from homeport.domain.spelling import resembles


class Highlighter:
    """For the hits of one page, in their order. It looks at a million characters of them at
    most, so that no page takes long, and leaves what comes after without fragments."""

    def __init__(
        self, schema: SearchSchema, translator: QueryTranslator, query: SearchQuery
    ) -> None:
        self._schema = schema
        self._room = _CHARACTERS
        self._wanted: dict[str, _Wanted] = {}
        if query.highlight:
            found = [(one, translator.tokens(one)) for one in leaves(query.match)]
            for path in query.highlight:
                here = [(one, words) for one, words in found if one.field in (None, path)]
                self._wanted[path] = _Wanted(here)

    @property
    def wanted(self) -> bool:
        """Whether the query asks for fragments at all."""
        return bool(self._wanted)

    def of(self, shown: Mapping[str, Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The fragments of each field that has some; `shown` are the hit's texts by field."""
        found = []
        for path, wanted in self._wanted.items():
            pieces: list[str] = []
            for text in shown.get(path, ()):
                spans = self._spans(text[: self._room], wanted)
                self._room = max(0, self._room - len(text))
                pieces += fragments(text, spans)
            if pieces:
                found.append((path, tuple(pieces)))
        return tuple(found)

    def _spans(self, text: str, wanted: _Wanted) -> list[Span]:
        """Where something wanted is in a text, cut into words as the index has cut it."""
        spans: set[Span] = set()
        text = one_sigma(text)
        if wanted.phrases is not None:
            words = self._schema.words.pre_tokenize(text).tokens
            places = wanted.phrases.places([token.text for token in words])
            spans.update(_span(words[place]) for place in places)
        if wanted.starts or wanted.nearly:
            for token in self._schema.plain_words.pre_tokenize(text).tokens:
                if wanted.begins(token.text) or wanted.resembles(token.text):
                    spans.add(_span(token))
        return sorted(spans)


class _Wanted:
    """What to look for in one field."""

    def __init__(self, found: Sequence[tuple[Leaf, Sequence[str]]]) -> None:
        phrases = [words for one, words in found if words and isinstance(one, Words | Phrase)]
        self.phrases: Final = Phrases(phrases) if phrases else None
        self.starts: Final = frozenset(
            words[0] for one, words in found if isinstance(one, Prefix) and len(words) == 1
        )
        self.nearly: Final = tuple(
            (words[0], one.edits)
            for one, words in found
            if isinstance(one, Fuzzy) and len(words) == 1
        )
        self._lengths = sorted({len(start) for start in self.starts})

    def begins(self, word: str) -> bool:
        return any(word[:length] in self.starts for length in self._lengths)

    def resembles(self, word: str) -> bool:
        return any(resembles(word, asked, edits) for asked, edits in self.nearly)


def leaves(node: Node) -> Iterator[Leaf]:
    """The words that must be there."""
    if isinstance(node, All):
        for one in node.nodes:
            yield from leaves(one)
    elif isinstance(node, Words | Phrase | Prefix | Fuzzy):
        yield node


def _span(token: tantivy.Token) -> Span:
    return token.char_offset_from, token.char_offset_to or token.char_offset_from


_CHARACTERS: Final = 1_000_000
