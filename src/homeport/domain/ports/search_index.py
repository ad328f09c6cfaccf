"""Finds records by their content."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key


class Capability(StrEnum):
    """What not every engine can. A backend that needs one its index lacks does not start."""

    STEMMING = "stemming"
    """`Words` go by the language's stems: running finds run."""
    GEO = "geo"
    FUZZY = "fuzzy"
    VECTOR = "vector"


class Rebuild(Protocol):
    """A new index that is being filled beside the live one, which goes on answering.

    The live index's `apply` reaches both meanwhile, so nothing is missed.
    """

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """As the index's own, but for the new one alone."""
        ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        """As the index's own, of the new one."""
        ...

    def commit(self) -> None:
        """Let the new index take the live one's place, at once for every search."""
        ...

    def abandon(self) -> None:
        """Throw the new index away; nothing happens after `commit`."""
        ...


class SearchIndex(Protocol):
    """Keeps one document for each key: the one of the highest version that was applied."""

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """Put and remove documents, durable when it returns, and found soon after.

        A change that is not newer than what the index has seen of its key, removals included,
        is ignored. Returns what the engine would not take; raises Unavailable for trouble
        that will pass, and then any part may have been applied.
        """
        ...

    def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query. Its scopes bound everything in the answer."""
        ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        """A page of what is in the index, without removals, in ascending order of keys."""
        ...

    def rebuild(self) -> Rebuild:
        """Begin a new, empty index. Raises Conflict while another rebuild is going on."""
        ...
