"""The function `indexing`: keeps up with what changes.

The table's stream calls it with batches of changes, and the queue of what an operator has
redriven with single ones. It brings the search index up to date, hands changes on to the app's
own subscribers, and looks after messages that are still on their way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homeport.domain.errors import Invalid, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model import names
from homeport.domain.ports.deliveries import Retry
from homeport.entrypoints.lambdas import observing
from homeport.entrypoints.lambdas.functions import (
    QUEUE,
    STREAM,
    Failures,
    UnknownEvent,
    failing,
    records_of,
)
from homeport.entrypoints.lambdas.runtime import at_first_event

if TYPE_CHECKING:
    from homeport.adapters.aws.stream_events import Change
    from homeport.adapters.aws.subscriber_queue import Addressed
    from homeport.container import Backend

FUNCTION: Final = "indexing"
INDEXING, MESSAGING = "indexing", "messaging"
LATE: Final = "late_changes"
"""The metric of what was committed later than the window allows."""

Causes: TypeAlias = dict[int, str]
"""What failed for now: a change's place in the batch -> the cause."""
Step: TypeAlias = Callable[[Sequence[RecordChanged]], Causes]

log: Final = logging.getLogger("homeport.indexing")


def build(backend: Backend) -> Callable[[Any, object], Failures]:
    """Takes events of the stream and of the queue; answers which records are to come again."""
    function = Indexing(backend)

    def handler(event: Any, context: object = None) -> Failures:
        source, records = records_of(event, STREAM, QUEUE)
        return function.stream(records) if source == STREAM else function.redriven(records)

    return handler


