"""Excerpts of texts with the words of the query marked."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Final

from homeport.testing.cloudsearch.analysis import AnalysisScheme, Token, analyze
from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import SearchRefused
from homeport.testing.cloudsearch.matching import words_of
from homeport.testing.cloudsearch.query import Query
from homeport.testing.cloudsearch.schema import Schema

MAX_PHRASES: Final = 5
"""Marked occurrences of one field."""
MAX_BYTES: Final = 10 * 1024
"""Of a text; what stands behind them is not marked."""
_AROUND: Final = 100
"""Characters of an excerpt before and behind what is marked."""

Highlight = Callable[[Document], str | None]


def read(name: str, options: object, schema: Schema, query: Query | None) -> Highlight:
    """Read the options of one highlight: format, max_phrases, pre_tag, post_tag."""
    field = schema.resolve(name)
    if field is None:
        raise SearchRefused(f"Field ({name}) does not exist.")
    if not field.highlight:
        raise SearchRefused(f"Field ({name}) of type {field.type} is not highlight enabled.")
    if not isinstance(options, dict):
        raise SearchRefused(f"highlight of {name}: the options are an object")
    unknown = options.keys() - {"format", "max_phrases", "pre_tag", "post_tag"}
    if unknown:
        raise SearchRefused(f"highlight of {name}: there is no option {min(unknown)}")
    form = options.get("format", "html")
    if form not in {"html", "text"}:
        raise SearchRefused(f"highlight of {name}: format is html or text")
    phrases = options.get("max_phrases", 1)
    if not isinstance(phrases, int) or isinstance(phrases, bool) or not 0 < phrases <= MAX_PHRASES:
        raise SearchRefused(f"highlight of {name}: max_phrases is 1 to {MAX_PHRASES}")
    before = options.get("pre_tag", "<em>" if form == "html" else "*")
    behind = options.get("post_tag", "</em>" if form == "html" else "*")
    if not isinstance(before, str) or not isinstance(behind, str):
        raise SearchRefused(f"highlight of {name}: tags are strings")
    marks = _marker(name, schema.scheme_of(field), query)
    escape = _encoded if form == "html" else str

    def excerpt(document: Document) -> str | None:
        values = [_beginning(str(value)) for value in document.get(name)]
        marked = ((text, marks(text)[:phrases]) for text in values)
        text, found = next((one for one in marked if one[1]), (values[0] if values else "", []))
        return _excerpt(text, found, before, behind, escape) if values else None

    return excerpt


def _marker(name: str, scheme: AnalysisScheme, query: Query | None) -> Callable[[str], list[Token]]:
    """Finds the words of the query in a text. Those of a phrase are marked one by one."""
    terms: set[str] = set()
    prefixes: list[str] = []
    for kind, text in words_of(query, name) if query else ():
        if kind == "prefix":
            prefixes.append(text.lower())
        else:
            terms.update(token.term for token in analyze(text, scheme))

    def marked(text: str) -> list[Token]:
        return [
            token
            for token in analyze(text, scheme)
            if token.term in terms or token.term.startswith(tuple(prefixes))
        ]

    return marked


def _beginning(text: str) -> str:
    return text.encode()[:MAX_BYTES].decode(errors="ignore")


def _encoded(text: str) -> str:
    """Everything but letters, digits and spaces as an entity."""
    return "".join(char if char.isalnum() or char == " " else _entity(char) for char in text)


def _entity(char: str) -> str:
    escaped = html.escape(char)
    return escaped if escaped != char else f"&#{ord(char)};"


def _excerpt(
    text: str,
    found: Sequence[Token],
    before: str,
    behind: str,
    escape: Callable[[str], str],
) -> str:
    start = max(0, found[0].start - _AROUND) if found else 0
    end = (found[-1].end if found else 0) + _AROUND
    made: list[str] = []
    at = start
    for token in found:
        word = escape(text[token.start : token.end])
        made += [escape(text[at : token.start]), before, word, behind]
        at = token.end
    return "".join([*made, escape(text[at:end])])
