"""Rebuilding an index that there is only one of.

CloudSearch has no second index to fill and no alias to swap, so a rebuild goes through the one
that answers: everything is sent again, and what the store does not have is removed. Searches
see it become right document by document; nothing is missing meanwhile that was there before.
What was sent stays if the rebuild is abandoned: it came from the store, and is what the stream
would have sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.search_query import every, quoted
from homeport.domain.errors import Unavailable
from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.record import Key


class InPlace(Protocol):
    """What a rebuild does with the one index."""

    def apply_whole(self, changes: Sequence[IndexChange]) -> list[Rejection]: ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]: ...

    def await_visible(self) -> None: ...


class CloudSearchRebuild:
    """`entries` are the whole index's, those that nobody sent during the rebuild included: what
    of them the store lacks, the rebuild is to remove. They are read once all that was sent is
    visible. `end` is called once, however the rebuild ends."""

    def __init__(self, index: InPlace, end: Callable[[], None]) -> None:
        self._index = index
        self._end = end
        self._unseen = False

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self._unseen = True
        return self._index.apply_whole(changes)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        if after is None and self._unseen:
            self._unseen = False
            self._index.await_visible()
        return self._index.entries(limit, after)

    def commit(self) -> None:
        self._end()

    def abandon(self) -> None:
        self._end()


class Visibility:
    """Waits until CloudSearch shows what it was sent: a document of our own is sent last, and
    looked for. Replicas show things at different times, and requests go to any of them."""

    def __init__(
        self,
        send: Callable[[str, dict[str, str]], None],
        shows: Callable[[str], bool],
        sleep: Callable[[float], None],
    ) -> None:
        self._send = send
        self._shows = shows
        self._sleep = sleep

    def wait(self) -> None:
        """Raises Unavailable where it takes more than two minutes."""
        mark = secrets.token_hex(8)
        self._send(_ID, {fields.KEY: _ID, fields.VERSION: mark})
        wanted = every([f"{fields.KEY}:{quoted(_ID)}", f"{fields.VERSION}:{quoted(mark)}"])
        seen = 0
        for _ in range(_LOOKS):
            seen = seen + 1 if self._shows(wanted) else 0
            if seen == _IN_A_ROW:
                return
            if not seen:
                self._sleep(1.0)
        raise Unavailable("The search index does not show what it was sent: try again later.", 60)


_ID: Final = "visible"
"""No record's: those are longer."""
_LOOKS: Final = 120
_IN_A_ROW: Final = 5
