"""Faults on demand, for tests: what goes wrong, when the test says so.

Around any port, its calls can fail or lose their answers:

    store, faults = with_faults(MemoryRecordStore(clock, ids))
    faults.fail("write", Unavailable("no store"), times=2)
    faults.lose_answer("enqueue")       # it is done, and the caller crashes before it knows

Around any consumer of a change feed or worker of a queue, deliveries can come twice, late, out
of order and again long after, as real streams hand them over:

    feed.deliver("indexing", twice(shuffled(indexing.consume, random.Random(1))))
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import Consume

Port = TypeVar("Port")
Item = TypeVar("Item")
Name = TypeVar("Name", int, str)


class Crash(BaseException):
    """The process ended here, as far as a test can have it: only the test catches this."""


class Faults:
    """What is planned for the next calls of one port, by the name of the method."""

    def __init__(self) -> None:
        self._before: Final[defaultdict[str, deque[Callable[[], object]]]] = defaultdict(deque)
        self._after: Final[defaultdict[str, deque[BaseException]]] = defaultdict(deque)

    def fail(self, method: str, error: BaseException | None = None, times: int = 1) -> None:
        """The next `times` calls do nothing and raise `error`: by default Unavailable."""
        raised = error or Unavailable("The test wants it so.")

        def refuse() -> None:
            raise raised

        self._before[method].extend([refuse] * times)

    def interrupt(self, method: str, action: Callable[[], object]) -> None:
        """Right before the next call somebody else does `action`: a race, on demand."""
        self._before[method].append(action)

    def lose_answer(self, method: str, error: BaseException | None = None, times: int = 1) -> None:
        """The next `times` calls do all that they should, and then raise `error`: by default a
        Crash, as when the process ends between a write and its acknowledgement."""
        self._after[method].extend([error or Crash()] * times)

    def clear(self) -> None:
        """Forget what is still planned."""
        self._before.clear()
        self._after.clear()

    def begin(self, method: str) -> None:
        """Called before each call of the port."""
        if self._before[method]:
            self._before[method].popleft()()

    def end(self, method: str) -> None:
        """Called after each call of the port that returned."""
        if self._after[method]:
            raise self._after[method].popleft()


def with_faults(port: Port) -> tuple[Port, Faults]:
    """The same port, and the faults that its calls have from now on."""
    faults = Faults()
    return cast(Port, _Faulty(port, faults)), faults


class _Faulty:
    """Passes everything on to the port, with faults around the calls."""

    def __init__(self, port: object, faults: Faults) -> None:
        self._port = port
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._faults.begin(name)
            result = found(*args, **kwargs)
            self._faults.end(name)
            return result

        return call


Handler = Callable[[Sequence[Item]], Mapping[Name, str]]
"""A feed's `Consume` or a queue's `Work`."""


def twice(handle: Handler[Item, Name]) -> Handler[Item, Name]:
    """Every batch comes twice."""

    def deliver(batch: Sequence[Item]) -> Mapping[Name, str]:
        handle(batch)
        return handle(batch)

    return deliver


def delayed(handle: Handler[Item, Name], times: int = 1) -> Handler[Item, Name]:
    """The first `times` batches fail on their way, and so come later than others."""
    left = times

    def deliver(batch: Sequence[Item]) -> Mapping[Name, str]:
        nonlocal left
        if left:
            left -= 1
            raise Unavailable("The delivery is late.")
        return handle(batch)

    return deliver


def crashing(handle: Handler[Item, Name], times: int = 1) -> Handler[Item, Name]:
    """The first `times` batches are worked on, but the process ends before anybody knows."""
    left = times

    def deliver(batch: Sequence[Item]) -> Mapping[Name, str]:
        nonlocal left
        outcome = handle(batch)
        if left:
            left -= 1
            raise Crash
        return outcome

    return deliver


def shuffled(consume: Consume, draw: random.Random) -> Consume:
    """Each batch comes in another order; the changes of one record keep theirs."""

    def deliver(events: Sequence[RecordChanged]) -> Mapping[int, str]:
        places: defaultdict[Key, deque[int]] = defaultdict(deque)
        for place, event in enumerate(events):
            places[event.key].append(place)
        keys = [event.key for event in events]
        draw.shuffle(keys)
        order = [places[key].popleft() for key in keys]
        failed = consume([events[place] for place in order])
        return {order[place]: cause for place, cause in failed.items()}

    return deliver


def replayed(consume: Consume, draw: random.Random) -> Consume:
    """Before each batch up to ten events come again that came before, as after a stream was set
    back."""
    past: list[RecordChanged] = []

    def deliver(events: Sequence[RecordChanged]) -> Mapping[int, str]:
        if past:
            consume(past[draw.randrange(len(past)) :][:10])
        past.extend(events)
        return consume(events)

    return deliver
