"""What a message is on its way from its sender to its recipients."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from homeport.domain.model.data import Data
from homeport.domain.model.record import Record

CONTENT: Final = ("title", "text", "data")
"""What a message says: its fields that the recipients' copies have too."""


class State(StrEnum):
    """Where a message is on its way. All that its sender learns is that it was accepted."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    RETRACTING = "retracting"
    """Its sender deleted it: hidden from them, and about to leave the inboxes."""


def on_its_way(record: Record) -> bool:
    """Whether a record in `sent` still waits for the worker."""
    state = None if record.data is None else record.data.get("state")
    return state in (State.QUEUED, State.RETRACTING)


def message_data(record: Mapping[str, Any]) -> Data:
    """A message or a copy of it; what its sender gave as `data` stands one level deep in it."""
    return Data.of(record, around=1)


def content_of(data: Data) -> dict[str, Any]:
    """The content alone, of a message or a copy."""
    return {name: data[name] for name in CONTENT}
