"""Rebuilding an index that there is only one of.

CloudSearch has no second index to fill and no alias to swap, so a rebuild goes through the one
that answers: everything is sent again, and what the store does not have is removed. Searches
see it become right document by document; nothing is missing meanwhile that was there before.
What was sent stays if the rebuild is abandoned: it came from the store, and is what the stream
would have sent.

How far a rebuild has come, and that somebody is at it, stands in a document of the index's own,
the note. There is no writing it on a condition, and it is seen seconds later: two that begin at
the same moment may not notice each other, and then send the same things twice.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.search_expressions import every, quoted
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.record import Key
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.search_index import ANY_PORTION


class InPlace(Protocol):
    """What a rebuild does with the one index."""

    def apply_whole(self, changes: Sequence[IndexChange]) -> list[Rejection]: ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]: ...

    def versions(self, keys: Sequence[Key]) -> list[int | None]: ...

    def await_visible(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Note:
    """A rebuild that has not ended: written `at`, in microseconds, by `worker`, who is at it
    `until` then if nothing more is heard of it."""

    at: int
    until: int
    worker: str
    place: str

    def text(self) -> str:
        return f"{self.at} {self.until} {self.worker} {self.place}"

    @classmethod
    def of(cls, text: str) -> Note:
        at, until, worker, place = text.split(" ", 3)
        return cls(int(at), int(until), worker, place)


class Notes:
    """The note of the rebuild. What this process wrote last counts where it is newer than what
    the index shows; `read` and `write` are the index's (writing None removes it)."""

    def __init__(
        self,
        read: Callable[[str], str | None],
        write: Callable[[str, str | None], None],
        clock: Clock,
    ) -> None:
        self._read = read
        self._write = write
        self._clock = clock
        self._written: tuple[int, Note | None] = (-1, None)

    def current(self) -> Note | None:
        text = self._read(_NOTE)
        shown = None if text is None else Note.of(text)
        at, written = self._written
        return shown if shown is not None and shown.at > at else self._unless_old(shown, written)

    def begin(self) -> Note:
        """A note of one's own, with the place of the rebuild that was left. Raises Conflict where
        somebody is at it."""
        left = self.current()
        if left is not None and left.until > self._clock.now():
            raise Conflict(
                "The search index is being rebuilt already. If that process has died, try again "
                f"in {_LEASE} seconds."
            )
        return self.write(Note(0, 0, secrets.token_hex(8), "" if left is None else left.place))

    def write(self, note: Note, seconds: int | None = None) -> Note:
        """The note as it was written, good for so many seconds from now on (a lease)."""
        now = max(self._clock.now(), self._written[0] + 1)
        for_long = _LEASE if seconds is None else seconds
        note = replace(note, at=now, until=now + for_long * 1_000_000 if for_long else 0)
        self._write(_NOTE, note.text())
        self._written = (now, note)
        return note

    def remove(self) -> None:
        self._write(_NOTE, None)
        self._written = (max(self._clock.now(), self._written[0] + 1), None)

    def _unless_old(self, shown: Note | None, written: Note | None) -> Note | None:
        """What was written, unless another process has removed it: that shows in the end."""
        at, _ = self._written
        if shown is None and written is not None and self._clock.now() - at > _VISIBLE:
            return None
        return written


class CloudSearchRebuild:
    """`entries` and `versions` are the whole index's, those that nobody sent during the rebuild
    included: what of them the store lacks, the rebuild is to remove. `end` is called once,
    however the rebuild ends, and says whether it had not ended before."""

    def __init__(self, index: InPlace, notes: Notes, end: Callable[[], bool]) -> None:
        self._index = index
        self._notes = notes
        self._end = end
        self._keeping = threading.Lock()
        self._note = notes.begin()

    @property
    def place(self) -> str:
        return self._note.place

    @property
    def head_start(self) -> float:
        """None: there is one index alone, which everybody writes to."""
        return 0.0

    @property
    def portion(self) -> int:
        return ANY_PORTION

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return self._index.apply_whole(changes)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self._index.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self._index.versions(keys)

    def keep(self, place: str) -> None:
        with self._keeping:
            self._note = self._notes.write(replace(self._note, place=place))

    def leave(self) -> None:
        if self._end():
            with suppress(Unavailable):  # the lease ends by itself
                self._notes.write(self._note, seconds=0)

    def commit(self, grace: float = 0.0) -> None:
        """End it; whatever was sent is in use already, and shows when this returns."""
        found = self._notes.current()
        if found is None or found.worker != self._note.worker or not self._end():
            raise Conflict("This rebuild of the search index has ended, or others are at it.")
        self._notes.remove()
        self._index.await_visible()

    def abandon(self) -> None:
        if self._end():
            self._notes.remove()


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
_NOTE: Final = "rebuild"
_LEASE: Final = 60
_VISIBLE: Final = 600 * 1_000_000
"""Ten minutes, in microseconds: by then what was sent is visible for sure."""
