"""From the domain's query tree to tantivy's queries.

Only terms are handed over, never text for tantivy's parser; its range syntax, the one way to a
range of terms, gets digests, hexadecimal digits and keys, whose alphabet is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import tantivy
from tantivy import Occur, Query

from homeport.adapters.embedded.search_schema import (
    LIVE,
    SearchSchema,
    all_values,
    boosted,
    field_name,
    first_value,
    in_json,
    key_text,
    ordered_term,
    partitioned_term,
    scope_term,
    sortable,
)
from homeport.adapters.embedded.search_words import as_indexed
from homeport.domain.model import names
from homeport.domain.model.collection import FieldRole
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
    Words,
)
from homeport.domain.model.record import Key

Clause: TypeAlias = tuple[Occur, Query]
Leaf: TypeAlias = "Words | Phrase | Prefix | Fuzzy"


class QueryTranslator:
    def __init__(self, schema: SearchSchema, index: tantivy.Index) -> None:
        self._schema = schema
        self._index = index

    def matching(self, query: SearchQuery, circles: Mapping[Near, Query]) -> Query:
        """Everything that the query is about: what it matches within scopes and filters.
        `circles` are what each of its Near finds."""
        partition = _partition(query.scopes)
        clauses = []
        if partition is None or not self._is_within(query.match):
            # First: measured with one word in a rebuilt index of a million, a fifth sooner than
            # last; where spaces lie by turns, the same.
            clauses.append((Occur.Must, _unscored(self._within(query.scopes))))
        clauses += self._clauses(query.match, partition)
        clauses += [(Occur.Must, _unscored(self._filter(one, circles))) for one in query.filters]
        return Query.boolean_query(clauses)

    def expired(self, now: int) -> Query:
        """Markers of removals that have outlived their time."""
        return Query.range_query(
            self._schema.fields, "expires", tantivy.FieldType.Integer, None, now
        )

    def live(self) -> Query:
        """All documents."""
        return Query.boolean_query([(Occur.Must, self._term("scope", LIVE))])

    def between(self, query: Query, after: Key | None, through: Key | None) -> Query:
        """The part of `query` that lies beyond a key, and goes no further than another."""
        if after is None and through is None:
            return query
        return _every(query, _unscored(self._keys(after, through)))

    def within(self, query: Query, bounds: Range) -> Query:
        """The part of `query` that has a value in a range."""
        return _every(query, _unscored(self._filter(bounds, _NONE)))

    def both(self, one: Query, other: Query) -> Query:
        return Query.boolean_query([(Occur.Must, one), (Occur.Must, other)])

    def having(self, query: Query, column: str) -> Query:
        return _every(query, _unscored(Query.exists_query(column)))

    def without(self, query: Query, column: str) -> Query:
        return Query.boolean_query(
            [(Occur.Must, query), (Occur.MustNot, Query.exists_query(column))]
        )

    def number(self, column: str, value: int) -> Query:
        return Query.term_query(self._schema.fields, column, value, index_option="basic")

    def keys(self, keys: Sequence[str]) -> Query:
        return Query.term_set_query(self._schema.fields, "key", keys)

    def beyond(self, query: Query, sort: Sort, after: After) -> Query:
        """The part of `query` that comes after a place in the order of `sort`."""
        if after.value is None:
            bare = self.without(query, first_value(sort.role, sort.field))
            return self.between(bare, after.key, None)
        here = self._with_first_value(sort, after.value)
        return Query.boolean_query(
            [
                (Occur.Must, query),
                (Occur.MustNot, self._ahead_of(sort, after.value)),
                (Occur.MustNot, _every(here, self._keys(None, after.key))),
            ]
        )

    def tied(self, query: Query, sort: Sort, value: str | float | int | None) -> Query:
        """The part of `query` that sorts by this very value, or has none."""
        if value is None:
            return self.without(query, first_value(sort.role, sort.field))
        return _every(query, self._with_first_value(sort, value))

    def _leaf(self, node: Leaf, partition: str | None) -> Query:
        """A word, words side by side, the beginning of a word, or what resembles one. Of what lies
        outside of the `partition` it may match some, and none."""
        if isinstance(node, Prefix):
            return self._prefix(node)
        if isinstance(node, Fuzzy):
            return self._fuzzy(node)
        tokens = self.tokens(node)
        query = self._standing(node, tokens, partition)
        for path, boost in self._schema.boosts.items():
            if tokens and node.field in (None, path):
                more = Query.boost_query(self._standing(node, tokens, partition, path), boost - 1)
                query = Query.boolean_query([(Occur.Must, query), (Occur.Should, more)])
        return query

    def _standing(
        self,
        node: Words | Phrase,
        tokens: list[str],
        partition: str | None,
        heavy: str | None = None,
    ) -> Query:
        """What has these in a text, or in that of a field which weighs more."""
        if partition is not None and _is_word(node, tokens):
            term = partitioned_term(partition, tokens[0], heavy)
            return Query.term_query(self._schema.fields, "partitioned", term)
        name = _at("text", node.field) if heavy is None else boosted(heavy)
        return self._side_by_side(name, tokens)

    def _is_within(self, match: Node) -> bool:
        """Whether `_leaf` leaves nothing of it outside of a partition."""
        nodes = match.nodes if isinstance(match, All) else (match,)
        return any(
            isinstance(one, Words | Phrase) and _is_word(one, self.tokens(one)) for one in nodes
        )

    def tokens(self, node: Leaf) -> list[str]:
        """What has to stand side by side in a text, as the index has cut it."""
        if isinstance(node, Prefix | Fuzzy):
            return self._schema.plain_words.analyze(as_indexed(node.text))
        text = node.text if isinstance(node, Words) else " ".join(node.words)
        return self._schema.words.analyze(as_indexed(text))

    def _clauses(self, node: Node, partition: str | None) -> Iterator[Clause]:
        """The clauses that a node adds to a boolean query."""
        if not isinstance(node, All):
            node = All((node,))
        excluding_only = True
        for one in node.nodes:
            if isinstance(one, Not):
                yield Occur.MustNot, self._node(one.node, partition)
            else:
                excluding_only = False
                yield Occur.Must, self._node(one, partition)
        if excluding_only:
            yield Occur.Must, Query.all_query()

    def _node(self, node: Node, partition: str | None) -> Query:
        if isinstance(node, Words | Phrase | Prefix | Fuzzy):
            return self._leaf(node, partition)
        if isinstance(node, Nothing):
            return Query.empty_query()
        return Query.boolean_query(list(self._clauses(node, partition)))

    def _prefix(self, node: Prefix) -> Query:
        tokens = self.tokens(node)
        if len(tokens) != 1:
            return Query.empty_query()
        return Query.fuzzy_term_query(
            self._schema.fields, _at("plain", node.field), tokens[0], distance=0, prefix=True
        )

    def _fuzzy(self, node: Fuzzy) -> Query:
        tokens = self.tokens(node)
        if len(tokens) != 1:
            return Query.empty_query()
        name = _at("plain", node.field)
        nearly = Query.fuzzy_term_query(self._schema.fields, name, tokens[0], distance=node.edits)
        itself = self._term(name, tokens[0])
        return Query.boolean_query([(Occur.Must, nearly), (Occur.Should, itself)])

    def _side_by_side(self, name: str, tokens: list[str]) -> Query:
        if not tokens:
            return Query.empty_query()
        if len(tokens) == 1:
            return Query.term_query(self._schema.fields, name, tokens[0])
        return Query.phrase_query(self._schema.fields, name, list(tokens))

    def _within(self, scopes: Sequence[Scope]) -> Query:
        if not scopes:
            return Query.empty_query()
        return _any([self._scope(one) for one in scopes])

    def _scope(self, scope: Scope) -> Query:
        query = self._term("scope", scope_term(scope))
        if not scope.besides:
            return query
        besides = [(Occur.MustNot, self._term("scope", f",{one}")) for one in scope.besides]
        return Query.boolean_query([(Occur.Must, query), *besides])

    def _filter(self, one: Filter, circles: Mapping[Near, Query]) -> Query:
        if isinstance(one, AnyOf):
            return _any([self._filter(inner, circles) for inner in one.filters])
        if isinstance(one, Words):
            return self._side_by_side(_at("text", one.field), self.tokens(one))
        if isinstance(one, Fuzzy):
            return self._fuzzy(one)
        if isinstance(one, Near):
            return circles[one]
        has_column = (one.role, one.field) in self._schema.columns
        name = all_values(one.role, one.field)
        if isinstance(one, Range):
            return self._range(name, one) if has_column else self._term_range(one)
        if isinstance(one.value, str):
            if has_column:
                return self._term(name, one.value)
            return self._term(f"keyword.{field_name(one.field)}", in_json(one.value))
        if has_column:
            return self._range(name, Range(one.role, one.field, one.value, one.value))
        return self._term("terms", ordered_term(one.role, one.field, one.value))

    def _range(self, name: str, bounds: Range) -> Query:
        if bounds.low is None and bounds.high is None:
            return Query.exists_query(name)
        number = bounds.role is FieldRole.NUMBER
        low, high = (
            None if bound is None else float(bound) + 0.0 if number else int(bound)
            for bound in (bounds.low, bounds.high)
        )
        return Query.range_query(
            self._schema.fields,
            name,
            tantivy.FieldType.Float if number else tantivy.FieldType.Integer,
            low,
            high,
            bounds.include_low or low is None,
            bounds.include_high or high is None,
        )

    def _term_range(self, bounds: Range) -> Query:
        role, path = bounds.role, bounds.field
        low, high = (
            farthest if bound is None else ordered_term(role, path, bound)
            for bound, farthest in (
                (bounds.low, f"{role.value[0]}{field_name(path)}"),
                (bounds.high, f"{role.value[0]}{field_name(path)}g"),
            )
        )
        before = "[" if bounds.include_low else "{"
        behind = "]" if bounds.include_high else "}"
        return self._index.parse_query(f"terms:{before}{low} TO {high}{behind}")

    def _ahead_of(self, sort: Sort, value: str | float | int) -> Query:
        name = first_value(sort.role, sort.field)
        if isinstance(value, str):
            place = sortable(value)
            bounds = f"{{{place} TO *}}" if sort.descending else f"{{* TO {place}}}"
            return self._index.parse_query(f"{name}:{bounds}")
        if sort.descending:
            return self._range(name, Range(sort.role, sort.field, low=value, include_low=False))
        return self._range(name, Range(sort.role, sort.field, high=value, include_high=False))

    def _with_first_value(self, sort: Sort, value: str | float | int) -> Query:
        name = first_value(sort.role, sort.field)
        if isinstance(value, str):
            return self._term(name, sortable(value))
        return self._range(name, Range(sort.role, sort.field, value, value))

    def _keys(self, after: Key | None, through: Key | None) -> Query:
        low = "*" if after is None else _checked(after)
        high = "*}" if through is None else f"{_checked(through)}]"
        return self._index.parse_query(f"key:{{{low} TO {high}")

    def _term(self, name: str, value: str) -> Query:
        return Query.term_query(self._schema.fields, name, value, index_option="basic")


def circles_of(filters: Iterable[Filter]) -> set[Near]:
    """Every Near, also of those of which one must hold."""
    found: set[Near] = set()
    for one in filters:
        if isinstance(one, Near):
            found.add(one)
        elif isinstance(one, AnyOf):
            found |= circles_of(one.filters)
    return found


def _at(name: str, path: str | None) -> str:
    return name if path is None else f"{name}_at.{field_name(path)}"


def _partition(scopes: Sequence[Scope]) -> str | None:
    """The one that all of a search is within, if there is one."""
    if len(scopes) != 1 or None in (scopes[0].space, scopes[0].collection) or scopes[0].besides:
        return None
    return scope_term(scopes[0])


def _is_word(node: Words | Phrase, tokens: Sequence[str]) -> bool:
    """Whether it is a single word that may stand in any field."""
    return node.field is None and len(tokens) == 1


def _unscored(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)


def _every(*queries: Query) -> Query:
    return Query.boolean_query([(Occur.Must, one) for one in queries])


def _any(queries: Sequence[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Should, one) for one in queries])


def _checked(key: Key) -> str:
    names.check_id("space", key.space)
    names.check_collection(key.collection)
    names.check_id("id", key.id)
    return key_text(key)


_NONE: Final[Mapping[Near, Query]] = MappingProxyType({})
