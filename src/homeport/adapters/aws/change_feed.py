"""The change feed over the table's stream, for a process that reads the stream itself.

On AWS the event source mappings read it, and call functions (see entrypoints/lambdas). This
feed is what one process uses against the same table: a laptop, a test, an operator's command.
Both park what cannot be delivered in the same place.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import translated
from homeport.adapters.aws.feed_state import (
    DONE,
    FeedState,
    Held,
    Position,
    known_consumers,
)
from homeport.adapters.aws.late_changes import late_ones, stamp_anew
from homeport.adapters.aws.parked_letters import EVERYBODY
from homeport.adapters.aws.stream_events import Change, change_in, current_of
from homeport.adapters.aws.stream_reader import PositionLost, StreamReader
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
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
_RECENT: Final = 3600
"""Seconds. What is younger when a replay begins comes from the stream; so the replay may take
as long as the stream remembers, but for this."""
_SAVED: Final = 3600
"""After so many seconds the position is saved though nothing has happened: that is how one
tells who was away."""
_SECOND: Final = 1_000_000
_LOOKED_AT: Final = 1000
"""Records of the stream that one call looks at."""
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
        self._sources: dict[str, _Source] = {}

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
            for change in source.late(looked_at):
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
        fresh, _ = self._source(consumer, state).wanted(_LOOKED_AT, collections)
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

    def _source(self, consumer: str, state: FeedState) -> _Source:
        source = self._sources.get(consumer)
        if source is None:
            position, now = state.position(), self._clock.now()
            if position is None or now - position.at > REMEMBERED * _SECOND:
                position = Position(began=now, at=now)
                state.register()
                state.move(position)
            source = self._sources[consumer] = _Source(
                self._clients, self._table, position, self._clock, self._quiet
            )
        return source

    def _bring_back(self) -> None:
        """What was redriven waits again, whoever it is for."""
        for consumer, event in self._parked.redriven():
            for one in self._known() if consumer == EVERYBODY else [consumer]:
                self._state(one).hold(Held(event, due=self._clock.now()))

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


class _Source:
    """What one consumer has not seen yet: older records first, then the stream."""

    def __init__(
        self, clients: Clients, table: str, position: Position, clock: Clock, quiet: float
    ) -> None:
        self._clients = clients
        self._table = table
        self._clock = clock
        self._quiet = quiet
        self._replay = position.replay
        self._began = position.began
        self._saved_at = position.at
        self._older: list[tuple[str, RecordChanged]] = []
        self._reader = StreamReader(clients, table, position.shards, quiet=quiet)
        self.unsaved = 0
        """How many were settled since the position was saved."""

    def saved(self) -> Position:
        """Where all that was settled ends: to be saved now."""
        self.unsaved, self._saved_at = 0, self._clock.now()
        return Position(self._replay, self._reader.positions, self._began, self._saved_at)

    @property
    def is_stale(self) -> bool:
        """Whether the position was saved long ago."""
        return self._clock.now() - self._saved_at > _SAVED * _SECOND

    def wanted(
        self, limit: int, collections: Collection[str] | None
    ) -> tuple[list[RecordChanged], int]:
        """Up to `limit` next events in `collections`, and how many were looked at for them.
        The same ones come again until they are settled."""
        if limit < 1:
            return [], 0
        found: list[RecordChanged] = []
        looked_at = 0
        for event in self._events(_LOOKED_AT):
            looked_at += 1
            if event is not None and (collections is None or event.key.collection in collections):
                found.append(event)
                if len(found) == limit:
                    break
        return found, looked_at

    def late(self, looked_at: int) -> list[Change]:
        """Those of the first ones that `wanted` looked at that came later than readers look
        back. Older records do not tell."""
        if self._older:
            return []
        changes = [change_in(one.content) for one in self._reader.peek(looked_at)]
        found = [one for one in changes if one is not None]
        return [found[place] for place in late_ones(found)]

    def settle(self, looked_at: int) -> None:
        """The first ones that `wanted` looked at are done with."""
        self.unsaved += looked_at
        if not looked_at:
            return
        if self._older:
            self._replay = self._older[looked_at - 1][0]
            del self._older[:looked_at]
        else:
            self._reader.settle(self._reader.peek(looked_at))

    def _events(self, most: int) -> Iterator[RecordChanged | None]:
        if self._replay != DONE and not self._older:
            self._older = list(self._records())
            if not self._older:
                self._replay = DONE
        if self._older:
            yield from (event for _, event in self._older)
            return
        try:
            records = self._reader.peek(most)
        except PositionLost:
            # Whatever was missed stands in the table, as it is by now.
            self._replay, self._began = "", self._clock.now()
            self._reader = StreamReader(self._clients, self._table, quiet=self._quiet)
            yield from self._events(most)
            return
        for record in records:
            change = change_in(record.content)
            replayed = change is not None and self._has_replayed(record.content, change.event)
            yield None if change is None or replayed else change.event

    def _has_replayed(self, content: Mapping[str, Any], event: RecordChanged) -> bool:
        """Whether a change came with the older records, as it or as what followed it."""
        return content["eventName"] != "REMOVE" and event.version < self._oldest

    @property
    def _oldest(self) -> int:
        """The first version that only the stream has for a consumer."""
        return max(0, versions.earliest(self._began - _RECENT * _SECOND))

    def _records(self) -> Iterator[tuple[str, RecordChanged]]:
        """The next page of older records, with its place."""
        start: Any = {"ExclusiveStartKey": json.loads(self._replay)} if self._replay else {}
        while True:
            try:
                page = self._clients.get("dynamodb").scan(
                    TableName=self._table,
                    FilterExpression="attribute_exists(lk) AND v < :oldest",
                    ExpressionAttributeValues={":oldest": {"N": str(self._oldest)}},
                    ConsistentRead=True,
                    **start,
                )
            except (ClientError, BotoCoreError) as exc:
                raise translated(exc, "reading the table", setting="aws.table") from exc
            for item in page["Items"]:
                place = json.dumps({"pk": item["pk"], "sk": item["sk"]})
                yield place, current_of(item)
            last = page.get("LastEvaluatedKey")
            if page["Items"] or not last:
                return
            start = {"ExclusiveStartKey": last}


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
