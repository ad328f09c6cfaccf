"""How a reader follows a space without ever missing a change.

A store's commits may be late: a change stamped before a reader's last pull can appear after
it. Every page of changes therefore comes with a horizon, at or below which nothing can still
appear, and a reader looks back once at what lay above it (see docs, "Versions and
checkpoints"). On a store with one writer the horizon is never behind and nothing is read twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from homeport.domain import limits
from homeport.domain.errors import Fault, Gone, Invalid
from homeport.domain.model.opaque import digest, seal, unseal
from homeport.domain.model.record import Position, Record
from homeport.domain.model.writes import Guard
from homeport.domain.ports.record_store import RecordStore

START = Position(0)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a reader has come.

    Everything up to `safe` has been delivered for good; up to `seen` what had appeared by
    then. Once the horizon reaches version `due`, the gap between is read once more.
    """

    seen: Position = START
    safe: Position = START
    due: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """Changes, where they lead to, and whether more are waiting right now."""

    records: tuple[Record, ...]
    checkpoint: Checkpoint
    more: bool


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
            return Pull(late, Checkpoint(seen, reached, checkpoint.due), more=True)
    new = fresh.records[: limit - len(late)]
    more = fresh.more or len(new) < len(fresh.records)
    if new:
        seen = new[-1].position
    if looks_back or safe == checkpoint.seen:
        # Before any row of the version after the horizon, which may itself still be filled.
        safe = min(Position(horizon + 1), seen)
        return Pull(late + new, Checkpoint(seen, safe, seen.version), more)
    return Pull(late + new, Checkpoint(seen, safe, checkpoint.due), more)


def to_text(checkpoint: Checkpoint, space: str, collection: str | None, now: int) -> str:
    """The checkpoint as clients keep it; `now` is in microseconds since 1970."""
    seen, safe = checkpoint.seen, checkpoint.safe
    return seal(digest("changes", space, collection), [*seen, *safe, checkpoint.due, now])


def from_text(text: str, space: str, collection: str | None, now: int) -> Checkpoint:
    """The reverse. Raises Invalid for one that is damaged or of another space or collection,
    and Gone for one older than tombstones are kept: its reader would miss deletions."""
    of = digest("changes", space, collection)
    parts = unseal(of, text, int, str, str, int, str, str, int, int)
    if parts is None:
        raise Invalid(
            "This checkpoint cannot be used here.",
            (Fault("since", "not a checkpoint of this space and collection"),),
        )
    if now - parts[7] > limits.RETENTION_SECONDS * 1_000_000:
        raise Gone("This checkpoint is too old. Start over without one.")
    return Checkpoint(Position(*parts[0:3]), Position(*parts[3:6]), parts[6])
