"""What was uploaded, what of it is visible, and in which order it was applied.

CloudSearch promises neither that a search sees what was just uploaded, nor an order among
documents that it received in the same second. So here a change is visible only after a delay,
and of the changes of one id within one second a drawn one comes last, whichever it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from homeport.testing.cloudsearch.documents import Document

Order = Literal["drawn", "reversed", "arrival"]
"""Of the changes of one id in one second: by lot, the first comes last, or as they came."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document as it is to be, or None where it is to be no more."""

    id: str
    document: Document | None


@dataclass(frozen=True, slots=True)
class _Received:
    change: Change
    at: float
    rank: tuple[int, float]
    """The second, and the place within it. The highest of an id is its last change."""


@dataclass(slots=True)
class _Replica:
    lag: float
    applied: int = 0
    newest: dict[str, _Received] = field(default_factory=dict)


class Index:
    """All changes, and as many replicas of what they lead to as the domain has."""

    def __init__(self, delay: float, order: Order, seed: int, replicas: int) -> None:
        """`delay` in seconds; the second replica lags twice as long, and so on."""
        self._order: Final = order
        self._lots: Final = random.Random(seed)
        self._log: list[_Received] = []
        self._replicas = [_Replica(delay * (1 + nth)) for nth in range(replicas)]

    @property
    def lag(self) -> float:
        """Seconds after which every replica shows a change."""
        return max(replica.lag for replica in self._replicas)

    def receive(self, changes: Sequence[Change], now: float) -> None:
        for change in changes:
            self._log.append(_Received(change, now, (int(now), self._place())))

    def _place(self) -> float:
        if self._order == "drawn":
            return self._lots.random()
        return float(len(self._log) if self._order == "arrival" else -len(self._log))

    def visible(self, now: float, replica: int = 0) -> list[Document]:
        """The documents that a replica shows, in no order that means something."""
        shown = self._replicas[replica]
        while shown.applied < len(self._log):
            received = self._log[shown.applied]
            if received.at + shown.lag > now:
                break
            shown.applied += 1
            known = shown.newest.get(received.change.id)
            if known is None or received.rank > known.rank:
                shown.newest[received.change.id] = received
        found = (received.change.document for received in shown.newest.values())
        return [document for document in found if document is not None]

    def any_received(self, holds: Callable[[Document], bool]) -> bool:
        """Whether something is true of any document, visible already or not."""
        documents = (received.change.document for received in self._log)
        return any(document is not None and holds(document) for document in documents)
