"""Facts, in the past tense, delivered at least once."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.domain.model.record import Key


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """A record moved from `previous` (None: it did not exist) to `version`.

    It carries no data: whoever acts on it reads the record as it is by then, and is so safe
    from events that come twice, late or out of order.
    """

    key: Key
    version: int
    previous: int | None
    author: str
    deleted: bool
