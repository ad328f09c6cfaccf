"""Reads a table's stream from end to end: shard by shard, parents before their children.

A stream's shards split and end as the table grows, and a record's changes go on in a child of
the shard that they were in. Who reads a child only once its parent was read to the end gets the
changes of each record in their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import translated
from homeport.domain.errors import Unavailable

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

ENDED: Final = "ended"
"""The position of a shard that was read to its end. Sequence numbers are digits."""
LOOK_SECONDS: Final = 30.0
"""How long a list of the stream's shards is good, while none of them ends."""
MOST: Final = 1000
"""Records in one read (GetRecords)."""


class StreamRecord(NamedTuple):
    """One record as the stream, and a Lambda event, has it."""

    shard: str
    sequence: str
    content: Mapping[str, Any]


class PositionLost(Exception):
    """The stream has dropped what came after a position: it keeps a day, and that is over."""


@dataclass(slots=True)
class _Shard:
    parent: str | None
    position: str | None
    """The last sequence number that was handed out and settled, ENDED, or None: none was."""
    iterator: str | None = None
    waiting: list[StreamRecord] = field(default_factory=list)
    """Read and not handed out yet."""
    closed: bool = False
    """There is nothing after what is waiting."""
    quiet_until: float = 0.0


class StreamReader:
    """`positions` says where an earlier reader of the same stream came to, shard by shard.

    An empty shard is left alone for `quiet` seconds: a shard takes five reads a second from all
    its readers together.
    """

    def __init__(
        self,
        clients: Clients,
        table: str,
        positions: Mapping[str, str] | None = None,
        *,
        quiet: float = 0.5,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = clients
        self._table = table
        self._quiet = quiet
        self._monotonic = monotonic
        self._positions = dict(positions or {})
        self._shards: dict[str, _Shard] = {}
        self._stream = ""
        self._look_again = float("-inf")

    @property
    def positions(self) -> dict[str, str]:
        """Where all that was settled ends."""
        return {
            name: shard.position
            for name, shard in self._shards.items()
            if shard.position is not None
        } or dict(self._positions)

    def peek(self, limit: int) -> list[StreamRecord]:
        """Up to `limit` of the next records, those of a shard in order. The same ones come
        again until they are settled. Raises PositionLost, and Unavailable."""
        found: list[StreamRecord] = []
        for name in self.open_shards():
            if len(found) >= limit:
                break
            found += self.peek_shard(name, limit - len(found))
        return found

    def settle(self, records: Sequence[StreamRecord]) -> None:
        """The first ones of each shard that `peek` gave are done with, whatever was read since."""
        for name, sequence in {one.shard: one.sequence for one in records}.items():
            shard = self._shards.get(name)
            if shard is None:
                continue  # forgotten since, as the stream's oldest are
            waiting = [one.sequence for one in shard.waiting]
            if sequence in waiting:
                self.settle_shard(name, waiting.index(sequence) + 1)
            else:  # an expired iterator has cost them: they are not read again
                shard.position = sequence

    def open_shards(self) -> list[str]:
        """The shards that may be read now: they have not ended, and their parents have, or are
        gone."""
        self._look()
        return [name for name in self._shards if self._is_open(name)]

    def peek_shard(self, name: str, limit: int) -> list[StreamRecord]:
        """Up to `limit` of the next records of one open shard."""
        shard = self._shards[name]
        while len(shard.waiting) < limit and not shard.closed:
            if not self._read(name, shard, min(MOST, limit)):
                break
        self._end_if_closed(shard)
        return shard.waiting[:limit]

    def settle_shard(self, name: str, count: int) -> None:
        """The first `count` of what `peek_shard` gave are done with."""
        shard = self._shards[name]
        if count:
            shard.position = shard.waiting[count - 1].sequence
            del shard.waiting[:count]
        self._end_if_closed(shard)

    def _end_if_closed(self, shard: _Shard) -> None:
        if shard.closed and not shard.waiting and shard.position != ENDED:
            shard.position = ENDED
            self._look_again = float("-inf")  # its children may be new

    def _is_open(self, name: str) -> bool:
        shard = self._shards[name]
        if shard.position == ENDED:
            return False
        parent = None if shard.parent is None else self._shards.get(shard.parent)
        return parent is None or parent.position == ENDED

    def _read(self, name: str, shard: _Shard, limit: int) -> bool:
        """One more read of a shard; False where it gave nothing."""
        if self._monotonic() < shard.quiet_until:
            return False
        client = self._clients.get("dynamodbstreams")
        try:
            if shard.iterator is None:
                shard.iterator = self._iterator(name, shard)
            answer = client.get_records(ShardIterator=shard.iterator, Limit=limit)
        except client.exceptions.ExpiredIteratorException:
            shard.iterator = None
            return self._read_again_from_position(name, shard, limit)
        except client.exceptions.TrimmedDataAccessException as exc:
            raise PositionLost(name) from exc
        except (ClientError, BotoCoreError) as exc:
            raise translated(exc, "reading the table's stream", setting="aws.table") from exc
        shard.iterator = answer.get("NextShardIterator")
        shard.closed = shard.iterator is None
        found: Any = answer["Records"]
        records = [StreamRecord(name, one["dynamodb"]["SequenceNumber"], one) for one in found]
        shard.waiting += records
        if not records:
            shard.quiet_until = self._monotonic() + self._quiet
        return bool(records)

    def _read_again_from_position(self, name: str, shard: _Shard, limit: int) -> bool:
        """Iterators live for 15 minutes; what was read but not settled is read once more."""
        shard.waiting.clear()
        return self._read(name, shard, limit)

    def _iterator(self, name: str, shard: _Shard) -> str:
        where: Any = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.waiting:
            where = _after(shard.waiting[-1].sequence)
        elif shard.position is not None:
            where = _after(shard.position)
        answer = self._clients.get("dynamodbstreams").get_shard_iterator(
            StreamArn=self._stream, ShardId=name, **where
        )
        return answer["ShardIterator"]

    def _look(self) -> None:
        """Learn which shards there are, now and then, and whenever one has ended."""
        now = self._monotonic()
        if now < self._look_again:
            return
        if not self._stream:
            self._stream = self._find_stream()
        seen: dict[str, _Shard] = {}
        for one in self._described():
            name = one["ShardId"]
            known = self._shards.get(name)
            seen[name] = known or _Shard(one.get("ParentShardId"), self._positions.get(name))
        self._check_none_is_gone(seen)
        # Parents stand before their children, so that a split is read through in one go.
        self._shards = dict(sorted(seen.items(), key=lambda item: _depth(item[0], seen)))
        self._look_again = now + LOOK_SECONDS

    def _check_none_is_gone(self, listed: Mapping[str, _Shard]) -> None:
        """Raise PositionLost where a shard is gone that was not read to its end: the stream
        forgets a whole shard with the last of its records."""
        before = {name: shard.position for name, shard in self._shards.items()}
        for name, position in (before or self._positions).items():
            if position != ENDED and name not in listed:
                raise PositionLost(name)

    def _find_stream(self) -> str:
        try:
            table = self._clients.get("dynamodb").describe_table(TableName=self._table)["Table"]
        except (ClientError, BotoCoreError) as exc:
            raise translated(exc, "looking for the table's stream", setting="aws.table") from exc
        arn = table.get("LatestStreamArn")
        if not arn or not table.get("StreamSpecification", {}).get("StreamEnabled"):
            raise Unavailable(
                f"The table {self._table} has no stream: switch it on with new and old images."
            )
        return arn

    def _described(self) -> list[Any]:
        client = self._clients.get("dynamodbstreams")
        shards: list[Any] = []
        start: Any = {}
        try:
            while True:
                answer: Any = client.describe_stream(StreamArn=self._stream, **start)
                found = answer["StreamDescription"]
                shards += found["Shards"]
                last = found.get("LastEvaluatedShardId")
                if not last:
                    return shards
                start = {"ExclusiveStartShardId": last}
        except (ClientError, BotoCoreError) as exc:
            raise translated(exc, "listing the stream's shards", setting="aws.table") from exc


def _after(sequence: str) -> dict[str, str]:
    return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence}


def _depth(name: str, shards: Mapping[str, _Shard]) -> int:
    """How many of its ancestors are still listed."""
    depth = 0
    parent = shards[name].parent
    while parent is not None and parent in shards:
        depth += 1
        parent = shards[parent].parent
    return depth