class Indexing:
    """The work itself."""

    def __init__(self, backend: Backend) -> None:
        from homeport.domain.subscribers import consumer_of

        self._backend = backend
        self._wanted = {
            consumer_of(one.name): frozenset(one.on) for one in backend.definition.subscribers
        }
        self._done: set[tuple[str, str]] = set()
        """Steps done, by sequence number, of batches that have to come again."""

    def stream(self, records: Sequence[Any]) -> Failures:
        """Everything is done with each change, and what fails for now comes again: from the
        first such change on, since a stream only knows how to go back to a place.

        What the index will never take is parked with its cause, and holds up nothing.
        """
        from homeport.adapters.aws.stream_events import NotAStreamRecord, change_in

        try:
            found = [change_in(one) for one in records]
        except NotAStreamRecord as exc:
            raise UnknownEvent(f"the function {FUNCTION} cannot use this event: {exc}") from exc
        changes = [one for one in found if one is not None]
        if not changes:
            return failing([])
        failed = self._restamp_late(changes)
        steps = self._steps()
        for name, step in steps.items():
            for place, cause in self._once(name, step, changes).items():
                failed.setdefault(place, cause)
        if not failed:
            names_done = (LATE, *steps)
            self._done.difference_update(
                (name, one.sequence) for one in changes for name in names_done
            )
            return failing([])
        first = min(failed)
        log.warning("%d of %d changes come again: %s", len(failed), len(changes), failed[first])
        return failing([changes[first].sequence])

    def redriven(self, records: Sequence[Any]) -> Failures:
        """What an operator sent back goes to who gave it up, as the record is by now. What fails
        once more, or is no change at all, is parked again after its attempts, and costs the
        others nothing."""
        from homeport.adapters.aws.parked_letters import EVERYBODY, UNKNOWN, read_redriven
        from homeport.adapters.aws.sqs_events import messages_of

        failed: list[str] = []
        for message in messages_of({"Records": records}):
            consumer = UNKNOWN
            try:
                consumer, change = read_redriven(message.body)
            except Invalid as exc:
                causes = {0: exc.detail}
            else:
                causes = self._redrive(consumer, change._replace(sequence=message.id))
            if not causes:
                continue
            if message.receives >= Retry().attempts:
                # What is of all stays so, by its body.
                whose = INDEXING if consumer == EVERYBODY else consumer
                self._backend.parked.park(whose, message.body, causes[0], message.receives)
            else:
                log.warning("a redriven change comes again: %s", causes[0])
                failed.append(message.id)
        return failing(failed)

    def _redrive(self, consumer: str, change: Change) -> Causes:
        """`change` has the message's id for a place in the stream."""
        from homeport.adapters.aws.parked_letters import EVERYBODY

        message = change.sequence
        steps: dict[str, Iterable[Step]] = {
            INDEXING: [self._index],
            MESSAGING: [self._watch],
            EVERYBODY: self._steps(again=message).values(),
        }
        # Only what the stream's function gave up tells how late it was.
        causes = self._restamp_late([change])
        for step in steps.get(consumer, [partial(self._again, consumer, message)]):
            causes |= attempt(step, [change.event])
        if not causes:
            self._done.discard((LATE, message))
        return causes

    def _steps(self, again: str = "") -> dict[str, Step]:
        """All that is done with a change. Each is tried even where another fails: a subscribers'
        queue that is down must not keep the index waiting, nor the other way round."""
        return {
            "index": self._index,
            "watch": self._watch,
            "hand on": partial(self._hand_on, again=again),
        }

    def _once(self, name: str, step: Step, changes: Sequence[Change]) -> Causes:
        """Do a step for those that it was not done for before: a batch comes again and again
        while another step of it fails, and subscribers need not hear of it each time."""
        places = [
            place for place, one in enumerate(changes) if (name, one.sequence) not in self._done
        ]
        causes = attempt(step, [changes[place].event for place in places]) if places else {}
        if len(self._done) > _REMEMBERED:
            self._done.clear()
        self._done.update(
            (name, changes[place].sequence)
            for number, place in enumerate(places)
            if number not in causes
        )
        return {places[number]: cause for number, cause in causes.items()}

    def _index(self, events: Sequence[RecordChanged]) -> Causes:
        """Park what the index would not take; all else it has now."""
        for place, cause in self._backend.indexing.consume(events).items():
            self._backend.parked.park(INDEXING, events[place].to_json(), cause, 1)
        return {}

    def _watch(self, events: Sequence[RecordChanged]) -> Causes:
        sent = [place for place, one in enumerate(events) if one.key.collection == names.SENT]
        if not sent:
            return {}
        failed = self._backend.messages.watch([events[place] for place in sent])
        return {sent[place]: cause for place, cause in failed.items()}

    def _hand_on(self, events: Sequence[RecordChanged], again: str = "") -> Causes:
        from homeport.adapters.aws.subscriber_queue import addressed

        visible = ((place, one) for place, one in enumerate(events) if _is_visible(one))
        places, letters = _unzipped(
            (place, letter)
            for place, event in visible
            for _, letter in addressed([event], self._wanted)
        )
        if not letters:
            return {}
        failed = self._backend.subscriber_queue.send(letters, again)
        return {places[number]: cause for number, cause in failed.items()}

    def _again(self, consumer: str, message: str, events: Sequence[RecordChanged]) -> Causes:
        from homeport.adapters.aws.subscriber_queue import Addressed

        letters = [Addressed(consumer, one) for one in events]
        return dict(self._backend.subscriber_queue.send(letters, again=message))

    def _restamp_late(self, changes: Sequence[Change]) -> Causes:
        """A change that the table took later than a reader waits for gets a new version.

        Whoever pulled in between has gone past its old one. The new version is a change of its
        own, and comes down the stream as one. They are counted, each once, for somebody to be
        alarmed: something is slower than the window allows for.
        """
        from homeport.adapters.aws.late_changes import late_ones

        late = late_ones(changes)
        fresh = {(LATE, changes[place].sequence) for place in late} - self._done
        if fresh:
            observing.write(observing.count(FUNCTION, LATE, len(fresh)))
            self._done |= fresh
        failed: Causes = {}
        for place in late:
            causes = attempt(partial(self._stamp_anew, changes[place]), [changes[place].event])
            failed.update((place, cause) for cause in causes.values())
        return failed

    def _stamp_anew(self, change: Change, _: Sequence[RecordChanged]) -> Causes:
        from homeport.adapters.aws.late_changes import stamp_anew

        stamp_anew(self._backend.store, change)
        return {}


def attempt(step: Step, events: Sequence[RecordChanged]) -> Causes:
    """What a step fails for now: all of it where what it needs does not answer."""
    try:
        return step(events)
    except Unavailable as exc:
        return dict.fromkeys(range(len(events)), exc.detail)


def _is_visible(event: RecordChanged) -> bool:
    return not names.is_hidden(event.key.space)


def _unzipped(pairs: Iterable[tuple[int, Addressed]]) -> tuple[list[int], list[Addressed]]:
    both = list(pairs)
    return [place for place, _ in both], [letter for _, letter in both]


_REMEMBERED: Final = 50_000

handler = at_first_event(FUNCTION)
