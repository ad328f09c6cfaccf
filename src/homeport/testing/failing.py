"""Remembers what failed when it was last tried, of what a test's backend does in the background."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from homeport.domain.events import RecordChanged
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.message_queue import Delivery, Work

QUEUE = "queue:messages"


@dataclass(frozen=True, slots=True)
class Failure:
    """A change or a queued job that failed. `source` is the consumer or the queue, `what` a
    record's key (`space/collection/id`) or the job's body."""

    source: str
    what: str
    cause: str


class Failures:
    def __init__(self) -> None:
        self._failed: dict[tuple[str, object], Failure] = {}

    def all(self) -> list[Failure]:
        return list(self._failed.values())

    def consumer(self, name: str, consume: Consume) -> Consume:
        def noted(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            tried = [(event.version, "/".join(event.key)) for event in events]
            try:
                failed = consume(events)
            except Exception as exc:
                self._note(name, tried, dict.fromkeys(range(len(tried)), _told(exc)))
                raise
            self._note(name, tried, failed)
            return failed

        return noted

    def worker(self, work: Work) -> Work:
        def noted(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            tried = [(one.id, one.body) for one in deliveries]
            try:
                failed = work(deliveries)
            except Exception as exc:
                self._note(QUEUE, tried, dict.fromkeys(range(len(tried)), _told(exc)))
                raise
            places = {place: failed[id] for place, (id, _) in enumerate(tried) if id in failed}
            self._note(QUEUE, tried, places)
            return failed

        return noted

    def _note(
        self, source: str, tried: Iterable[tuple[object, str]], failed: Mapping[int, str]
    ) -> None:
        for place, (delivery, what) in enumerate(tried):
            self._failed.pop((source, delivery), None)
            if place in failed:
                self._failed[source, delivery] = Failure(source, what, failed[place])


def _told(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"
