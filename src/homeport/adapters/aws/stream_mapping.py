"""Does what Lambda's event source mapping does with a table's stream: calls a function.

Emulators call a function for a stream, but know neither partial batches nor an end of retries.
This poller does, over the real Streams API: for tests of the function, and for a machine that
stands in for AWS. What it does follows the documentation of AWS Lambda, "Using AWS Lambda with
Amazon DynamoDB" and "Retaining discarded records".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homeport.adapters.aws.stream_reader import StreamReader, StreamRecord

if TYPE_CHECKING:
    from homeport.domain.ports.clock import Clock

Function: TypeAlias = Callable[[dict[str, Any], object], Any]
Discard: TypeAlias = Callable[[str], None]
"""Gets the invocation record of a batch that is given up, as an S3 destination would keep it."""

_SECOND: Final = 1_000_000
_NO_LIMIT: Final = -1


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """The settings of the same names that AWS has. -1 means no limit.

    Between attempts at the same batch the mapping waits from `first_wait` to `longest_wait`
    seconds.
    """

    batch_size: int = 100
    bisect_on_error: bool = True
    maximum_retry_attempts: int = _NO_LIMIT
    maximum_record_age: int = 3600
    """Seconds."""
    first_wait: float = 1.0
    longest_wait: float = 60.0


@dataclass(slots=True)
class _Attempt:
    """The batch that a shard is stuck at: how many records it may still take, how often it was
    tried, and when it is due."""

    size: int
    tries: int = 0
    due: int = 0


class StreamMapping:
    """Calls `function` with what a reader finds. A failing batch holds up its own shard only.

    `discard` gets what was given up; without it such batches are dropped, as on AWS.
    """

    def __init__(
        self,
        reader: StreamReader,
        function: Function,
        clock: Clock,
        settings: MappingSettings | None = None,
        discard: Discard | None = None,
    ) -> None:
        self._reader = reader
        self._function = function
        self._clock = clock
        self._settings = settings if settings is not None else MappingSettings()
        self._discard = discard
        self._attempts: dict[str, _Attempt] = {}

    def poll(self) -> int:
        """Call the function once for each shard that has something due. Returns how often."""
        calls = 0
        for shard in self._reader.open_shards():
            attempt = self._attempts.get(shard)
            if attempt is not None and attempt.due > self._clock.now():
                continue
            size = self._settings.batch_size if attempt is None else attempt.size
            batch = self._reader.peek_shard(shard, size)
            batch = self._without_expired(shard, batch)
            if batch:
                self._call(shard, batch)
                calls += 1
        return calls

    def _without_expired(self, shard: str, batch: Sequence[StreamRecord]) -> list[StreamRecord]:
        most = self._settings.maximum_record_age
        if most == _NO_LIMIT:
            return list(batch)
        oldest = self._clock.now() - most * _SECOND
        expired = list(takewhile(lambda one: _arrived(one) < oldest, batch))
        if expired:
            self._give_up(shard, expired, "RecordAgeExceeded")
        return list(batch[len(expired) :])

    def _call(self, shard: str, batch: Sequence[StreamRecord]) -> None:
        event = {"Records": [event_record(one.content) for one in batch]}
        try:
            # Through JSON, as on the way to Lambda: what cannot go that way must show here.
            answer = self._function(json.loads(json.dumps(event)), None)
            done = _done(answer, batch)
        except Exception:  # noqa: BLE001 - whatever a function raises fails its batch
            done = None
        if done:
            self._reader.settle_shard(shard, done)
            self._attempts.pop(shard, None)
        if done is None:
            self._failed(shard, batch, bisect=self._settings.bisect_on_error)
        elif done < len(batch):
            # Split already, at what failed first.
            self._failed(shard, batch[done:], bisect=False)

    def _failed(self, shard: str, rest: Sequence[StreamRecord], *, bisect: bool) -> None:
        settings = self._settings
        attempt = self._attempts.get(shard) or _Attempt(len(rest))
        attempt.tries += 1
        if bisect and len(rest) > 1:
            attempt.size = len(rest) // 2  # splitting a batch counts as no retry
            attempt.tries -= 1
        if settings.maximum_retry_attempts != _NO_LIMIT and (
            attempt.tries > settings.maximum_retry_attempts
        ):
            self._give_up(shard, rest[: attempt.size], "RetryAttemptsExhausted")
            return
        wait = min(settings.longest_wait, settings.first_wait * 2.0 ** min(attempt.tries, 32))
        attempt.due = self._clock.now() + round(wait * _SECOND)
        self._attempts[shard] = attempt

    def _give_up(self, shard: str, batch: Sequence[StreamRecord], condition: str) -> None:
        if self._discard is not None:
            tries = self._attempts[shard].tries if shard in self._attempts else 1
            self._discard(self._invocation_record(shard, batch, condition, tries))
        self._reader.settle_shard(shard, len(batch))
        self._attempts.pop(shard, None)

    def _invocation_record(
        self, shard: str, batch: Sequence[StreamRecord], condition: str, tries: int
    ) -> str:
        records = [event_record(one.content) for one in batch]
        times = [_time_text(_arrived(one)) for one in (batch[0], batch[-1])]
        return json.dumps(
            {
                "requestContext": {"condition": condition, "approximateInvokeCount": tries},
                "version": "1.0",
                "timestamp": _time_text(self._clock.now()),
                "DDBStreamBatchInfo": {
                    "shardId": shard,
                    "startSequenceNumber": batch[0].sequence,
                    "endSequenceNumber": batch[-1].sequence,
                    "approximateArrivalOfFirstRecord": times[0],
                    "approximateArrivalOfLastRecord": times[1],
                    "batchSize": len(batch),
                },
                "payload": json.dumps({"Records": records}),
            }
        )


def event_record(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the Streams API as a Lambda event has it: its time is in seconds, and whoever
    made the change has names in lower case."""
    told = dict(content["dynamodb"])
    created = told["ApproximateCreationDateTime"]
    if isinstance(created, datetime):
        told["ApproximateCreationDateTime"] = created.timestamp()
    who = content.get("userIdentity")
    named = {} if who is None else {"userIdentity": {_lower(one): who[one] for one in who}}
    return {**content, **named, "eventSource": "aws:dynamodb", "dynamodb": told}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _done(answer: Any, batch: Sequence[StreamRecord]) -> int | None:
    """How many of a batch an answer leaves behind: all before the first that it names failed.

    As Lambda has it: no answer, or one without failures, is success; a failure that is none of
    the batch's fails it whole (None).
    """
    if not answer or not isinstance(answer, Mapping) or not answer.get("batchItemFailures"):
        return len(batch)
    places = {one.sequence: place for place, one in enumerate(batch)}
    lowest = len(batch)
    for failure in answer["batchItemFailures"]:
        place = places.get(str(failure.get("itemIdentifier")))
        if place is None:
            return None
        lowest = min(lowest, place)
    return lowest


def _arrived(record: StreamRecord) -> int:
    """Microseconds since 1970."""
    created = record.content["dynamodb"]["ApproximateCreationDateTime"]
    seconds = created.timestamp() if isinstance(created, datetime) else float(created)
    return round(seconds * _SECOND)


def _time_text(microseconds: int) -> str:
    seconds = microseconds / _SECOND
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
