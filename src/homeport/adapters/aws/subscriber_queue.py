"""The way of changes to an app's own functions: a FIFO queue between the stream and them.

A message group is one record and one subscriber: its changes stay in order and wait behind one
that fails, while everything else goes on. The same change sent twice within five minutes is
one message (the deduplication id is the record's key and version).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws import sqs_events
from homeport.adapters.aws.errors import translated
from homeport.adapters.aws.sqs_attempts import Dead
from homeport.adapters.aws.sqs_queue import Queue
from homeport.domain.errors import Invalid
from homeport.domain.events import RecordChanged
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Work

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients
    from homeport.adapters.aws.parked_letters import ParkedLetters

_SETTING: Final = "aws.subscribers_queue"
_BATCH: Final = 10
"""Messages in one request to SQS."""


class Addressed(NamedTuple):
    """An event for one subscriber, by the name that it has as a consumer."""

    consumer: str
    event: RecordChanged


class SubscriberQueue:
    """`queue` is a FIFO queue's name or URL. What has had all its attempts is parked."""

    def __init__(
        self, clients: Clients, retry: Retry, parked: ParkedLetters, *, queue: str
    ) -> None:
        self._clients = clients
        self._retry = retry
        self._parked = parked
        self._queue = Queue(clients, queue, _SETTING)

    def send(self, events: Sequence[Addressed], again: str = "") -> Mapping[int, str]:
        """Queue events. Returns those that SQS did not take: the event's place -> the cause.
        Behind such a one nothing of its group is queued, so that the order holds when they come
        again.

        With `again`, a text of its own, they are new messages even if the same were sent a
        moment ago. Raises Unavailable where the queue does not answer.
        """
        failed: dict[int, str] = {}
        held_up: dict[str, str] = {}
        for batch in _batches([_entry(place, one, again) for place, one in enumerate(events)]):
            entries: list[Any] = []
            for entry in batch:
                if entry["MessageGroupId"] in held_up:
                    failed[int(entry["Id"])] = held_up[entry["MessageGroupId"]]
                else:
                    entries.append(entry)
            if not entries:
                continue
            try:
                answer = self._clients.get("sqs").send_message_batch(
                    QueueUrl=self._queue.url(), Entries=entries
                )
            except (ClientError, BotoCoreError) as exc:
                raise translated(exc, "queueing changes", setting=_SETTING) from exc
            groups = {entry["Id"]: entry["MessageGroupId"] for entry in entries}
            for one in answer.get("Failed", ()):
                cause = f"{one['Code']}: {one.get('Message', '')}"
                failed[int(one["Id"])] = held_up[groups[one["Id"]]] = cause
        return failed

    def answer(self, event: Mapping[str, Any], work: Work) -> dict[str, Any]:
        """What a function answers that Lambda hands this queue's messages to."""
        return sqs_events.answer(event, work, self._queue, self._retry, self._bury)

    def _bury(self, dead: Dead) -> None:
        one = read_body(dead.message.body)
        self._parked.park(one.consumer, one.event.to_json(), dead.cause, dead.attempts)


def addressed(
    events: Sequence[RecordChanged], wanted: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, Addressed]]:
    """Which subscriber (a consumer's name -> its collections) is to get which event, each with
    the event's place."""
    for place, event in enumerate(events):
        for consumer, collections in wanted.items():
            if event.key.collection in collections:
                yield place, Addressed(consumer, event)


def _entry(place: int, one: Addressed, again: str) -> dict[str, str]:
    return {
        "Id": str(place),
        "MessageBody": body_of(one),
        "MessageGroupId": _digest(one.consumer, *one.event.key),
        "MessageDeduplicationId": _digest(
            one.consumer, *one.event.key, f"{one.event.version:x}", again
        ),
    }


def _batches(entries: Sequence[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """The entries in order, in batches for SQS. A group is in each but once: SQS may take the
    second of two and refuse the first."""
    batch: list[dict[str, str]] = []
    groups: set[str] = set()
    for entry in entries:
        if len(batch) == _BATCH or entry["MessageGroupId"] in groups:
            yield batch
            batch, groups = [], set()
        batch.append(entry)
        groups.add(entry["MessageGroupId"])
    if batch:
        yield batch


def body_of(one: Addressed) -> str:
    return json.dumps({"consumer": one.consumer, "event": one.event.to_json()})


def read_body(text: str) -> Addressed:
    """Raises Invalid for what `body_of` did not make."""
    try:
        fields = json.loads(text)
        return Addressed(str(fields["consumer"]), RecordChanged.from_json(fields["event"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise Invalid(f"This is no change for a subscriber: {exc!r}.") from exc


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
