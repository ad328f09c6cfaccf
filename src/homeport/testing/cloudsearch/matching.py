"""Whether a document matches a query, and how well.

A query is bound once to the fields of the domain, which finds every mistake in it even where
the domain is empty, and gives a function from a document to its score, or to None where it does
not match. Scores are those of a small TF-IDF: rarer words, more of them, in shorter fields.
They order hits plausibly; nobody should expect CloudSearch's own numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from homeport.testing.cloudsearch.analysis import AnalysisScheme, analyze, normalize
from homeport.testing.cloudsearch.comparing import (
    in_bounds,
    in_box,
    in_order,
    spread,
    value_of,
    within_edits,
)
from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import SearchRefused
from homeport.testing.cloudsearch.query import (
    And,
    Bounds,
    Fuzzy,
    MatchAll,
    Near,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Range,
    Term,
    Words,
)
from homeport.testing.cloudsearch.schema import Field, Schema
from homeport.testing.cloudsearch.values import Value, from_text

Matcher = Callable[[Document], float | None]
"""A document's score, or None where it does not match."""

_FLAT: Final = 1.0
"""The score of a match without words: a literal, a number, a range, everything."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Where and how words without a field are looked for."""

    fields: Mapping[str, float]
    """Name -> weight."""
    operator: str = "and"


class Binder:
    """Binds queries to a domain as it is at one moment."""

    def __init__(self, schema: Schema, documents: Sequence[Document], defaults: Defaults) -> None:
        self._schema = schema
        self._documents = documents
        self._defaults = defaults
        self._rarity: dict[tuple[str, str], float] = {}

    def bind(self, query: Query) -> Matcher | None:
        """A function that scores. None: only stop words, which ask for nothing.

        `SearchRefused` says which field or value does not fit.
        """
        match query:
            case MatchAll():
                return lambda _: query.boost
            case And() | Or():
                bound = [one for part in query.operands if (one := self.bind(part))]
                return _joined(bound, query) if bound else None
            case Not():
                operand = self.bind(query.operand)
                return operand and (lambda document: _opposite(operand(document)))
            case Range():
                return _boosted(self._range(query.field, query.bounds), query.boost)
            case _:
                return _boosted(self._in_fields(query), query.boost)

    def _in_fields(self, query: Words) -> Matcher | None:
        """The best of the fields that are searched."""
        fields = self._defaults.fields if query.field is None else {query.field: 1.0}
        found = ((self._in_field(query, name), weight) for name, weight in fields.items())
        bound = [(matcher, weight) for matcher, weight in found if matcher]
        if not bound:
            return None if fields else (lambda _: None)

        def best(document: Document) -> float | None:
            scores = (
                score * weight
                for matcher, weight in bound
                if (score := matcher(document)) is not None
            )
            return max(scores, default=None)

        return best

    def _in_field(self, query: Words, name: str) -> Matcher | None:
        field = self.searchable(name)
        if field.base != "text":
            return self._whole(query, name, field)
        scheme = self._schema.scheme_of(field)
        if isinstance(query, Prefix):
            start = query.text.lower()
            return self._words(name, scheme, lambda term: term.startswith(start))
        if isinstance(query, Fuzzy):
            wanted = normalize(query.text)
            return self._words(name, scheme, lambda term: within_edits(term, wanted, query.edits))
        if isinstance(query, Term):
            if not query.value.quoted:
                raise SearchRefused(f"Text in quotes is searched in {name}, no number")
            return self._text(name, scheme, query.value.text)
        slack = query.distance if isinstance(query, Near) else None
        return self._phrase(name, scheme, query.text, slack)

    def searchable(self, name: str) -> Field:
        """The field of that name, if one may search it."""
        field = self._schema.resolve(name)
        if field is None:
            raise SearchRefused(f"Syntax error in query: field ({name}) does not exist.")
        if not field.search:
            raise SearchRefused(f"Field ({name}) is not search enabled.")
        return field

    def _whole(self, query: Words, name: str, field: Field) -> Matcher:
        """Matches of whole values: in fields of every type but text."""
        literal = field.base == "literal"
        match query:
            case Prefix() if literal:
                return _where(name, lambda value: str(value).startswith(query.text))
            case Fuzzy() if literal:
                return _where(name, lambda value: within_edits(str(value), query.text, query.edits))
            case Term() if query.field is not None:
                wanted = value_of(query.value, name, field)
                return _where(name, lambda value: value == wanted)
            case Term():
                return self._by_default(query.value.text, name, field)
            case Phrase() | Near() if query.field is None:
                return self._by_default(query.text, name, field)
            case _ if query.field is None:
                return lambda _: None
        operator = type(query).__name__.lower()
        raise SearchRefused(f"{operator} does not search {name}, which is {field.type}")

    def _by_default(self, text: str, name: str, field: Field) -> Matcher:
        """A word in a field that only `q.options` names: no match where it is no value of it."""
        try:
            wanted = from_text(field.base, text)
        except ValueError:
            return lambda _: None
        return _where(name, lambda value: value == wanted)

    def _range(self, name: str, bounds: Bounds) -> Matcher:
        field = self.searchable(name)
        if field.base == "latlon":
            return _where(name, in_box(bounds, name, field))
        inside = in_bounds(bounds, name, field)
        if field.base != "text":
            return _where(name, inside)
        scheme = self._schema.scheme_of(field)
        return self._words(name, scheme, inside)

    def _words(self, name: str, scheme: AnalysisScheme, fits: Callable[[str], bool]) -> Matcher:
        """Any indexed word that fits, as it stands in the index: stemmed."""
        return lambda document: (
            _FLAT if any(fits(term) for term in document.words(name, scheme)) else None
        )

    def _text(self, name: str, scheme: AnalysisScheme, text: str) -> Matcher | None:
        """All words of a text (or any of them) somewhere in one field."""
        terms = list(dict.fromkeys(token.term for token in analyze(text, scheme)))
        if not terms:
            return None
        needed = 1 if self._defaults.operator == "or" else len(terms)

        def score(document: Document) -> float | None:
            words = document.words(name, scheme)
            found = [term for term in terms if term in words]
            if len(found) < needed:
                return None
            return sum(self._weight(name, scheme, term, words) for term in found)

        return score

    def _phrase(
        self, name: str, scheme: AnalysisScheme, text: str, slack: int | None
    ) -> Matcher | None:
        """The words of a text one after the other, or within `slack` words of another."""
        tokens = list(analyze(text, scheme))
        if not tokens:
            return None

        def score(document: Document) -> float | None:
            words = document.words(name, scheme)
            places = [words.get(token.term, ()) for token in tokens]
            if not all(places):
                return None
            if slack is None:
                if not in_order(tokens, places):
                    return None
            elif spread(places) > slack + len(tokens) - 1:
                return None
            return sum(self._weight(name, scheme, token.term, words) for token in tokens)

        return score

    def _weight(
        self, name: str, scheme: AnalysisScheme, term: str, words: Mapping[str, Sequence[int]]
    ) -> float:
        if (name, term) not in self._rarity:
            holding = sum(term in one.words(name, scheme) for one in self._documents)
            rarity = 1 + math.log((1 + len(self._documents)) / (1 + holding))
            self._rarity[name, term] = rarity
        length = sum(map(len, words.values()))
        return math.sqrt(len(words[term])) * self._rarity[name, term] / math.sqrt(length)


