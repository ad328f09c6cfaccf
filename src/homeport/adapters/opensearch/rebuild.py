"""A new index that is being filled while the live one answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from homeport.adapters.opensearch.lease import Lease
from homeport.domain.errors import Conflict
from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import ANY_PORTION

HEAD_START_SECONDS: Final = 15.0
"""Indexers look at the aliases every 5 seconds; the rest is for requests that are under way."""


class Filling(Protocol):
    """What a rebuild does with the index that it fills."""

    def apply_to(self, index: str, changes: Sequence[IndexChange]) -> list[Rejection]: ...

    def show(self, index: str, waiting: Callable[[], None]) -> None: ...

    def entries_of(self, index: str, limit: int, after: Key | None) -> list[IndexEntry]: ...

    def versions_of(self, index: str, keys: Sequence[Key]) -> list[int | None]: ...

    def swap(self, index: str, grace: float) -> None: ...

    def drop(self, index: str) -> None: ...


class OpenSearchRebuild:
    """Holds `lease`, which has been taken. `end` is called once, however it ends."""

    def __init__(
        self,
        filling: Filling,
        index: str,
        lease: Lease,
        now: Callable[[], int],
        end: Callable[[], None],
    ) -> None:
        self._filling = filling
        self._index = index
        self._lease = lease
        self._now = now
        self._end = end
        self._lock = threading.Lock()
        self._ended = False
        self._unseen = True

    @property
    def place(self) -> str:
        return self._lease.place

    @property
    def head_start(self) -> float:
        return max(0.0, HEAD_START_SECONDS - (self._now() - self._lease.begun) / 1_000_000)

    @property
    def portion(self) -> int:
        return ANY_PORTION

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self._unseen = True
        return self._filling.apply_to(self._index, changes)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        if after is None and self._unseen:
            self._unseen = False
            self._filling.show(self._index, self._hold_on)
        return self._filling.entries_of(self._index, limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self._filling.versions_of(self._index, keys)

    def keep(self, place: str) -> None:
        """What was applied is durable already."""
        with self._lock:
            self._still_on()
            self._lease.keep(place)

    def leave(self) -> None:
        with self._lock:
            if not self._ended:
                self._lease.release()
                self._over()

    def commit(self, grace: float = 0.0) -> None:
        with self._lock:
            self._still_on()
            self._lease.keep()
            self._filling.show(self._index, self._lease.keep)
            self._lease.keep()  # nobody else may begin until long after the swap
            self._filling.swap(self._index, grace)
            self._over()
            self._lease.remove()

    def abandon(self) -> None:
        with self._lock:
            if not self._ended:
                try:
                    self._lease.keep()
                except Conflict:
                    return  # it is another process's now
                finally:
                    self._over()
                try:
                    self._filling.drop(self._index)
                except Conflict:  # another process has let it answer: it stays
                    self._lease.remove()

    def _hold_on(self) -> None:
        with self._lock:
            self._still_on()
            self._lease.keep()

    def _still_on(self) -> None:
        if self._ended:
            raise Conflict("The rebuild has ended.")

    def _over(self) -> None:
        self._ended = True
        self._end()
