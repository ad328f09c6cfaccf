"""How a reader follows a space without ever missing a change.

A store's commits may be late: a change stamped before a reader's last pull can appear after
it. Every page of changes therefore comes with a horizon, at or below which nothing can still
appear, and a reader looks back once at what lay above it (see docs, "Versions and
checkpoints"). On a store with one writer the horizon is never behind and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Gone, Invalid
from homeport.domain.model import versions
from homeport.domain.model.opaque import digest, seal, unseal
from homeport.domain.model.record import Position, Record
from homeport.domain.model.writes import Guard
from homeport.domain.ports.record_store import RecordStore

START = Position(0)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a reader has come.

    Everything up to `safe` has been delivered for good; up to `seen` what had appeared by
    then. Once the horizon reaches version `due`, the gap between is read once more. Of what was
    deleted before `at` (microseconds since 1970) nothing is still to be told.
    """

    seen: Position = START
    safe: Position = START
    due: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """Changes, where they lead to, and whether more are waiting right now."""

    records: tuple[Record, ...]
    checkpoint: Checkpoint
    more: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The collections that a reader is shown: those that are marked, or all `others`.

    A mark is a short digest of a name, so that a checkpoint does not tell which there are.
    """

    others: bool
    marks: frozenset[str]

    @classmethod
    def only(cls, names: Iterable[str]) -> Shown:
        return cls(False, frozenset(map(_mark, names)))

    @classmethod
    def all_but(cls, names: Iterable[str]) -> Shown:
        return cls(True, frozenset(map(_mark, names)))

    @classmethod
    def from_text(cls, text: str) -> Shown:
        places = range(1, len(text), _MARK)
        return cls(text[:1] == "-", frozenset(text[place : place + _MARK] for place in places))

    @property
    def text(self) -> str:
        return ("-" if self.others else "+") + "".join(sorted(self.marks))

    def goes_beyond(self, before: Shown) -> bool:
        """Whether anything is shown that was not shown before."""
        if self.others:
            return not (before.others and before.marks <= self.marks)
        if before.others:
            return not before.marks.isdisjoint(self.marks)
        return not self.marks <= before.marks


def _mark(name: str) -> str:
    return digest("collection", name)[:_MARK]


EVERYTHING: Final = Shown.all_but(())


def pull(
    store: RecordStore,
    space: str,
    collection: str | None,
    checkpoint: Checkpoint,
    limit: int,
    guard: Guard | None = None,
    besides: frozenset[str] = frozenset(),
) -> Pull:
    """The next changes after `checkpoint`, at most `limit`; the rest as the store's `changes`."""
    seen, safe = checkpoint.seen, checkpoint.safe
    # The new rows first: their horizon is from before both reads, so it holds for both.
    fresh = store.changes(space, collection, seen, limit, None, guard, besides)
    horizon = fresh.horizon
    looks_back = safe < seen and horizon >= checkpoint.due
    late: tuple[Record, ...] = ()
    if looks_back:
        through = min(horizon, seen.version)
        gap = store.changes(space, collection, safe, limit, through, guard, besides)
        late = tuple(record for record in gap.records if record.position <= seen)
        if gap.more and len(late) == len(gap.records):
            reached = late[-1].position
            return Pull(late, Checkpoint(seen, reached, checkpoint.due, checkpoint.at), more=True)
    new = fresh.records[: limit - len(late)]
    more = fresh.more or len(new) < len(fresh.records)
    if new:
        seen = new[-1].position
    if looks_back or safe == checkpoint.seen:
        # Before any row of the version after the horizon, which may itself still be filled.
        safe = min(Position(horizon + 1), seen)
        return Pull(late + new, Checkpoint(seen, safe, seen.version, checkpoint.at), more)
    return Pull(late + new, Checkpoint(seen, safe, checkpoint.due, checkpoint.at), more)


def to_text(pulled: Pull, space: str, collection: str | None, shown: Shown, now: int) -> str:
    """The checkpoint as clients keep it, after a pull that began at `now` (microseconds since
    1970) and was of what is `shown`."""
    at = pulled.checkpoint
    seen, safe = at.seen, at.safe
    # What still waits can be deletions from as long ago as before.
    told = at.at if pulled.more or safe < seen else now
    return seal(_of(space, collection), [*seen, *safe, at.due, told, shown.text])


def from_text(text: str, space: str, collection: str | None, shown: Shown, now: int) -> Checkpoint:
    """The reverse. Raises Invalid for one that is damaged or of another space or collection,
    and Gone where its reader would miss something: deletions that are longer ago than
    tombstones are kept, or what is now `shown` and was left out before."""
    of = _of(space, collection)
    parts = unseal(of, text, *_SHAPE) or _of_old(unseal(of, text, *_OLD_SHAPE), collection)
    if parts is None:
        raise Invalid(
            "This checkpoint cannot be used here.",
            (Fault("since", "not a checkpoint of this space and collection"),),
        )
    *place, due, at, before = parts
    seen, safe = Position(*place[:3]), Position(*place[3:])
    # What is not told yet came after `at`, and after `safe`.
    if now - max(at, versions.time_of(safe.version)) > _GOOD_FOR:
        raise Gone("This checkpoint is too old. Start over without one.")
    if shown.goes_beyond(Shown.from_text(before)):
        raise Gone("You may read more than before. Start over without a checkpoint.")
    return Checkpoint(seen, safe, due, at)


def _of(space: str, collection: str | None) -> str:
    return digest("changes", space, collection)


def _of_old(parts: list[Any] | None, collection: str | None) -> list[Any] | None:
    """The parts of a checkpoint of the first form: its time says too little, since every pull
    moved it on, and what was left out is not in it."""
    if parts is None:
        return None
    if collection is None:
        raise Gone("This checkpoint is of an earlier release. Start over without one.")
    return [*parts[:7], 0, EVERYTHING.text]


_MARK: Final = 8
_OLD_SHAPE: Final = (int, str, str, int, str, str, int, int)
_SHAPE: Final = (*_OLD_SHAPE, str)
_GOOD_FOR: Final = (limits.RETENTION_SECONDS - 60) * 1_000_000
"""A minute less than tombstones are kept: one that appears after a pull can have its stamp from
shortly before."""
