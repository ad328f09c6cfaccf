"""What the index should hold, where the engine cannot tell which of two documents is newer.

CloudSearch's batches carry no version. Beside a store the index holds what the store has: each
change is taken for no more than a hint that its record moved, and the record is read anew. So
nothing older can come back, whatever was sent, and removals need not be remembered: a document
is indexed only while its record is there. Two writers (the stream and a rebuild) may still
cross: one reads, the other reads something newer and sends it, and then the first sends. So
what was sent is held against the store once more, after the second in which CloudSearch might
have mixed both up, and sent again where it has moved. Whoever sends something old notices then.

Without a store the index goes by versions: those that it shows, and those of this process's own
last changes, which it does not show yet. A removal leaves a marker. Only one process may write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from homeport.adapters.aws.search_documents import Operation, Operations
from homeport.domain.document_builder import build_document
from homeport.domain.limits import GET_KEYS
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.record_store import RecordStore

Versions = Callable[[Sequence[Key]], Mapping[Key, int]]
"""The versions that the index shows of some keys, markers included."""


class Truth(Protocol):
    def wanted(self, changes: Sequence[IndexChange]) -> list[Operation]:
        """What to send for these changes: one operation at most for each key."""
        ...

    def follow_up(self, sent: Sequence[Operation]) -> list[Operation]:
        """What has to follow what CloudSearch took, now that its second has passed."""
        ...


class StoreTruth:
    """The records as the store has them."""

    def __init__(
        self, store: Callable[[], RecordStore], catalog: Catalog, operations: Operations
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._operations = operations

    def wanted(self, changes: Sequence[IndexChange]) -> list[Operation]:
        return [self._operation(change) for change in self._current(newest(changes))]

    def follow_up(self, sent: Sequence[Operation]) -> list[Operation]:
        before = {one.change.key: one.change for one in sent}
        return [
            self._operation(change)
            for change in self._current(before)
            if (type(change), change.version)
            != (type(before[change.key]), before[change.key].version)
        ]

    def _current(self, changes: Mapping[Key, IndexChange]) -> Iterator[IndexChange]:
        keys = list(changes)
        for start in range(0, len(keys), GET_KEYS):
            part = keys[start : start + GET_KEYS]
            for key, record in zip(part, self._store().get_many(part), strict=True):
                yield self._change(key, record, changes[key].version)

    def _change(self, key: Key, record: Record | None, version: int) -> IndexChange:
        if record is None or record.data is None:
            return Removal(key, version if record is None else record.version)
        return build_document(record, self._catalog)

    def _operation(self, change: IndexChange) -> Operation:
        if isinstance(change, Document):
            return self._operations.put(change)
        return self._operations.delete(change)


class SeenVersions:
    """The highest versions that were applied."""

    def __init__(self, versions: Versions, operations: Operations, clock: Clock) -> None:
        self._versions = versions
        self._operations = operations
        self._clock = clock
        self._recent: dict[Key, tuple[int, int]] = {}

    def wanted(self, changes: Sequence[IndexChange]) -> list[Operation]:
        self._forget()
        asked = newest(changes)
        seen = {key: self._recent[key][0] for key in asked if key in self._recent}
        seen.update(self._versions([key for key in asked if key not in seen]))
        now = self._clock.now()
        found: list[Operation] = []
        for key, change in asked.items():
            if change.version <= seen.get(key, -1):
                continue
            # Should its answer be lost, it may come again, but nothing older may follow.
            self._recent[key] = (change.version - 1, now)
            if isinstance(change, Document):
                found.append(self._operations.put(change))
            else:
                found.append(self._operations.mark(change))
        return found

    def follow_up(self, sent: Sequence[Operation]) -> list[Operation]:
        now = self._clock.now()
        for one in sent:
            self._recent[one.change.key] = (one.change.version, now)
        return []

    def _forget(self) -> None:
        """Drop what the index shows by now."""
        before = self._clock.now() - _VISIBLE
        for key, (_, noted) in list(self._recent.items()):
            if noted < before:
                del self._recent[key]


def newest(changes: Iterable[IndexChange]) -> dict[Key, IndexChange]:
    found: dict[Key, IndexChange] = {}
    for change in changes:
        known = found.get(change.key)
        if known is None or change.version > known.version:
            found[change.key] = change
    return found


_VISIBLE: Final = 600 * 1_000_000
"""Ten minutes, in microseconds: by then what was sent is visible for sure."""
