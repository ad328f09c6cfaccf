"""The query language as a tree. `homeport.domain.query_parser` makes it; adapters translate it.

Text in the tree is what the user typed, without any engine's syntax: an adapter passes it to
its engine as terms, never through the engine's own query parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.place import Place
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
class Fuzzy:
    """Words that are `text`, which is never stemmed, or nearly so: within `edits`. The word
    itself weighs more than those that resemble it. Needs the capability FUZZY."""

    text: str
    field: str | None = None

    @property
    def edits(self) -> int:
        """How many letters may be missing, too many, others, or exchanged with their neighbour:
        none in words of up to two letters, one in those of up to five, two in longer ones. Those
        of more than 40 are looked for as they are: what an engine does for a word that is nearly
        so grows with the square of its letters."""
        return min(2, len(self.text) // 3) if len(self.text) <= _FUZZY_LETTERS else 0


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


Node: TypeAlias = Words | Prefix | Fuzzy | Phrase | Not | All | Nothing

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
class Near:
    """A point of the geo field is at most so many metres from the place, over the sphere. Needs
    the capability GEO."""

    field: str
    place: Place
    metres: float


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds."""

    filters: tuple[Filter, ...]


Filter: TypeAlias = Term | Range | Near | AnyOf | Words | Fuzzy


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
    """By one declared field (its first value), then by key; records without it come last.

    A geo field is sorted by the distance of its nearest point from `place`, in metres, never
    descending; that needs the capability GEO.
    """

    role: FieldRole
    field: str
    descending: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """Counts of a field's values among all matches, the most frequent first, then by value."""

    role: FieldRole
    field: str
    size: int = 10


@dataclass(frozen=True, slots=True)
class RangeFacet:
    """How many of the matches have a value within each range of a number or date field. The
    ranges are of this field and role; they may overlap. Counts come in their order, with zeros,
    each for the place of its range: `FacetCount(0, ...)` is of the first."""

    role: FieldRole
    field: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Extent:
    """The least and the greatest value of a declared number or date field among all matches:
    two `FacetCount`s whose count is 0, or none where there is no value."""

    role: FieldRole
    field: str


Counted: TypeAlias = Facet | RangeFacet | Extent


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
    facets: tuple[Counted, ...] = ()
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


_FUZZY_LETTERS: Final = 40
