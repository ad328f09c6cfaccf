"""A store that behaves as DynamoDB does where commits are late, to try the contract on.

A write takes its stamp first and appears later; the stamps of different records are not in the
order of their writes, and two of them can be alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.model import versions
from homeport.domain.model.record import Record
from homeport.domain.model.writes import Write
from homeport.testing.histories import Commit

WINDOW = 10.0
"""W: how late a commit can be, in seconds."""


class FewTails(SequentialIds):
    """Makes equal stamps likely."""

    def tail(self) -> int:
        return super().tail() & 1


class LateCommitStore(MemoryRecordStore):
    """Knows only the version of the record that it writes, as a store without one writer does."""

    def _stamp(self, writes: Sequence[Write]) -> int:
        held = [self._records[write.key] for write in writes if write.key in self._records]
        fresh = versions.stamp(self._clock.now(), self._ids.tail())
        return max([fresh, *(record.version + 1 for record in held)])

    def _horizon(self) -> int:
        return versions.earliest(self._clock.now() - round(WINDOW * 1_000_000))

    def stamp_early(self, writes: Sequence[Write]) -> Commit:
        early = self._stamp(writes)

        def commit() -> list[Record]:
            with self._lock:
                records = self._resolve(writes, self._stamp_again_if_behind(writes, early))
                for record in records:
                    self._keep(record)
            return records

        return commit

    def _stamp_again_if_behind(self, writes: Sequence[Write], early: int) -> int:
        """ "version < :new" is part of DynamoDB's condition; where it fails, the write is tried
        again with a new stamp."""
        held = [self._records[write.key] for write in writes if write.key in self._records]
        behind = any(record.version >= early for record in held)
        return self._stamp(writes) if behind else early
