"""What the consumers of the table's stream gave up, wherever that was parked."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws.failed_batches import CONSUMER, FailedBatches
from homeport.adapters.aws.letter_queue import LetterQueue
from homeport.adapters.aws.sqs_queue import BATCH, Queue
from homeport.adapters.aws.stream_events import Change, change_fields, change_of
from homeport.domain.errors import Invalid
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import DeadLetter

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

log: Final = logging.getLogger("homeport.queues")

UNKNOWN: Final = "unknown"
"""The consumer of what somebody else put into the queue: it can be looked at and dropped."""
EVERYBODY: Final = "stream"
"""Whom the events of a failed batch are redriven to: all that the stream's function does with a
change. Lambda does not tell which part of it failed."""
_TAKEN_SECONDS: Final = 60
"""For how long what was redriven is hidden from others while one brings it back."""


class ParkedLetters:
    """A consumer parks single events in the queue `queue`. What the indexing function could not
    do in time comes from Lambda itself, a batch at a time, in the bucket `failed_batches`.

    Redriven events go through the queue `redriven`, to whoever delivers to the consumer: a
    function on AWS, or the change feed of one process. `wait` is how many seconds a look into
    the end of a queue takes: without it, SQS may not have looked everywhere.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        *,
        queue: str,
        redriven: str,
        failed_batches: str | None = None,
        wait: int = 1,
    ) -> None:
        self._parked = LetterQueue(
            Queue(clients, queue, "aws.parked_queue", wait=wait), clock, _addressee
        )
        self._redriven = Queue(clients, redriven, "aws.redriven_queue", wait=wait)
        self._batches = None if failed_batches is None else FailedBatches(clients, failed_batches)

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where a queue does not answer."""
        self._parked.check()
        self._redriven.counts()

    def park(self, consumer: str, body: str, cause: str, attempts: int) -> None:
        """Keep an event, as `RecordChanged.to_json` writes it, that dies now."""
        self._parked.put(consumer, body, cause, attempts)

    def letters(self, consumer: str) -> list[DeadLetter]:
        """All of one consumer, oldest first. Those from the bucket stand for a batch each: their
        body is `{"events": [...]}`."""
        letters = self._parked.letters(consumer)
        if self._batches is not None and consumer == CONSUMER:
            letters += self._batches.letters()
        return sorted(letters, key=lambda letter: letter.died)

    def consumers(self) -> set[str]:
        """All that have letters in the queue; the bucket's are of one alone."""
        return self._parked.sources()

    def take(self, consumer: str, ids: Sequence[str]) -> list[DeadLetter]:
        """Remove letters, and return those that there were, oldest first."""
        with self._taking(consumer, ids) as letters:
            return letters

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        """Send the events of these letters on their way again. Returns how many letters there
        were; a crash in between sends some twice. Raises Invalid, and does nothing, where one
        cannot be read."""
        with self._taking(consumer, ids) as letters:
            self._redriven.send_all(
                [
                    _addressed(EVERYBODY if _is_of_all(one) else consumer, change)
                    for one in letters
                    for change in _changes(one)
                ]
            )
        return len(letters)

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        """Forget letters. Returns how many there were."""
        return len(self.take(consumer, ids))

    def forget(self, consumer: str) -> None:
        """Drop all letters of one consumer."""
        self.drop(consumer, [one.id for one in self.letters(consumer)])

    def redriven(self) -> Generator[tuple[str, Change], None, None]:
        """What was redriven, each with its consumer. It is forgotten once the next one is asked
        for: keep it before that. What somebody else put into the queue stays there."""
        while some := self._redriven.receive(BATCH, _TAKEN_SECONDS, wait=False):
            for one in some:
                try:
                    found = read_redriven(one.body)
                except Invalid:
                    log.exception("message %s of the redriven queue is left there", one.id)
                    continue
                yield found
                self._redriven.delete([one])

    @contextmanager
    def _taking(self, consumer: str, ids: Collection[str]) -> Iterator[list[DeadLetter]]:
        """These letters; they are gone once the block has ended, and stay where it raises."""
        batched: list[DeadLetter] = []
        if self._batches is not None and consumer == CONSUMER:
            batched = self._batches.find(ids)
        rest = set(ids) - {one.id for one in batched}
        with self._parked.taking(consumer, rest) as parked:
            yield sorted([*parked, *batched], key=lambda letter: letter.died)
            if self._batches is not None:
                self._batches.remove(one.id for one in batched)


def read_redriven(body: str) -> tuple[str, Change]:
    """Whose change this is that came through the queue of what was redriven, and the change.
    Raises Invalid for what is none."""
    try:
        return str(json.loads(body)["consumer"]), change_of(body)
    except (ValueError, KeyError, TypeError) as exc:
        raise Invalid(f"This is no redriven event: {exc!r}.") from exc


def _changes(letter: DeadLetter) -> list[Change]:
    try:
        content = json.loads(letter.body)
        several = content.get("events")
        if several is None:
            return [change_of(letter.body)]
        return [change_of(json.dumps(one)) for one in several]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise Invalid(
            f"The dead letter {letter.id} holds no events that can be read: drop it, and "
            "rebuild what it was for."
        ) from exc


def _addressee(body: str) -> str:
    """Whose a letter is that SQS itself put here: one that was redriven says so."""
    try:
        consumer = read_redriven(body)[0]
    except Invalid:
        return UNKNOWN
    return CONSUMER if consumer == EVERYBODY else consumer


def _is_of_all(letter: DeadLetter) -> bool:
    """Whether a letter is a failed batch, or one of its events that was redriven in vain."""
    content = json.loads(letter.body)
    return "events" in content or content.get("consumer") == EVERYBODY


def _addressed(consumer: str, change: Change) -> str:
    return json.dumps({"consumer": consumer, **change_fields(change)})
