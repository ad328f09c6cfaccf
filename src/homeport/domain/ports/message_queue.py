"""Work to be done later, at least once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from homeport.domain.ports.deliveries import DeadLetter


@dataclass(frozen=True, slots=True)
class Delivery:
    """`attempt` counts from 1."""

    id: str
    body: str
    attempt: int


Work: TypeAlias = Callable[[Sequence[Delivery]], Mapping[str, str]]
"""Takes a batch and returns what failed: the delivery's id -> the cause. Raising fails all of it:
Unavailable says that nothing of it is at fault."""


class MessageQueue(Protocol):
    """Bodies go in and come out at least once, in no certain order.

    A failed one is tried again after a while; after its last attempt it becomes a dead letter.
    An attempt that ended the process counts too. Where `work` raises Unavailable, nothing is
    handed out for a while, and that was no attempt; where it raises anything else, what was in
    the batch is tried alone from then on. What finds Unavailable alone, again and again, while
    others go well, uses up attempts (all this where a queue can: see its contract).
    """

    def enqueue(self, body: str, delay: float = 0.0) -> None:
        """Keep `body` (up to 256 KB) for delivery in `delay` seconds (up to 900), durable."""
        ...

    def deliver(self, work: Work, limit: int = 10) -> int:
        """Hand up to `limit` due bodies to `work`. Returns how many: 0 means none is due,
        or that they wait for an outage to pass.

        What `work` did not fail is forgotten only after it returned.
        """
        ...

    def next_due(self) -> float | None:
        """Seconds until something is due (0: now); None while the queue is empty. Where the
        engine cannot tell until when something waits: when to look again."""
        ...

    def dead_letters(self) -> list[DeadLetter]:
        """What could not be delivered, oldest first."""
        ...

    def redrive(self, ids: Sequence[str]) -> int:
        """Make dead letters due again, with all their attempts. Returns how many there were."""
        ...

    def drop(self, ids: Sequence[str]) -> int:
        """Forget dead letters. Returns how many there were."""
        ...
