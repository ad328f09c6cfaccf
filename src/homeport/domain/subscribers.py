"""Runs an app's own code for the records that change.

Each subscriber is a consumer of the change feed, with its own place in it, its own retries and
its own dead letters: one that fails or takes long holds up nobody but itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from homeport.domain.events import RecordChanged
from homeport.domain.model import names
from homeport.domain.model.record import Record
from homeport.domain.ports.change_feed import ChangeFeed, Consume
from homeport.domain.ports.record_store import RecordStore

Call: TypeAlias = Callable[[RecordChanged, Record | None], object]
"""Gets an event, and its record as it is by now: None where it is deleted.

Raising means to be called again later; what it returns is not looked at. It may be called twice
for the same event.
"""

PREFIX: Final = "subscriber:"
"""Comes before a subscriber's name to make it the name of a consumer."""

_LONGEST_CAUSE: Final = 1000


def consumer_of(name: str) -> str:
    """The name by which the change feed knows this subscriber."""
    return PREFIX + name


@dataclass(frozen=True, slots=True)
class Subscription:
    """`call` is to be called for every change in one of `collections`, in any space."""

    name: str
    collections: frozenset[str]
    call: Call


class Subscriber:
    """Brings one subscription up to date, from one thread at a time."""

    def __init__(self, subscription: Subscription, store: RecordStore, feed: ChangeFeed) -> None:
        self.consumer: Final = consumer_of(subscription.name)
        self.collections: Final = subscription.collections
        self._subscription = subscription
        self._store = store
        self._feed = feed

    def deliver(self, consume: Consume | None = None) -> int:
        """Call the function for the next event, with what is around `consume` if given. Returns
        how many were due: 0 or 1.

        One at a time: what was done is saved before the next call, so that a crash repeats one
        call only, and an event that fails holds back those of its own record alone.
        """
        return self._feed.deliver(self.consumer, consume or self.consume, 1, self.collections)

    def next_due(self) -> float | None:
        """Seconds until an event is due (0: now); None while there is none."""
        return self._feed.next_due(self.consumer, self.collections)

    def consume(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        """The change feed's consumer. Returns the events whose call raised, with the cause.

        After one that failed, later ones of its record fail without a call: they come after it.
        """
        failed: dict[int, str] = {}
        failing = set()
        for place, event in enumerate(events):
            # The feed leaves other collections out; what is hidden is nobody's but the backend's.
            if names.is_hidden(event.key.space):
                continue
            if event.key in failing:
                failed[place] = "an earlier change of this record failed"
                continue
            record = self._store.get(event.key)
            try:
                self._subscription.call(event, None if record is None or record.deleted else record)
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - an app's code raises anything
                failed[place] = _cause(exc)
                failing.add(event.key)
        return failed


def _cause(exc: BaseException) -> str:
    """What was raised, and where: the last line of the app's own that is known."""
    text = f"{type(exc).__name__}: {exc}"[:_LONGEST_CAUSE]
    frames = traceback.extract_tb(exc.__traceback__)[1:]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
