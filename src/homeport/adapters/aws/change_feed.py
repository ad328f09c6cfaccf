"""The change feed over the table's stream, for a process that reads the stream itself.

On AWS the event source mappings read it, and call functions (see entrypoints/lambdas). This
feed is what one process uses against the same table: a laptop, a test, an operator's command.
Both park what cannot be delivered in the same place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws.feed_source import LOOKED_AT, Source
from homeport.adapters.aws.feed_state import FeedState, Held, Position, known_consumers
from homeport.adapters.aws.late_changes import late_ones, stamp_anew
from homeport.adapters.aws.parked_letters import EVERYBODY
from homeport.adapters.aws.stream_reader import StreamReader
from homeport.domain.events import RecordChanged
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import DeadLetter, Retry

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients
    from homeport.adapters.aws.parked_letters import ParkedLetters
    from homeport.adapters.aws.record_store import DynamoDBRecordStore

REMEMBERED: Final = 23 * 3600
"""Seconds for which the stream certainly has a change: it keeps 24 hours."""
_SECOND: Final = 1_000_000
_UNSAVED: Final = 1000
"""How many records of others a consumer may have looked past what is saved. The stream has the
saving itself too: to save each look would never come to an end."""


class DynamoDBChangeFeed:
    """Deliver to one consumer from one thread, of one process, at a time.

    A consumer that is new, or that was away for longer than the stream remembers, is first given
    each older record as it is by then, which may take 22 hours. `quiet` are the seconds for
    which an empty shard is left alone. What the table took too late for readers is stamped anew
    in the `store`.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        retry: Retry,
        parked: ParkedLetters,
        store: DynamoDBRecordStore,
        *,
        table: str,
        quiet: float = 0.5,
    ) -> None:
        self._store = store
        self._clients = clients
        self._clock = clock
        self._retry = retry
        self._parked = parked
        self._table = table
        self._quiet = quiet
        self._sources: dict[str, Source] = {}

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the stream or a queue of what is parked
        does not answer. Not of the port, as all that follows the port's methods below."""
        StreamReader(self._clients, self._table).open_shards()
        self._parked.check()

    def deliver(
        self,
        consumer: str,
        consume: Consume,
        limit: int = 100,
        collections: Collection[str] | None = None,
    ) -> int:
        self._bring_back()
        state = self._state(consumer)
        while True:
            held = _wanted(state, collections)
            due = self._due(held)[:limit]
            source = self._source(consumer, state)
            waiting = {one.event.key for one in held}
            fresh, looked_at = source.wanted(limit - len(due), collections)
            for change in looked_at.late:
                stamp_anew(self._store, change)
            free = [event for event in fresh if event.key not in waiting]
            batch = [*due, *(Held(event) for event in free)]
            failed = _outcome(consume, [one.event for one in batch]) if batch else {}
            for event in fresh:
                if event.key in waiting:
                    state.hold(Held(event))
            kept = self._kept(consumer, batch, failed)
            for one in kept:
                if one is not None:
                    state.hold(one)
            source.settle(looked_at)
            if fresh or source.unsaved >= _UNSAVED or source.is_stale:
                state.move(source.saved())
            for done, again in zip(due, kept, strict=False):
                if again is None:
                    state.release(done.event)
            if batch:
                return len(batch)
            if not looked_at:
                return 0

    def next_due(self, consumer: str, collections: Collection[str] | None = None) -> float | None:
        self._bring_back()
        state = self._state(consumer)
        held = _wanted(state, collections)
        waiting = {one.event.key for one in held}
        fresh, _ = self._source(consumer, state).wanted(LOOKED_AT, collections)
        if any(event.key not in waiting for event in fresh):
            return 0.0
        if not held:
            return None
        firsts = {one.event.key: one.due for one in reversed(held)}
        return max(0.0, (min(firsts.values()) - self._clock.now()) / _SECOND)

    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        return self._parked.letters(consumer)

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        return self._parked.redrive(consumer, ids)

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        return self._parked.drop(consumer, ids)

    def consumers(self) -> list[str]:
        """All that this feed keeps a place for, or that have letters."""
        return sorted({*self._known(), *self._parked.consumers()})

    def forget(self, consumer: str) -> None:
        """Keep nothing more for this consumer, dead letters included. Nothing happens where
        nothing is kept; should it come back, it starts over."""
        self._state(consumer).forget()
        self._parked.forget(consumer)
        self._sources.pop(consumer, None)

    def _known(self) -> list[str]:
        return known_consumers(self._clients, self._table)

    def _state(self, consumer: str) -> FeedState:
        return FeedState(self._clients, self._table, consumer)

    def _source(self, consumer: str, state: FeedState) -> Source:
        source = self._sources.get(consumer)
        if source is None:
            position, now = state.position(), self._clock.now()
            if position is None or now - position.at > REMEMBERED * _SECOND:
                position = Position(began=now, at=now)
                state.register()
                state.move(position)
            source = self._sources[consumer] = Source(
                self._clients, self._table, position, self._clock, self._quiet
            )
        return source

    def _bring_back(self) -> None:
        """What was redriven waits again, whoever it is for."""
        for consumer, change in self._parked.redriven():
            if late_ones([change]):
                stamp_anew(self._store, change)
            for one in self._known() if consumer == EVERYBODY else [consumer]:
                self._state(one).hold(Held(change.event, due=self._clock.now()))

    def _due(self, held: Sequence[Held]) -> list[Held]:
        """Of each record only what no earlier event of it holds back."""
        now = self._clock.now()
        held_back: set[Key] = set()
        due = []
        for one in held:
            if one.due > now:
                held_back.add(one.event.key)
            elif one.event.key not in held_back:
                due.append(one)
        return due

    def _kept(
        self, consumer: str, batch: Sequence[Held], failed: Mapping[int, str]
    ) -> list[Held | None]:
        """What goes on waiting of each of a batch; None where it is done, or has been parked."""
        now = self._clock.now()
        kept: list[Held | None] = []
        failing: set[Key] = set()
        for place, one in enumerate(batch):
            attempts = one.attempts + 1
            if one.event.key in failing:
                # It comes once more even if it succeeded; if it failed that was no attempt.
                kept.append(one)
            elif place not in failed:
                kept.append(None)
            elif attempts < self._retry.attempts:
                due = now + round(self._retry.wait(attempts) * _SECOND)
                kept.append(Held(one.event, attempts, due))
                failing.add(one.event.key)
            else:
                self._parked.park(consumer, one.event.to_json(), failed[place], attempts)
                kept.append(None)
        return kept


def _wanted(state: FeedState, collections: Collection[str] | None) -> list[Held]:
    """What waits, by version; what is of other collections than these is let go."""
    held = []
    for one in state.held():
        if collections is None or one.event.key.collection in collections:
            held.append(one)
        else:
            state.release(one.event)
    return held


def _outcome(consume: Consume, events: list[RecordChanged]) -> Mapping[int, str]:
    """What failed. A place that is none of the batch's fails it whole, as Lambda does it."""
    try:
        failed = consume(events)
        if all(0 <= place < len(events) for place in failed):
            return failed
        cause = "the consumer failed an event that it was not given"
    except Exception as exc:  # noqa: BLE001 - whatever it is, the batch is tried again
        cause = f"{type(exc).__name__}: {exc}"
    return dict.fromkeys(range(len(events)), cause)
