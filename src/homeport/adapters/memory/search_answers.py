"""Answers a query from documents in memory.

The score is BM25's idea in its simplest form: rarer words and more of them count more, longer
texts less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from homeport.adapters.memory.search_documents import Documents, Entry, Value, tokens
from homeport.domain.highlighting import Phrases, fragments
from homeport.domain.model.query import (
    After,
    All,
    AnyOf,
    Counted,
    Extent,
    FacetCount,
    Filter,
    Fuzzy,
    Hit,
    Near,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    RangeFacet,
    SearchPage,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.spelling import resembles
from homeport.domain.words import as_found, word_spans

Leaf: TypeAlias = "Words | Phrase | Prefix | Fuzzy"


class Search:
    """One query against one generation."""

    def __init__(self, documents: Documents, query: SearchQuery) -> None:
        self._documents = documents
        self._query = query
        self._known: dict[Leaf, list[list[str]]] = {}

    def page(self) -> SearchPage:
        query = self._query
        entries = self._documents.entries_by_key
        keys = [
            key
            for key in self._match(query.match)
            if any(scope.covers(key) for scope in query.scopes)
            and all(self._holds(one, entries[key]) for one in query.filters)
        ]
        found = [entries[key] for key in sorted(keys)]
        scores = dict.fromkeys(keys, 0.0)
        if query.sort is None:
            scores = {key: self._score(query.match, entries[key]) for key in keys}
            ordered = sorted(found, key=lambda one: -scores[one.document.key])
            ordered = ordered[query.offset :]
        else:
            ordered = _sorted(found, query.sort)
            if query.after is not None:
                ordered = _beyond(ordered, query.sort, query.after)
        return SearchPage(
            hits=tuple(
                Hit(
                    one.document.key,
                    one.document.version,
                    scores[one.document.key],
                    None if query.sort is None else _sort_value(one, query.sort),
                    self._highlights(one),
                )
                for one in ordered[: query.limit]
            ),
            total=len(found),
            facets=tuple(_counts(one, found) for one in query.facets),
        )

    def _match(self, node: Node) -> set[Key]:
        match node:
            case Nothing():
                return set()
            case Not(inner):
                return set(self._documents.entries_by_key) - self._match(inner)
            case All(nodes):
                found = set(self._documents.entries_by_key)
                for one in nodes:
                    found &= self._match(one)
                return found
            case Words() | Phrase() | Prefix() | Fuzzy():
                return self._with_words(node)

    def _with_words(self, node: Leaf) -> set[Key]:
        entries, keys_of = self._documents.entries_by_key, self._documents.keys_of
        found: set[Key] = set()
        for phrase in self._phrases(node):
            keys = set.intersection(*(keys_of.get(word, set()) for word in phrase))
            found |= {key for key in keys if entries[key].count(phrase, node.field)}
        return found

    def _phrases(self, node: Leaf) -> list[list[str]]:
        """What has to stand somewhere for the node to match: any one of these. All words there are
        are looked at for a beginning, or what is nearly so: once, and not for each hit."""
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self._found_phrases(node)
        return known

    def _found_phrases(self, node: Leaf) -> list[list[str]]:
        if isinstance(node, Prefix | Fuzzy):
            asked = tokens(node.text)
            if len(asked) != 1:
                return []
            return [[word] for word in self._documents.keys_of if _like(word, asked[0], node)]
        text = node.text if isinstance(node, Words) else " ".join(node.words)
        phrase = tokens(text)
        return [phrase] if phrase else []

    def _score(self, node: Node, entry: Entry) -> float:
        if isinstance(node, All):
            return sum(self._score(one, entry) for one in node.nodes) if node.nodes else 1.0
        if isinstance(node, Not | Nothing):
            return 0.0
        often = sum(entry.count(phrase, node.field) for phrase in self._phrases(node))
        score = often / (often + 1 + entry.length() / 100) if often else 0.0
        exact = isinstance(node, Fuzzy) and entry.count(tokens(node.text) or [""], node.field)
        return score + 1 if exact else score

    def _highlights(self, entry: Entry) -> tuple[tuple[str, tuple[str, ...]], ...]:
        found = []
        for path in self._query.highlight:
            phrases = Phrases(
                phrase
                for leaf in _positive(self._query.match)
                if leaf.field in (None, path)
                for phrase in self._phrases(leaf)
            )
            shown = tuple(
                fragment
                for text in entry.document.text.get(path, ())
                for fragment in fragments(text, _spans(text, phrases))
            )
            if shown:
                found.append((path, shown))
        return tuple(found)

    def _holds(self, one: Filter, entry: Entry) -> bool:
        match one:
            case AnyOf(filters):
                return any(self._holds(inner, entry) for inner in filters)
            case Words() | Fuzzy():
                return any(entry.count(phrase, one.field) for phrase in self._phrases(one))
            case Term(role, path, value):
                return value in entry.values(role, path)
            case Range():
                return _has_within(entry, one)
            case Near(path, place, most):
                metres = entry.metres_from(place, path)
                return metres is not None and metres <= most


def _like(word: str, asked: str, node: Prefix | Fuzzy) -> bool:
    if isinstance(node, Prefix):
        return word.startswith(asked)
    return resembles(word, asked, node.edits)


def _positive(node: Node) -> Iterable[Leaf]:
    """The leaves that must match."""
    if isinstance(node, All):
        for one in node.nodes:
            yield from _positive(one)
    elif isinstance(node, Words | Phrase | Prefix | Fuzzy):
        yield node


def _spans(text: str, phrases: Phrases) -> list[tuple[int, int]]:
    spans = list(word_spans(text))
    words = [as_found(text[start:end]) for start, end in spans]
    return [spans[place] for place in phrases.places(words)]


def _has_within(entry: Entry, bounds: Range) -> bool:
    return any(_within(value, bounds) for value in entry.values(bounds.role, bounds.field))


def _within(value: Value, bounds: Range) -> bool:
    low, high = bounds.low, bounds.high
    if isinstance(value, str):
        return False
    above = low is None or (value >= low if bounds.include_low else value > low)
    below = high is None or (value <= high if bounds.include_high else value < high)
    return above and below


def _sort_value(entry: Entry, sort: Sort) -> Value | None:
    if sort.place is not None:
        return entry.metres_from(sort.place, sort.field)
    values = entry.values(sort.role, sort.field)
    return values[0] if values else None


def _sorted(entries: list[Entry], sort: Sort) -> list[Entry]:
    """By value, ties in the order they come in (that of keys), those without one last."""
    present = [one for one in entries if _sort_value(one, sort) is not None]
    absent = [one for one in entries if _sort_value(one, sort) is None]

    def value_of(entry: Entry) -> Any:
        return _sort_value(entry, sort)

    return sorted(present, key=value_of, reverse=sort.descending) + absent


def _beyond(entries: list[Entry], sort: Sort, after: After) -> list[Entry]:
    def comes_later(entry: Entry) -> bool:
        value: Any = _sort_value(entry, sort)
        if value == after.value:
            return entry.document.key > after.key
        if value is None or after.value is None:
            return value is None
        return bool(value < after.value if sort.descending else value > after.value)

    return [one for one in entries if comes_later(one)]


def _counts(facet: Counted, entries: Sequence[Entry]) -> tuple[FacetCount, ...]:
    if isinstance(facet, RangeFacet):
        return tuple(
            FacetCount(place, sum(_has_within(one, bounds) for one in entries))
            for place, bounds in enumerate(facet.ranges)
        )
    if isinstance(facet, Extent):
        found: list[Any] = [v for one in entries for v in one.values(facet.role, facet.field)]
        return (FacetCount(min(found), 0), FacetCount(max(found), 0)) if found else ()
    counts = Counter(value for one in entries for value in one.values(facet.role, facet.field))
    best: list[tuple[Any, int]] = sorted(counts.items(), key=lambda one: one[0])
    best.sort(key=lambda one: -one[1])
    return tuple(FacetCount(value, count) for value, count in best[: facet.size])
