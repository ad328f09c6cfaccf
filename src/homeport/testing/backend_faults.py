"""What can go wrong in a test's backend, when the test says so: `backend.faults`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from homeport.adapters.memory.faults import Crash, Faults, replayed, shuffled, twice
from homeport.domain.errors import Unavailable
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.message_queue import Work


class BackendFaults:
    """Plans faults; all of them can be planned together, and `clear` ends them.

    A step is named as the backend names it: `"store.write"`, `"queue.enqueue"`, `"push.send"`,
    `"index.apply"`, `"feed.deliver"`, `"identity_provider.sign_in"`, and so on.
    """

    def __init__(self, ports: Mapping[str, object], faults: Mapping[str, Faults]) -> None:
        """`ports` and `faults` are by the names that the backend has for the ports."""
        self._ports: Final = ports
        self._faults: Final = faults
        self._stream: Final[list[Callable[[Consume], Consume]]] = []
        self._consumers: Final[dict[str, Consume]] = {}
        self._redelivers = False
        self._reorders = False

    def fail(self, step: str, error: BaseException | None = None, times: int = 1) -> None:
        """The next `times` calls of `step` do nothing and raise `error`: by default
        Unavailable."""
        faults, method = self._find(step)
        faults.fail(method, error, times)

    def throttle(self, times: int = 1) -> None:
        """The next `times` writes are refused by a store that wants to be asked less often."""
        self.fail("store.write", Unavailable("The store is throttled."), times)

    def interrupt(self, step: str, action: Callable[[], object]) -> None:
        """Right before the next call of `step`, `action` happens: somebody else was faster."""
        faults, method = self._find(step)
        faults.interrupt(method, action)

    @contextmanager
    def crash(self, *, before: str | None = None, after: str | None = None) -> Iterator[None]:
        """The process ends at a step: where the block first comes to it, the block is left.

            with backend.faults.crash(after="store.write"):
                app.share(...)      # was written, but nobody was told
            backend.advance(60)     # "started again": what is safe is done in the end

        Fails where the block never comes to the step, and raises ValueError unless one of
        `before` and `after` is given.
        """
        __tracebackhide__ = True
        if (before is None) == (after is None):
            raise ValueError("say where: before or after which step")
        step = before or after or ""
        faults, method = self._find(step)
        crash = Crash()
        if before is not None:
            faults.fail(method, crash)
        else:
            faults.lose_answer(method, crash)
        try:
            yield
        except Crash as raised:
            if raised is not crash:
                raise
        else:
            faults.clear()
            raise AssertionError(f"nothing crashed: {step} was not called")

    def duplicate(self) -> None:
        """From now on every batch of events comes twice."""
        self._disturb(twice)

    def reorder(self, seed: int = 0) -> None:
        """From now on events of different records come in another order, drawn from `seed`;
        those of one record keep theirs, as in real streams."""
        self._reorders = True
        self._disturb(partial(shuffled, draw=random.Random(seed)))

    def replay(self, seed: int = 0) -> None:
        """From now on some earlier events, drawn from `seed`, come again before each batch."""
        self._disturb(partial(replayed, draw=random.Random(seed)))

    def redeliver(self) -> None:
        """From now on the queue hands out everything twice."""
        self._redelivers = True

    def clear(self) -> None:
        """Everything works again. What failed before stays failed, until it is tried again."""
        for faults in self._faults.values():
            faults.clear()
        self._stream.clear()
        self._consumers.clear()
        self._redelivers = False
        self._reorders = False

    @property
    def reorders(self) -> bool:
        """Whether events come in another order. For the backend's own use."""
        return self._reorders

    def consumer(self, name: str, consume: Consume) -> Consume:
        """`consume` as the stream reaches it. For the backend's own use."""
        if name not in self._consumers:
            for disturb in self._stream:
                consume = disturb(consume)
            self._consumers[name] = consume
        return self._consumers[name]

    def worker(self, work: Work) -> Work:
        """`work` as the queue reaches it. For the backend's own use."""
        return twice(work) if self._redelivers else work

    def _disturb(self, disturb: Callable[[Consume], Consume]) -> None:
        self._stream.append(disturb)
        self._consumers.clear()

    def _find(self, step: str) -> tuple[Faults, str]:
        name, _, method = step.partition(".")
        if name not in self._ports:
            raise ValueError(f"{step!r} is no step: it begins with {_listed(self._ports)}")
        methods = [
            one
            for one in dir(self._ports[name])
            if not one.startswith("_") and callable(getattr(self._ports[name], one))
        ]
        if method not in methods:
            raise ValueError(f"{step!r} is no step: {name} has {_listed(methods)}")
        return self._faults[name], method


def _listed(words: Mapping[str, object] | list[str]) -> str:
    return ", ".join(sorted(words))
