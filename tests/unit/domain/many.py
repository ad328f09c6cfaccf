"""Many records at once: a write of its own for each takes longer than what they are made for."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.domain import limits
from homeport.domain.model.record import Record
from homeport.domain.model.writes import Write
from homeport.domain.ports.record_store import RecordStore


def write_all(store: RecordStore, writes: Sequence[Write]) -> list[Record]:
    """What `store` makes of `writes`, in as few transactions as take them."""
    most = limits.BATCH_WRITES
    return [
        record
        for start in range(0, len(writes), most)
        for record in store.write(writes[start : start + most])
    ]
