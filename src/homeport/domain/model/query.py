"""The query language as a tree. `homeport.domain.query_parser` makes it; adapters translate it.

Text in the tree is what the user typed, without any engine's syntax: an adapter passes it to
its engine as terms, never through the engine's own query parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.record import Key

# What must match in the text fields. `field` narrows a node to one path; None means all.


@dataclass(frozen=True, slots=True)
class Words:
    """One word, as the engine's language analysis sees it (`running` finds `run`)."""

    text: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """Words that begin with `text`, which is never stemmed."""

    text: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """These words in this order, side by side."""

    words: tuple[str, ...]
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True)
class All:
    """Every one of `nodes`; without any, everything. Those under Not exclude."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Matches no record: a query in which no word was left."""


Node: TypeAlias = Words | Prefix | Phrase | Not | All | Nothing

# What must hold besides; filters never change a score.


@dataclass(frozen=True, slots=True)
class Term:
    """The field has this very value: a keyword exactly, a number or a date by value."""

    role: FieldRole
    field: str
    value: str | float | int


@dataclass(frozen=True, slots=True)
class Range:
    """A number (float) or date (microseconds since 1970) between the bounds; None is open."""

    role: FieldRole
    field: str
    low: float | int | None = None
    high: float | int | None = None
    include_low: bool = True
    include_high: bool = True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds."""

    filters: tuple[Filter, ...]


Filter: TypeAlias = Term | Range | AnyOf | Words


@dataclass(frozen=True, slots=True)
class Scope:
    """Records that the caller may read. None in `space` or `collection` means every one.

    `besides` are collections that this scope leaves out.
    """

    space: str | None
    collection: str | None = None
    besides: frozenset[str] = frozenset()

    def covers(self, key: Key) -> bool:
        return (
            self.space in (None, key.space)
            and self.collection in (None, key.collection)
            and key.collection not in self.besides
        )


@dataclass(frozen=True, slots=True)
class Sort:
    """By one declared field (its first value), then by key; records without it come last."""

    role: FieldRole
    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    """Counts of a field's values among all matches, the most frequent first, then by value."""

    role: FieldRole
    field: str
    size: int = 10


@dataclass(frozen=True, slots=True)
class After:
    """Where a sorted page ended: the last record's sort value (None: it had none) and key."""

    value: str | float | int | None
    key: Key


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search as the index gets it.

    `scopes` is the access filter and belongs to every part of the answer: hits, total, facets,
    highlights. Without a scope nothing is found. Without `sort` hits come by descending score,
    those of one score in an order that stays while the index does (where no word is asked for,
    that of keys), and pages by `offset`; with it pages go on `after` a place.
    """

    match: Node
    scopes: tuple[Scope, ...]
    filters: tuple[Filter, ...] = ()
    facets: tuple[Facet, ...] = ()
    highlight: tuple[str, ...] = ()
    sort: Sort | None = None
    limit: int = 20
    offset: int = 0
    after: After | None = None


Highlights: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Fragments by field."""


class Hit(NamedTuple):
    """`score` is the engine's own, comparable within one answer; 0 where sorted by a field.

    `sort_value` is what `After` wants. `highlights` maps a declared text field to fragments in
    which `<em>` marks the matches and everything else is HTML-escaped.
    """

    key: Key
    version: int
    score: float
    sort_value: str | float | int | None = None
    highlights: Highlights = ()


@dataclass(frozen=True, slots=True)
class FacetCount:
    value: str | float | int
    count: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """`total` counts all matches within the scopes; `facets` stand in the query's order."""

    hits: tuple[Hit, ...]
    total: int
    facets: tuple[tuple[FacetCount, ...], ...] = ()
