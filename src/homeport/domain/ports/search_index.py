"""Finds records by their content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.record import Key

if TYPE_CHECKING:
    from homeport.domain.model.query import SearchPage, SearchQuery


class Capability(StrEnum):
    """What not every engine can. A backend that needs one its index lacks does not start."""

    STEMMING = "stemming"
    """`Words` go by the language's stems: running finds run."""
    GEO = "geo"
    """`Near`, and `Sort` by distance: of points whose field is declared. Without it, a query
    that asks for one is Invalid."""
    FUZZY = "fuzzy"
    """`Fuzzy` finds words that are nearly as asked. Without it, such a query is Invalid."""
    VECTOR = "vector"


Apply: TypeAlias = Callable[[Sequence[IndexChange]], Sequence[Rejection]]
"""As an index and its rebuild have it."""

ANY_PORTION: Final = 100_000
"""Where it makes no difference when a rebuild is kept."""


class Rebuild(Protocol):
    """A new index that is being filled beside the live one, which goes on answering.

    The live index's `apply` reaches both for as long as a process is at it, so nothing that
    changes meanwhile is missed. What changes while nobody is at it (the process was killed, or
    has left) may be lacking in the new one: whoever fills it compares it with the records before
    `commit`. Safe to use from several threads.

    An index that is rebuilt `in_place` is the new one itself: what is applied is found at once,
    and `entries` and `versions` are the live index's.
    """

    @property
    def place(self) -> str:
        """What `keep` was last given, by whichever process; "" where it never was."""
        ...

    @property
    def head_start(self) -> float:
        """Seconds until every process that applies changes is sure to reach the new index too:
        whoever fills it from the records begins to read them after that."""
        ...

    @property
    def portion(self) -> int:
        """After how many records, or up to a fiftieth more, it is best kept while it is filled.
        Where that is ANY_PORTION, or it is filled slowly, whoever does that keeps it by time as
        well, and loses less where the process is killed."""
        ...

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """As the index's own, but for the new one alone, and durable only with the next `keep`
        or `commit`."""
        ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        """As the index's own, of the new one."""
        ...

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        """As the index's own, of the new one."""
        ...

    def keep(self, place: str) -> None:
        """Make all that was applied durable, and after that keep `place` (up to 3,000 ASCII
        characters) with the new index, for a process that goes on with it.

        It is also how a process says that it is still at it, where others can tell no better:
        call it every 10 seconds or so, where `portion` leaves that open.
        """
        ...

    def leave(self) -> None:
        """Stop, and leave the new index for `SearchIndex.rebuild` to go on with, as the death
        of the process does; nothing happens once the rebuild has ended."""
        ...

    def commit(self, grace: float = 0.0) -> None:
        """Let the new index take the live one's place, at once for every search.

        The old one is dropped; where other processes may still be asking it, `grace` seconds
        later at the soonest. Raises Unavailable where that cannot be done, and Conflict where
        the rebuild has ended, or another process has taken it over; the old index stays then.
        """
        ...

    def abandon(self) -> None:
        """Throw the new index away, and what was kept with it; nothing happens after `commit`."""
        ...


class SearchIndex(Protocol):
    """Keeps one document for each key: the one of the highest version that was applied."""

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    @property
    def in_place(self) -> bool:
        """Whether a rebuild goes through the one index that answers, since the engine has no
        second one to fill.

        Such an engine does not tell versions apart either, so whatever is sent twice may end as
        either: who applies more than what comes from the change feed (a rebuild, a repair) reads
        the records once more after `apply`, applies what has changed meanwhile, and so on until
        nothing has.
        """
        ...

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """Put and remove documents, durable when it returns, and found soon after.

        A change that is not newer than what the index has seen of its key, removals included,
        is ignored. Returns what the engine would not take; raises Unavailable for trouble
        that will pass, and then any part may have been applied.
        """
        ...

    def search(self, query: SearchQuery) -> SearchPage:
        """Answer a query. Its scopes bound everything in the answer.

        Raises Invalid for what the index lacks the capability for, and for a sort by a field
        that is not declared.
        """
        ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        """A page of what is in the index, without removals, in ascending order of keys."""
        ...

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        """The versions of the documents of up to 100 keys, in their order; None where there is
        none, or a removal. What this index has applied shows, even if searches do not yet."""
        ...

    def status(self) -> IndexStatus:
        """What there is to know about the index without reading it."""
        ...

    def rebuild(self) -> Rebuild:
        """Begin a new, empty index, or go on with the one that was left behind: then its `place`
        says how far it had come.

        What was left is thrown away where it is damaged, or made for other fields. Raises
        Conflict while another rebuild is at work, in this process or in another.
        """
        ...
