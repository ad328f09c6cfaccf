"""What one consumer of the change feed has not seen yet: older records first, then the stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import translated
from homeport.adapters.aws.feed_state import DONE, Position
from homeport.adapters.aws.late_changes import late_ones
from homeport.adapters.aws.stream_events import Change, change_in, current_of
from homeport.adapters.aws.stream_reader import PositionLost, StreamReader, StreamRecord
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.ports.clock import Clock

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

LOOKED_AT: Final = 1000
"""Records of the stream that one call looks at."""
_SECOND: Final = 1_000_000
_RECENT: Final = 3600
"""Seconds. What is younger when a replay begins comes from the stream; so the replay may take
as long as the stream remembers, but for this."""
_SAVED: Final = 3600
"""After so many seconds the position is saved though nothing has happened: that is how one
tells who was away."""


@dataclass(slots=True)
class LookedAt:
    """What `wanted` has looked at, to be settled as it was then: how many older records, or
    which of the stream's. More may have come by that time, to any shard."""

    older: int = 0
    records: list[StreamRecord] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def __len__(self) -> int:
        return self.older + len(self.records)

    @property
    def late(self) -> list[Change]:
        """The changes that came later than readers look back. Older records do not tell."""
        return [self.changes[place] for place in late_ones(self.changes)]


class _Next(NamedTuple):
    """The next event, if it is one for consumers, and what of the stream it comes from."""

    event: RecordChanged | None
    record: StreamRecord | None = None
    change: Change | None = None


class Source:
    """One thread takes what is wanted and settles it; others may look meanwhile."""

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
        self._lock = threading.Lock()
        self.unsaved = 0
        """How many were settled since the position was saved."""

    def saved(self) -> Position:
        """Where all that was settled ends: to be saved now."""
        with self._lock:
            self.unsaved, self._saved_at = 0, self._clock.now()
            return Position(self._replay, self._reader.positions, self._began, self._saved_at)

    @property
    def is_stale(self) -> bool:
        """Whether the position was saved long ago."""
        return self._clock.now() - self._saved_at > _SAVED * _SECOND

    def wanted(
        self, limit: int, collections: Collection[str] | None
    ) -> tuple[list[RecordChanged], LookedAt]:
        """Up to `limit` next events in `collections`, and what was looked at for them. The same
        ones come again until they are settled."""
        found: list[RecordChanged] = []
        looked_at = LookedAt()
        if limit < 1:
            return found, looked_at
        with self._lock:
            for event, record, change in self._events(LOOKED_AT):
                if record is None:
                    looked_at.older += 1
                else:
                    looked_at.records.append(record)
                if change is not None:
                    looked_at.changes.append(change)
                if event is None:
                    continue
                if collections is None or event.key.collection in collections:
                    found.append(event)
                    if len(found) == limit:
                        break
        return found, looked_at

    def settle(self, looked_at: LookedAt) -> None:
        """What `wanted` has looked at is done with."""
        with self._lock:
            self.unsaved += len(looked_at)
            if looked_at.older:
                self._replay = self._older[looked_at.older - 1][0]
                del self._older[: looked_at.older]
            self._reader.settle(looked_at.records)

    def _events(self, most: int) -> Iterator[_Next]:
        if self._replay != DONE and not self._older:
            self._older = list(self._records())
            if not self._older:
                self._replay = DONE
        if self._older:
            yield from (_Next(event) for _, event in self._older)
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
            event = None if change is None or replayed else change.event
            yield _Next(event, record, change)

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
