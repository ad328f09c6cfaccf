"""A query as a tree, whichever parser made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_CLAUSES: Final = 1024
"""Nodes of one query: Lucene's limit, on which CloudSearch stands."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a query: in quotes, as strings and dates must be, or bare, as numbers are."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range; a bound that is None is open."""

    low: Literal | None
    high: Literal | None
    with_low: bool
    with_high: bool


@dataclass(frozen=True, slots=True)
class MatchAll:
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Query, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Query, ...]
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Not:
    operand: Query
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Term:
    """A value. Without a field, its words are looked for where plain words are."""

    value: Literal
    field: str | None = None
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Phrase:
    text: str
    field: str | None = None
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Near:
    text: str
    distance: int
    field: str | None = None
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Prefix:
    text: str
    field: str | None = None
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """Words at most so many edits away. Only the simple parser has it."""

    text: str
    edits: int
    field: str | None = None
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Range:
    bounds: Bounds
    field: str
    boost: float = 1.0


Words = Term | Phrase | Near | Prefix | Fuzzy
"""What is looked for in a field, or in several."""

Query = MatchAll | And | Or | Not | Words | Range
