"""Two adapters of one port take the same steps, and everything that comes out is compared.

The reference is the adapter in memory; beside it goes the adapter under test, in a folder of its
own, which it may have to open again at any step. Both have the same time, and at each step the
same ids, however many the one or the other asks for.

What a failure prints can be pasted into a prompt (see CONTRIBUTING.md), so the arguments of
steps are short and evaluate: texts, numbers, enums.
"""

from __future__ import annotations

import functools
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NoReturn, TypeAlias, TypeVar
from unittest import mock

from hypothesis.stateful import RuleBasedStateMachine, rule

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain import limits
from homeport.domain.errors import HomeportError, Unauthenticated
from homeport.domain.model.writes import GuardFailed, WriteRefused

Port = TypeVar("Port")
R = TypeVar("R")
S = TypeVar("S", bound="Agreement[Any]")

STEPS: Final[Counter[str]] = Counter()
"""How many steps each machine has taken in this process."""
_SHOWN: Final = 600
_address: Final = re.compile(" at 0x[0-9a-f]+")
_IDS_FOR_A_STEP: Final = 200


class Disagreement(AssertionError):
    """The two adapters gave, raised or hold different things."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A refusal, by what a caller can tell it by: its words are each adapter's own."""

    kind: str
    told: tuple[object, ...] = ()


Pair: TypeAlias = tuple[R, R]
"""What the reference gave, and what the adapter under test gave."""


class StepIds(SequentialIds):
    """Ids that begin anew at each step, at a number of its own."""

    def begin(self, step: int) -> None:
        first = step * _IDS_FOR_A_STEP + 1
        self._records, self._identities, self._secrets, self._tails = (
            itertools.count(first) for _ in range(4)
        )


def step(**drawn: Any) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A rule of a machine; takes what `hypothesis.stateful.rule` takes."""

    def mark(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def stepped(machine: Agreement[Any], **arguments: Any) -> R:
            with machine.stepping():
                return function(machine, **arguments)

        marked: Callable[..., R] = rule(**drawn)(stepped)  # type: ignore[no-untyped-call]  # its overloads
        return marked

    return mark


class Agreement(RuleBasedStateMachine, Generic[Port]):
    """What the machines share. Each says what both adapters are, and what the steps do."""

    smaller: ClassVar[Mapping[str, int]] = {}
    """Limits of the domain that few steps could reach, by name -> what they are here."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self._ids = StepIds(), StepIds()
        self._number = 0
        self._within = False
        self._agreed = True
        self._undo = ExitStack()
        for name, value in self.smaller.items():
            self._undo.enter_context(mock.patch.object(limits, name, value))
        self.folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory()))
        with self.stepping(count=False):
            self.reference = self.made(self._ids[0])
            self.tested = self.opened(self._ids[1])

    # What each machine says

    def made(self, ids: StepIds) -> Port:
        """The reference, new."""
        raise NotImplementedError

    def opened(self, ids: StepIds) -> Port:
        """The adapter under test over what `folder` holds, nothing at first."""
        raise NotImplementedError

    def closed(self) -> None:
        """Let go of `folder`."""

    def compare_all(self) -> None:
        """Compare whole contents, at the end."""

    # Steps that every machine has

    @step()
    def restart(self) -> None:
        self.closed()
        self.tested = self.opened(self._ids[1])

    # What steps are made of

    def both(
        self,
        call: Callable[[Port], R],
        meaning: Callable[[R], object] = lambda given: given,
    ) -> Pair[R] | None:
        """Call both, and fail unless both give the same by its `meaning`, or refuse alike.

        Returns what they gave; None where they refused.
        """
        ours, theirs = _outcome(call, self.reference), _outcome(call, self.tested)
        if isinstance(ours, Raised) or isinstance(theirs, Raised):
            self.same(ours, theirs)
            return None
        self.same(meaning(ours), meaning(theirs))
        return ours, theirs

    def same(self, ours: object, theirs: object) -> None:
        if ours != theirs:
            self.disagree(f"the reference: {_short(ours)}\nunder test:    {_short(theirs)}")

    def disagree(self, told: str) -> NoReturn:
        raise Disagreement(f"they disagree.\n{told}")

    # The machinery

    @contextmanager
    def stepping(self, count: bool = True) -> Iterator[None]:
        """Around each step. One within another belongs to it; after one that fails, nothing
        more is compared."""
        if self._within:
            yield
            return
        self._number += 1
        for ids in self._ids:
            ids.begin(self._number)
        STEPS[type(self).__name__] += count
        self._within, self._agreed = True, False
        yield
        self._within, self._agreed = False, True

    def teardown(self) -> None:
        try:
            if self._agreed:
                with self.stepping(count=False):
                    self.compare_all()
        finally:
            self.closed()
            self._undo.close()


def _outcome(call: Callable[[Port], R], adapter: Port) -> R | Raised:
    try:
        return call(adapter)
    except Unauthenticated as exc:
        return Raised("Unauthenticated", (exc.reason,))
    except HomeportError as exc:
        return Raised(type(exc).__name__, exc.faults)
    except WriteRefused as exc:
        return Raised("WriteRefused", (exc.index, exc.reason, exc.current))
    except GuardFailed as exc:
        return Raised("GuardFailed", (exc.role,))


def _short(told: object) -> str:
    text = _address.sub("", repr(told))  # so that a history fails in the same words again
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