def words_of(query: Query, name: str) -> Iterator[tuple[str, str]]:
    """What of a query can be highlighted in a field: (`term` or `prefix`, text)."""
    match query:
        case And() | Or():
            for operand in query.operands:
                yield from words_of(operand, name)
        case Term() if query.value.quoted and query.field in {None, name}:
            yield "term", query.value.text
        case Phrase() | Near() if query.field in {None, name}:
            yield "term", query.text
        case Prefix() if query.field in {None, name}:
            yield "prefix", query.text
        case _:
            return


def _where(name: str, fits: Callable[[Value], bool]) -> Matcher:
    """At least one value of a field fits."""
    return lambda document: _FLAT if any(map(fits, document.get(name))) else None


def _joined(bound: Sequence[Matcher], query: And | Or) -> Matcher:
    every = isinstance(query, And)

    def score(document: Document) -> float | None:
        scores = [one(document) for one in bound]
        found = [one for one in scores if one is not None]
        if not found or (every and len(found) < len(scores)):
            return None
        return sum(found) * query.boost

    return score


def _opposite(score: float | None) -> float | None:
    return 0.0 if score is None else None


def _boosted(matcher: Matcher | None, boost: float) -> Matcher | None:
    if matcher is None or boost == 1:
        return matcher

    def score(document: Document) -> float | None:
        found = matcher(document)
        return None if found is None else found * boost

    return score
