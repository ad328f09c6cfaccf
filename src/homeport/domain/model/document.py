"""What a search index holds about a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from homeport.domain.model.record import Key


@dataclass(frozen=True, slots=True)
class Document:
    """A record as the index sees it: its fields grouped by role, each with all its values.

    Two records that disagree about the type of a field are both indexed, since a field is
    named by role and path (`text.title`, `number.title`). A path is dotted; an array gives
    several values. Dates are microseconds since 1970, UTC; geo is (latitude, longitude).
    `version` orders the writes of one key: an older one than the index has seen is ignored.
    """

    key: Key
    version: int
    author: str
    text: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keyword: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    number: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    date: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    geo: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removal:
    """The record is gone as of `version`; an older document must not bring it back."""

    key: Key
    version: int


IndexChange: TypeAlias = Document | Removal


@dataclass(frozen=True, slots=True)
class Rejection:
    """The index would not take this change: it goes to the dead letters with the cause."""

    key: Key
    cause: str


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What `index verify` compares with the store."""

    key: Key
    version: int


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What an index says of itself, removals not counted.

    `size` is in bytes, None where the engine does not tell. `schema` names what documents are
    laid out by, and which of the engine's indexes answers where there can be several: it is
    another after a rebuild for other fields. `rebuilding` is true from the beginning of a
    rebuild to its end, whether or not a process is at it.
    """

    documents: int
    size: int | None
    schema: str
    rebuilding: bool


def as_keyword(value: str | float | bool) -> str:
    """A JSON scalar as the text that a keyword field holds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
