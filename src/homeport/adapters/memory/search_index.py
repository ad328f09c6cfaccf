"""Search in dictionaries: what every other index must agree with, but for scores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from enum import Enum, auto

from homeport.adapters.memory.search_answers import Search
from homeport.adapters.memory.search_documents import Documents
from homeport.domain.errors import Conflict
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import ANY_PORTION, Capability


class End(Enum):
    """What becomes of a rebuild."""

    COMMITTED = auto()
    LEFT = auto()
    ABANDONED = auto()


class MemorySearchIndex:
    """Safe to use from several threads: one lock around everything.

    `_fresh` is being filled, `_left` was left behind: changes do not reach that one.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._live = Documents()
        self._fresh: Documents | None = None
        self._left: Documents | None = None
        self._worker: object = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.GEO, Capability.FUZZY})

    @property
    def in_place(self) -> bool:
        return False

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        with self._lock:
            for change in changes:
                self._live.apply(change)
                if self._fresh is not None:
                    self._fresh.apply(change)
        return []

    def search(self, query: SearchQuery) -> SearchPage:
        with self._lock:
            return Search(self._live, query).page()

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        with self._lock:
            return self._live.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        with self._lock:
            return self._live.versions(keys)

    def status(self) -> IndexStatus:
        with self._lock:
            rebuilding = self._fresh is not None or self._left is not None
            return IndexStatus(len(self._live.entries_by_key), None, "memory", rebuilding)

    def rebuild(self) -> MemoryRebuild:
        with self._lock:
            if self._fresh is not None:
                raise Conflict("The search index is being rebuilt already.")
            fresh = self._fresh = self._left or Documents()
            worker = self._worker = object()
            self._left = None

        def finish(end: End) -> bool:
            with self._lock:
                if self._fresh is None or self._worker is not worker:
                    return False
                self._fresh = None
                if end is End.COMMITTED:
                    self._live = fresh
                elif end is End.LEFT:
                    self._left = fresh
                return True

        return MemoryRebuild(self._lock, fresh, finish)


class MemoryRebuild:
    """Fills `fresh`; `finish` says what becomes of it. The first time counts, and returns True."""

    def __init__(
        self, lock: AbstractContextManager[bool], fresh: Documents, finish: Callable[[End], bool]
    ) -> None:
        self._lock = lock
        self._fresh = fresh
        self._finish = finish

    @property
    def place(self) -> str:
        return self._fresh.place

    @property
    def head_start(self) -> float:
        return 0.0

    @property
    def portion(self) -> int:
        return ANY_PORTION

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        with self._lock:
            for change in changes:
                self._fresh.apply(change)
        return []

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        with self._lock:
            return self._fresh.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        with self._lock:
            return self._fresh.versions(keys)

    def keep(self, place: str) -> None:
        self._fresh.place = place

    def leave(self) -> None:
        self._finish(End.LEFT)

    def commit(self, grace: float = 0.0) -> None:
        if not self._finish(End.COMMITTED):
            raise Conflict("This rebuild of the search index has ended already.")

    def abandon(self) -> None:
        self._finish(End.ABANDONED)
