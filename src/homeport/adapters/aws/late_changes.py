"""Changes that the table took later than readers look back.

Whoever pulled between such a change's stamp and its commit has gone past it. A new version is a
change of its own, which they get. Whatever reads the stream sees to that: the function `indexing`
and a process with a feed of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from homeport.adapters.aws.record_store import WINDOW
from homeport.adapters.aws.stream_events import Change

_SECOND: Final = 1_000_000
_ROUNDING: Final = _SECOND
"""The stream tells when something was committed to the second, rounded down."""

log: Final = logging.getLogger("homeport.late_changes")


def late_ones(changes: Sequence[Change]) -> list[int]:
    """The places of changes that are late, as far as the stream tells."""
    allowed = WINDOW * _SECOND - _ROUNDING
    return [place for place, one in enumerate(changes) if one.behind > allowed]


def stamp_anew(store: Any, change: Change) -> None:
    """Give the record a new version unless it has moved on. Raises what the store raises.

    `store` is a DynamoDBRecordStore. Its machine's clock may be what made the change late; so
    the new stamp is as late as the commit at least, or it would be late itself, and so on.
    """
    again = store.restamp(change.event.key, change.event.version, change.committed)
    log.error(
        "a change was committed %.1f s after its stamp, and %s",
        change.behind / _SECOND,
        "has moved on since" if again is None else "was stamped anew",
    )
