"""From the domain's query tree to OpenSearch's query language.

What a user typed is handed over as the text of `match_phrase`, which only cuts it into words, as
a term, or as a prefix without anything but letters, digits and their marks: never to
`query_string` or `simple_query_string`, nor into a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from homeport.adapters.opensearch import layout as fields
from homeport.adapters.opensearch.documents import FARTHEST, key_text
from homeport.adapters.opensearch.layout import Layout
from homeport.domain.errors import Invalid
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.place import Place
from homeport.domain.model.query import (
    After,
    All,
    AnyOf,
    Filter,
    Fuzzy,
    Near,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.words import as_found, cut_words

Clause: TypeAlias = dict[str, Any]
Leaf: TypeAlias = "Words | Phrase | Prefix | Fuzzy"

NONE: Final[Clause] = {"match_none": {}}
LIVE: Final[Clause] = {"exists": {"field": fields.SPACE}}
"""Whatever is no removal's marker and not the index's own."""
BY_KEY: Final[Clause] = {fields.KEY: "asc"}


class QueryTranslator:
    def __init__(self, layout: Layout) -> None:
        self._boosts = layout.boosts
        self._columns = layout.columns

    def matching(self, query: SearchQuery) -> Clause:
        """What the query is about: what it matches, within its scopes and filters."""
        boosts = self._boosts
        if boosts and sum(1 for _ in leaves(query.match)) * (1 + len(boosts)) > _CLAUSES:
            boosts = {}
        found = _Boolean(boosts)
        found.add(query.match)
        within = [_within(query.scopes), *map(_filter, query.filters)]
        return found.clause(within)

    def order(self, query: SearchQuery) -> list[Clause]:
        """Without a word to score by, everything is alike, and comes by key.

        Raises Invalid for a sort by a field that is not declared."""
        sort = query.sort
        if sort is None:
            return [{"_score": "desc"}, BY_KEY] if any(leaves(query.match)) else [BY_KEY]
        if sort.place is not None:
            return [_by_distance(sort.field, sort.place), BY_KEY]
        if (sort.role, sort.field) not in self._columns:
            raise Invalid(f"{sort.field} is not declared, so it cannot be sorted by.")
        how = {
            "order": "desc" if sort.descending else "asc",
            "missing": "_last",
            "unmapped_type": fields.TYPES[sort.role],
        }
        return [{fields.first_field(sort.role, sort.field): how}, BY_KEY]


class _Boolean:
    """A boolean query while its clauses are added."""

    def __init__(self, boosts: dict[str, float]) -> None:
        self._boosts = boosts
        self._must: list[Clause] = []
        self._must_not: list[Clause] = []

    def add(self, node: Node) -> None:
        match node:
            case All(nodes):
                for one in nodes:
                    self.add(one)
            case Not(inner):
                unscored = _Boolean({})
                unscored.add(inner)
                self._must_not.append(unscored.clause())
            case Nothing():
                self._must.append(NONE)
            case Words() | Phrase() | Prefix() | Fuzzy():
                self._must.append(self._leaf(node))

    def clause(self, within: Sequence[Clause] = ()) -> Clause:
        parts: Clause = {}
        if self._must:
            parts["must"] = self._must
        if self._must_not:
            parts["must_not"] = self._must_not
        if within:
            parts["filter"] = list(within)
        if len(self._must) == 1 and len(parts) == 1:
            return self._must[0]
        return {"bool": parts} if parts else {"match_all": {}}

    def _leaf(self, node: Leaf) -> Clause:
        clause = leaf(node, node.field)
        if isinstance(node, Prefix | Fuzzy) or not self._boosts:
            return clause
        more = [
            {
                "match_phrase": {
                    fields.text_field(path): {"query": text_of(node), "boost": boost - 1}
                }
            }
            for path, boost in self._boosts.items()
            if node.field in (None, path)
        ]
        return {"bool": {"must": [clause], "should": more}} if more else clause


def leaf(node: Leaf, path: str | None) -> Clause:
    """A word, words side by side, the beginning of a word, or what resembles one, in one text
    field or in all."""
    if isinstance(node, Prefix | Fuzzy):
        start = start_of(node)
        if start is None:
            return NONE
        name = fields.starts_field(path)
        if isinstance(node, Prefix):
            return {"prefix": {name: {"value": start}}}
        # By itself, `fuzzy` looks for the fifty most alike words, and for no other.
        nearly = {"value": start, "fuzziness": node.edits, "rewrite": "constant_score"}
        itself = {"term": {name: {"value": start}}}
        alike = {"constant_score": {"filter": {"fuzzy": {name: nearly}}}}
        return {"bool": {"must": [alike], "should": [itself]}}
    return {"match_phrase": {fields.text_field(path): {"query": text_of(node)}}}


def leaves(node: Node) -> Iterator[Leaf]:
    """The words that must be there."""
    if isinstance(node, All):
        for one in node.nodes:
            yield from leaves(one)
    elif isinstance(node, Words | Phrase | Prefix | Fuzzy):
        yield node


def text_of(node: Words | Phrase) -> str:
    return _text(node.text if isinstance(node, Words) else " ".join(node.words))


def start_of(node: Prefix | Fuzzy) -> str | None:
    """None where it is not one word, or the beginning of one."""
    words = cut_words(node.text)
    return as_found(words[0]) if len(words) == 1 else None


def after(sort: Sort, place: After) -> list[Any]:
    """The place as `search_after` takes it."""
    value: Any = place.value
    if value is None:
        value = _missing(sort)
    elif sort.role in _FLOATS:
        value = float(value) + 0.0  # -0.0 comes before every zero that is kept
    return [value, key_text(place.key)]


def sort_value(sort: Sort, value: Any) -> Any:
    """From what a hit was sorted by; None where it had nothing to sort by."""
    if value == _missing(sort):
        return None
    return float(value) if sort.role in _FLOATS else value


def _missing(sort: Sort) -> Any:
    """What OpenSearch sorts by, and shows, for a hit without a value."""
    if sort.role is FieldRole.KEYWORD:
        return None
    if sort.role in _FLOATS:
        return "-Infinity" if sort.descending else "Infinity"
    return -FARTHEST - 1 if sort.descending else FARTHEST


def _within(scopes: Sequence[Scope]) -> Clause:
    """Scopes that differ in their space alone are one clause: a caller may be in 200 spaces."""
    spaces: dict[tuple[str | None, frozenset[str]], list[str] | None] = {}
    for scope in scopes:
        kind = (scope.collection, scope.besides)
        held = spaces.setdefault(kind, [])
        if scope.space is None or held is None:
            spaces[kind] = None
        else:
            held.append(scope.space)
    found = [_scope(one, collection, besides) for (collection, besides), one in spaces.items()]
    return _any(found)


def _scope(spaces: list[str] | None, collection: str | None, besides: frozenset[str]) -> Clause:
    must: list[Clause] = []
    if spaces is not None:
        must.append({"terms": {fields.SPACE: spaces}})
    if collection is not None:
        must.append({"term": {fields.COLLECTION: collection}})
    if not must:
        must.append(LIVE)
    if besides:
        left_out = [{"terms": {fields.COLLECTION: sorted(besides)}}]
        return {"bool": {"filter": must, "must_not": left_out}}
    return must[0] if len(must) == 1 else {"bool": {"filter": must}}


def _filter(one: Filter) -> Clause:
    match one:
        case AnyOf(filters):
            return _any(list(map(_filter, filters)))
        case Words() | Fuzzy():
            return leaf(one, one.field)
        case Near():
            return _near(one)
        case Term(role, path, value):
            return {"term": {fields.values_field(role, path): {"value": _value(role, value)}}}
        case Range():
            return _range(one)


def _range(bounds: Range) -> Clause:
    name = fields.values_field(bounds.role, bounds.field)
    if bounds.low is None and bounds.high is None:
        return {"exists": {"field": name}}
    asked: dict[str, Any] = {}
    if bounds.low is not None:
        asked["gte" if bounds.include_low else "gt"] = _value(bounds.role, bounds.low)
    if bounds.high is not None:
        asked["lte" if bounds.include_high else "lt"] = _value(bounds.role, bounds.high)
    return {"range": {name: asked}}


def _near(one: Near) -> Clause:
    return {
        "geo_distance": {
            "distance": f"{one.metres!r}m",
            fields.values_field(FieldRole.GEO, one.field): _point(one.place),
            "ignore_unmapped": True,
        }
    }


def _by_distance(path: str, place: Place) -> Clause:
    """Those without a place come last: OpenSearch takes them to be infinitely far away."""
    return {
        "_geo_distance": {
            fields.values_field(FieldRole.GEO, path): _point(place),
            "order": "asc",
            "mode": "min",
            "unit": "m",
            "ignore_unmapped": True,
        }
    }


def _point(place: Place) -> Clause:
    return {"lat": place.latitude, "lon": place.longitude}


def _value(role: FieldRole, value: str | float | int) -> str | float | int:
    if isinstance(value, str):
        return _text(value)
    if role is FieldRole.NUMBER:
        return float(value) + 0.0
    return max(-FARTHEST, min(int(value), FARTHEST))


def _any(clauses: list[Clause]) -> Clause:
    if not clauses:
        return NONE
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}


def _text(text: str) -> str:
    """Half a surrogate pair is no text, and no word either."""
    return text.encode(errors="replace").decode() if _SURROGATE.search(text) else text


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FLOATS: Final = frozenset({FieldRole.NUMBER, FieldRole.GEO})
"""What is sorted by is one: a distance too."""
_CLAUSES: Final = 300
"""A query has at most 1,024; of words without end, where they weigh more does not matter."""
