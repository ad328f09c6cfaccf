"""Dead letters in a queue of SQS, each with its cause."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from homeport.adapters.aws.sqs_bodies import from_sqs, to_sqs
from homeport.adapters.aws.sqs_queue import BATCH, Queue, Received
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import DeadLetter

_HIDDEN: Final = 60
"""Seconds for which a letter that is looked at is hidden from others who look."""
_MOST: Final = 10_000
"""How many letters one look goes through."""
_CAUSE: Final = 2_000
"""How many characters of a cause are kept."""
_GIVEN_UP: Final = "SQS gave it up: it was received too often without being deleted."

Strange: TypeAlias = Callable[[str], str]
"""Whose letter a body is that came here without its cause."""


class LetterQueue:
    """A queue that nobody consumes. Looking at letters leaves them there; whoever looks at the
    same time may see only some of them.

    What the redrive policy of another queue puts here, without a cause, is a letter of whom
    `whose` says. Bodies grow on their way here: make the queue for 1 MiB.
    """

    def __init__(self, queue: Queue, clock: Clock, whose: Strange) -> None:
        self._queue = queue
        self._clock = clock
        self._whose = whose

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the queue does not answer."""
        self._queue.counts()

    def put(self, source: str, body: str, cause: str, attempts: int) -> None:
        """Keep a letter that dies now."""
        letter = {
            "source": source,
            # Written as for SQS already: JSON would write control characters six times as long.
            "body": to_sqs(body),
            "cause": cause[:_CAUSE],
            "attempts": attempts,
            "died": self._clock.now(),
        }
        self._queue.send(json.dumps(letter, ensure_ascii=False))

    def letters(self, source: str) -> list[DeadLetter]:
        """Those of `source`, oldest first."""
        with self._held() as found:
            return self._sorted(found, source)

    def sources(self) -> set[str]:
        """All that have letters here."""
        with self._held() as found:
            return {self._letter(one).source for one in found.values()}

    @contextmanager
    def taking(self, source: str, ids: Collection[str]) -> Iterator[list[DeadLetter]]:
        """Those of `source` with these ids, oldest first. They are gone once the block has ended;
        where it raises, nothing is."""
        wanted = set(ids)
        if not wanted:
            yield []
            return
        with self._held(wanted) as found:
            letters = [one for one in self._sorted(found, source) if one.id in wanted]
            yield letters
            taken = [found.pop(one.id) for one in letters]
            self._queue.delete(taken)

    @contextmanager
    def _held(self, wanted: Collection[str] | None = None) -> Iterator[dict[str, Received]]:
        """All messages by id, or enough to have the wanted ones, hidden from others; what is
        still in the dictionary when the block ends is shown again."""
        found: dict[str, Received] = {}
        try:
            for _ in range(_MOST // BATCH):
                before = len(found)
                found.update((one.id, one) for one in self._queue.receive(BATCH, _HIDDEN))
                if len(found) == before or (wanted is not None and found.keys() >= set(wanted)):
                    break
            yield found
        finally:
            self._queue.hide([(one, 0) for one in found.values()])

    def _sorted(self, found: dict[str, Received], source: str) -> list[DeadLetter]:
        by_age = sorted(found.values(), key=lambda one: one.sent)
        letters = (self._letter(one) for one in by_age)
        return sorted((one for one in letters if one.source == source), key=lambda one: one.died)

    def _letter(self, message: Received) -> DeadLetter:
        fields = _fields(message.body)
        if fields is None:
            source = self._whose(message.body)
            return DeadLetter(message.id, source, message.body, _GIVEN_UP, 0, message.sent)
        return DeadLetter(
            message.id,
            fields["source"],
            from_sqs(fields["body"]),
            fields["cause"],
            fields["attempts"],
            fields["died"],
        )


_KINDS: Final = {"source": str, "body": str, "cause": str, "attempts": int, "died": int}


def _fields(body: str) -> dict[str, Any] | None:
    """What `put` wrote; None for what somebody else did."""
    try:
        fields = json.loads(body)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    right = all(isinstance(fields.get(name), kind) for name, kind in _KINDS.items())
    return fields if right else None
