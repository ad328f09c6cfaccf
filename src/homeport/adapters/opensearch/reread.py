"""What the index should hold, where the server lets nobody say which version a document is.

Then each change is taken for no more than a hint that its record moved, and the record is read
anew: nothing older can come back, whatever was sent, and removals need not be remembered. Two
writers (the stream and a rebuild) may still cross: one reads, the other reads something newer
and sends it, and then the first sends. So what was sent is held against the store once more,
and sent again where it has moved. Whoever sends something old notices then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from homeport.adapters.opensearch.documents import Operation, Operations
from homeport.domain.document_builder import build_document
from homeport.domain.limits import GET_KEYS
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.record_store import RecordStore


class Reread:
    """The records as the store has them."""

    def __init__(
        self, store: Callable[[], RecordStore], catalog: Catalog, operations: Operations
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._operations = operations

    def wanted(self, changes: Mapping[Key, IndexChange]) -> list[Operation]:
        return [self._operation(change) for change in self._current(changes)]

    def moved(self, sent: Mapping[Key, IndexChange]) -> list[Operation]:
        """What has to be sent once more of what was sent."""
        return [
            self._operation(change)
            for change in self._current(sent)
            if (type(change), change.version) != (type(sent[change.key]), sent[change.key].version)
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
            return self._operations.put_unversioned(change)
        return self._operations.delete_unversioned(change)
