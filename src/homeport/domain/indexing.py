"""Keeps the search index equal to the records.

The change feed says which records moved; the index gets each as it is by then. So events that
come twice, late or out of order do no harm, and an older change never wins, since every change
carries its record's version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from homeport.domain.events import RecordChanged
from homeport.domain.index_records import IndexRecords, Pace, Progress, silent
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import Apply, SearchIndex

if TYPE_CHECKING:
    from homeport.domain.index_rebuild import Rebuilt
    from homeport.domain.index_verify import Drift


class Indexing:
    """`segments` is how many parts of the store a rebuild reads side by side; `pace` says what
    time it is and how far the index is behind. Without one nothing changes beside a rebuild.

    `pause` is called after each record of a batch: a batch may be large, and whoever shares its
    processor with requests can let these go first meanwhile."""

    def __init__(
        self,
        store: RecordStore,
        index: SearchIndex,
        catalog: Catalog,
        segments: int = 4,
        pace: Pace | None = None,
        pause: Pause = go_on,
    ) -> None:
        self._records: Final = IndexRecords(store, catalog, segments)
        self._index: Final = index
        self._pace: Final = pace or Pace()
        self._pause: Final = pause

    def consume(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        """Bring the index up to date with the records that changed.

        Returns the events whose record the index would not take, with the cause. Raises
        Unavailable where the whole batch must be tried again.
        """
        return self._consume(events, self._index.apply)

    def repeat(self, events: Sequence[RecordChanged], apply: Apply) -> None:
        """Have `apply` take what came of the same events, where another process has brought them
        to the index and a rebuild of it is to have them too. Raises Unavailable as `consume`
        does."""
        self._consume(events, apply)

    def _consume(self, events: Sequence[RecordChanged], apply: Apply) -> Mapping[int, str]:
        places = {
            event.key: place
            for place, event in enumerate(events)
            if not names.is_hidden(event.key.space)
        }
        changes = []
        for key, record in self._records.read(list(places)):
            changes.append(self._records.change(key, record, events[places[key]].version))
            self._pause()
        if not changes:
            return {}
        return {places[one.key]: one.cause for one in apply(changes)}

    def rebuild(
        self,
        progress: Progress = silent,
        *,
        rate: float | None = None,
        grace: float = 0.0,
        fresh: bool = False,
        in_this_thread: bool = False,
    ) -> Rebuilt:
        """Fill a new index from all records, check it, and let it take the old one's place, or
        go on with that: see `IndexRebuild`. `in_this_thread`, one part of the store is read after
        the other."""
        from homeport.domain.index_rebuild import IndexRebuild  # who indexes needs none

        rebuilding = IndexRebuild(
            self._records,
            self._index,
            self._pace,
            progress,
            rate=rate,
            in_this_thread=in_this_thread,
            pause=self._pause,
        )
        return rebuilding.run(grace=grace, fresh=fresh)

    def verify(self, progress: Progress = silent, *, repair: bool = False) -> Drift:
        """Compare all records with what the index has; with `repair` mend what differs."""
        from homeport.domain.index_verify import IndexVerify

        return IndexVerify(
            self._records,
            self._index,
            self._pace,
            progress,
            repair=repair,
            in_place=self._index.in_place,
        ).run()
