"""Fragments of a page's hits, around the words that matched.

CloudSearch marks words in its own excerpts: it knows which inflections match, but shows one
excerpt of one value, marks each word of a phrase anywhere, and knows nothing of prefixes in
fields that are stemmed. So what it marked is taken as a list of forms that match, with the words
of the query itself, and the fragments are cut from the field's whole text as for every index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from homeport.adapters.aws.search_fields import as_written, text_field
from homeport.adapters.aws.search_query import leaves, start_of, text_of
from homeport.domain.highlighting import Phrases, Span, fragments
from homeport.domain.model.query import Prefix, SearchQuery
from homeport.domain.words import cut_words, word_spans


class Highlighter:
    """`tag` marks words in CloudSearch's excerpts: a text that no user can have foreseen."""

    def __init__(self, query: SearchQuery, tag: str) -> None:
        self._tag = tag
        self._marked = re.compile(f"{re.escape(tag)}(.*?){re.escape(tag)}", re.DOTALL)
        self._wanted: dict[str, tuple[list[list[str]], tuple[str, ...]]] = {}
        found = list(leaves(query.match))
        for path in query.highlight:
            here = [one for one in found if one.field in (None, path)]
            phrases = [_words(text_of(one)) for one in here if not isinstance(one, Prefix)]
            starts = [start_of(one) for one in here if isinstance(one, Prefix)]
            if here:
                self._wanted[path] = (phrases, tuple(filter(None, starts)))
        self._room = _CHARACTERS

    @property
    def fields(self) -> list[str]:
        """The fields whose text is needed."""
        return [text_field(path) for path in self._wanted]

    def asked(self) -> dict[str, dict[str, Any]]:
        """The parameter `highlight`."""
        options = {
            "format": "text",
            "max_phrases": _MARKED,
            "pre_tag": self._tag,
            "post_tag": self._tag,
        }
        return dict.fromkeys(self.fields, options)

    def of(
        self, texts: Mapping[str, Sequence[str]], excerpts: Mapping[str, str]
    ) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The fragments of a hit's fields, where something matched in them."""
        found = []
        for path, (phrases, starts) in self._wanted.items():
            name = text_field(path)
            forms = _forms(phrases, self._runs(excerpts.get(name, "")))
            written = list(map(as_written, texts.get(name, ())))
            shown = self._shown(written, Phrases([*phrases, *forms]), starts)
            if shown:
                found.append((path, shown))
        return tuple(found)

    def _shown(
        self, texts: Sequence[str], phrases: Phrases, starts: tuple[str, ...]
    ) -> tuple[str, ...]:
        pieces: list[str] = []
        for text in texts:
            part = text[: self._room]
            self._room -= len(part)
            pieces += fragments(text, _spans(part, phrases, starts))
        return tuple(pieces)

    def _runs(self, excerpt: str) -> Iterator[list[str]]:
        """Marked words, those together that have no other word between them."""
        run: list[str] = []
        end = 0
        for found in self._marked.finditer(excerpt):
            if run and cut_words(excerpt[end : found.start()]):
                yield run
                run = []
            run += _words(found[1])
            end = found.end()
        if run:
            yield run


def _forms(phrases: Sequence[list[str]], runs: Iterator[list[str]]) -> Iterator[list[str]]:
    """What of the marked words may be inflections of a phrase: as many of them side by side, and
    where one is a word of the query itself, in that word's place."""
    own = {word for phrase in phrases for word in phrase}
    for run in runs:
        for phrase in phrases:
            for start in range(len(run) - len(phrase) + 1):
                form = run[start : start + len(phrase)]
                pairs = zip(form, phrase, strict=True)
                if phrase and all(word == wanted or word not in own for word, wanted in pairs):
                    yield form


def _spans(text: str, phrases: Phrases, starts: tuple[str, ...]) -> list[Span]:
    places = list(word_spans(text))
    words = [text[start:end].lower() for start, end in places]
    spans = {places[place] for place in phrases.places(words)}
    if starts:
        spans.update(
            one for one, word in zip(places, words, strict=True) if word.startswith(starts)
        )
    return sorted(spans)


def _words(text: str) -> list[str]:
    return [one.lower() for one in cut_words(text)]


_MARKED: Final = 5
"""CloudSearch marks no more."""
_CHARACTERS: Final = 1_000_000
"""Looked at for one page, as the embedded index does, so that no page takes long."""
