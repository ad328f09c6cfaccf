"""Keeps the search index equal to the records.

The change feed says which records moved; the index gets each as it is by then. So events that
come twice, late or out of order do no harm, and an older change never wins, since every change
carries its record's version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from homeport.domain.document_builder import build_document
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, Rejection, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import Rebuild, SearchIndex

Progress: TypeAlias = Callable[[int], None]
"""Called now and then, from any thread, with the number of records done since the last call."""


def _silent(done: int) -> None:
    """No progress is wanted."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the index differs from the records; the lists end at 100 keys, the counts do not.

    Records written while it was looked at can appear here: look again before acting on it.
    """

    records: int = 0
    entries: int = 0
    missing_count: int = 0
    stale_count: int = 0
    extra_count: int = 0
    missing: tuple[Key, ...] = ()
    """Records that the index does not have."""
    stale: tuple[Key, ...] = ()
    """Records that the index has at another version."""
    extra: tuple[Key, ...] = ()
    """What the index has and the store does not."""

    @property
    def clean(self) -> bool:
        return not (self.missing_count or self.stale_count or self.extra_count)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. `rejected` are records that the index would not take."""

    records: int
    rejected: tuple[Rejection, ...]


class Indexing:
    """`segments` is how many parts of the store a rebuild reads side by side."""

    def __init__(
        self, store: RecordStore, index: SearchIndex, catalog: Catalog, segments: int = 4
    ) -> None:
        self._store = store
        self._index = index
        self._catalog = catalog
        self._segments = segments

    def consume(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        """Bring the index up to date with the records that changed.

        Returns the events whose record the index would not take, with the cause. Raises
        Unavailable where the whole batch must be tried again.
        """
        places = {
            event.key: place
            for place, event in enumerate(events)
            if not names.is_hidden(event.key.space)
        }
        changes = [
            self._change(key, record, events[places[key]].version)
            for key, record in self._read(list(places))
        ]
        if not changes:
            return {}
        return {places[one.key]: one.cause for one in self._index.apply(changes)}

    def rebuild(self, progress: Progress = _silent) -> Rebuilt:
        """Fill a new index from all records, check it, and let it take the old one's place.

        The old one answers until then, and stays if anything goes wrong. Raises Conflict while
        another rebuild is going on, and Unavailable where the new index is not complete.
        """
        fresh = self._index.rebuild()
        rejected: dict[Key, Rejection] = {}

        def fill(segment: int) -> int:
            count = 0
            for page in self._pages(segment):
                changes = [self._change(one.key, one, one.version) for one in page]
                rejected.update((one.key, one) for one in fresh.apply(changes))
                count += len(changes)
                progress(len(changes))
            return count

        try:
            with ThreadPoolExecutor(self._segments, thread_name_prefix="rebuild") as pool:
                records = sum(pool.map(fill, range(self._segments)))
            self._complete(fresh, rejected)
            fresh.commit()
        except BaseException:
            fresh.abandon()
            raise
        return Rebuilt(records, tuple(rejected.values()))

    def verify(self, progress: Progress = _silent) -> Drift:
        """Compare all records with what the index has."""
        return self._compare(self._index, progress).report()

    def _complete(self, fresh: Rebuild, rejected: dict[Key, Rejection]) -> None:
        """Bring in what moved while the new index was being filled."""
        for _ in range(_ROUNDS):
            found = self._compare(fresh, _silent)
            lacking = [key for key in (*found.missing, *found.stale) if key not in rejected]
            if not lacking and not found.extra:
                return
            again = [
                self._change(key, record, found.extra.get(key, 0) + 1)
                for key, record in self._read([*lacking, *found.extra])
            ]
            rejected.update((one.key, one) for one in fresh.apply(again))
        raise Unavailable("The new index does not come to equal the records: try again.")

    def _compare(self, index: SearchIndex | Rebuild, progress: Progress) -> _Comparison:
        held: dict[Key, int] = {}
        after: Key | None = None
        while page := index.entries(_ENTRIES, after):
            held.update((one.key, one.version) for one in page)
            after = page[-1].key
        found = _Comparison(entries=len(held), extra=held)
        for segment in range(self._segments):
            for records in self._pages(segment):
                for record in records:
                    found.add(record)
                progress(len(records))
        return found

    def _pages(self, segment: int) -> Iterator[list[Record]]:
        """A segment of the store without what is hidden, tombstones included."""
        after: Key | None = None
        while page := self._store.scan(segment, self._segments, _PAGE, after):
            yield [one for one in page if not names.is_hidden(one.key.space)]
            after = page[-1].key

    def _read(self, keys: list[Key]) -> Iterator[tuple[Key, Record | None]]:
        for start in range(0, len(keys), _READ):
            part = keys[start : start + _READ]
            yield from zip(part, self._store.get_many(part), strict=True)

    def _change(self, key: Key, record: Record | None, version: int) -> IndexChange:
        """What to tell the index; `version` counts where the store has nothing at all."""
        if record is None or record.data is None:
            return Removal(key, version if record is None else record.version)
        return build_document(record, self._catalog)


@dataclass(slots=True)
class _Comparison:
    """`extra` begins as all that the index holds, and loses what is found in the store."""

    entries: int
    extra: dict[Key, int]
    records: int = 0
    missing: list[Key] = field(default_factory=list)
    stale: list[Key] = field(default_factory=list)

    def add(self, record: Record) -> None:
        if record.data is None:
            return
        self.records += 1
        version = self.extra.pop(record.key, None)
        if version is None:
            self.missing.append(record.key)
        elif version != record.version:
            self.stale.append(record.key)

    def report(self) -> Drift:
        return Drift(
            self.records,
            self.entries,
            len(self.missing),
            len(self.stale),
            len(self.extra),
            tuple(self.missing[:_SHOWN]),
            tuple(self.stale[:_SHOWN]),
            tuple(list(self.extra)[:_SHOWN]),
        )


_READ: Final = 100
"""Keys in one read of the store."""
_PAGE: Final = 500
"""Records in one page of a scan."""
_ENTRIES: Final = 5000
"""Entries of the index in one page; an index has to sort what is left for each."""
_ROUNDS: Final = 5
_SHOWN: Final = 100
