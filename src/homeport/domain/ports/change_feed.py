"""Hands what changed in the record store to consumers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from homeport.domain.events import RecordChanged
from homeport.domain.ports.deliveries import DeadLetter

Consume: TypeAlias = Callable[[Sequence[RecordChanged]], Mapping[int, str]]
"""Takes a batch and returns what failed: the event's place in the batch -> the cause.

Raising fails the whole batch, and so does a place that is none of it: Unavailable says that
nothing of it is at fault. Consumers are idempotent.
"""


class ChangeFeed(Protocol):
    """Every change reaches every consumer at least once, those of one record in order.

    A consumer is known by its name, and is given all that has happened since the store was
    made; with `collections` only what happened there, the same ones each time, in whichever
    space. A failed event is tried again after a while, with later ones of its record waiting
    behind it and other records going on; after its last attempt it becomes a dead letter.

    A batch whose consumer raises Unavailable waits, all of it, until that has passed: these are
    no attempts. One whose consumer raises anything else, or Unavailable again and again, comes in
    parts, until the event at fault is alone. It alone uses up attempts: after Unavailable only
    where others went well meanwhile (all this where a feed can: see its contract).
    """

    def deliver(
        self,
        consumer: str,
        consume: Consume,
        limit: int = 100,
        collections: Collection[str] | None = None,
    ) -> int:
        """Hand up to `limit` due events to `consume`. Returns how many: 0 means none is due,
        or that they wait for an outage to pass.

        The feed moves on only after `consume` returned: a crash in between repeats the batch.
        With a `limit` of 1 that is one attempt of the event, so that what ends the process each
        time becomes a dead letter (where a feed can count so: see its contract); in a larger
        batch nobody knows which event it was, and it counts for none.
        """
        ...

    def next_due(self, consumer: str, collections: Collection[str] | None = None) -> float | None:
        """Seconds until an event is due (0: now); None while there is none at all."""
        ...

    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        """What could not be delivered, oldest first."""
        ...

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        """Make dead letters due again, with all their attempts. Returns how many there were."""
        ...

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        """Forget dead letters. Returns how many there were."""
        ...
