"""The message queue on SQS, with a second queue for dead letters."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from homeport.adapters.aws import sqs_events
from homeport.adapters.aws.letter_queue import LetterQueue
from homeport.adapters.aws.sqs_attempts import Dead, attempt
from homeport.adapters.aws.sqs_queue import Queue, Received
from homeport.domain import limits
from homeport.domain.errors import HomeportError, Invalid, TooLarge
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import DeadLetter, Retry
from homeport.domain.ports.message_queue import Work

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

HIDDEN_SECONDS: Final = 30
"""For how long a body that is handed out is hidden, and for how much longer each time that the
work on it goes on. After a crash it is due again when this is over."""
LOOK_AGAIN_SECONDS: Final = 1.0
"""When to look again where something waits: SQS tells that it does, not until when."""
_SOURCE: Final = "queue:messages"


class SQSMessageQueue:
    """Delays and waits are in whole seconds here, rounded up.

    While `work` goes on, a thread beside it hides its bodies from others anew, three times as
    often as needed, for the 12 hours that SQS allows. SQS counts what it hands out: an attempt
    that ends the process counts for all bodies of its batch. A queue made for 1 MiB takes every
    body; one made for 256 KiB refuses those that control characters make longer (TooLarge).

    `wait` is how many seconds a look into an empty queue takes: without it, SQS may say that
    nothing is there while something is.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        retry: Retry,
        *,
        queue: str,
        dead_queue: str,
        wait: int = 1,
        hidden: int = HIDDEN_SECONDS,
    ) -> None:
        self._retry = retry
        self._hidden = hidden
        self._queue = Queue(clients, queue, "aws.messages_queue", wait=wait)
        dead = Queue(clients, dead_queue, "aws.messages_dead_queue", wait=wait)
        self._dead = LetterQueue(dead, clock, lambda _: _SOURCE)

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where a queue does not answer. Not of the port."""
        self._queue.counts()
        self._dead.check()

    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if len(body.encode()) > limits.QUEUE_BODY_BYTES:
            raise TooLarge(f"A queue takes bodies of up to {limits.QUEUE_BODY_BYTES:,} bytes.")
        if not 0 <= delay <= limits.QUEUE_DELAY_SECONDS:
            raise Invalid(f"A delay is 0 to {limits.QUEUE_DELAY_SECONDS} seconds.")
        self._queue.send(body, math.ceil(delay))

    def deliver(self, work: Work, limit: int = 10) -> int:
        while batch := self._receive(limit):
            with self._kept_hidden(batch):
                outcome = attempt(batch, work, self._retry)
            self._queue.delete(outcome.done)
            self._queue.hide(outcome.again)
            for dead in outcome.dead:
                self._bury(dead)
                self._queue.delete([dead.message])
            if outcome.handed:
                return outcome.handed
        return 0

    def answer(self, event: Mapping[str, Any], work: Work) -> dict[str, Any]:
        """What a function answers that Lambda hands this queue's messages to. Not of the port."""
        return sqs_events.answer(event, work, self._queue, self._retry, self._bury)

    def next_due(self) -> float | None:
        """0 where something is due; where something waits, when to look again."""
        counts = self._queue.counts()
        if counts.visible:
            return 0.0
        return LOOK_AGAIN_SECONDS if counts.hidden else None

    def dead_letters(self) -> list[DeadLetter]:
        return self._dead.letters(_SOURCE)

    def redrive(self, ids: Sequence[str]) -> int:
        with self._dead.taking(_SOURCE, ids) as letters:
            self._queue.send_all(one.body for one in letters)
        return len(letters)

    def drop(self, ids: Sequence[str]) -> int:
        with self._dead.taking(_SOURCE, ids) as letters:
            return len(letters)

    def _receive(self, limit: int) -> list[Received]:
        """Up to `limit`: further calls go on only while there is more, and do not wait."""
        found: dict[str, Received] = {}
        while len(found) < limit:
            some = self._queue.receive(limit - len(found), self._hidden, wait=not found)
            if not some:
                break
            found.update((one.id, one) for one in some)
        return list(found.values())

    def _bury(self, dead: Dead) -> None:
        self._dead.put(_SOURCE, dead.message.body, dead.cause, dead.attempts)

    @contextmanager
    def _kept_hidden(self, batch: Sequence[Received]) -> Iterator[None]:
        """Others do not get the batch until the block has ended."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(self._hidden / 3):
                try:
                    self._queue.hide([(one, self._hidden) for one in batch])
                except HomeportError:
                    return  # others get it once more, as after a crash

        thread = threading.Thread(target=go_on, name="homeport-sqs-hidden", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()  # what it says last must not come after what the batch's end says
