"""Rebuilds of a search index that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from homeport.adapters.memory.search_index import End, MemoryRebuild, MemorySearchIndex
from homeport.domain.errors import Conflict
from homeport.domain.model.document import Document, IndexChange, IndexEntry, Rejection, Removal
from homeport.domain.model.record import Key


class RebuildsForNothing(MemoryRebuild):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return []


class RebuildsWithoutRemovals(MemoryRebuild):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return super().apply([one for one in changes if not isinstance(one, Removal)])


class ListsNothingOfTheNew(MemoryRebuild):
    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return []


class TellsNoVersionsOfItsOwn(MemoryRebuild):
    """It tells those that were applied to it by others alone."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._own: set[Key] = set()

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self._own.update(one.key for one in changes if isinstance(one, Document))
        return super().apply(changes)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        found = zip(keys, super().versions(keys), strict=True)
        return [None if key in self._own else version for key, version in found]


class KeepsNoPlace(MemoryRebuild):
    def keep(self, place: str) -> None:
        return


class KeepsTheFirstPlace(MemoryRebuild):
    def keep(self, place: str) -> None:
        super().keep(self._fresh.place or place)


class KeepsAShortPlace(MemoryRebuild):
    def keep(self, place: str) -> None:
        super().keep(place[:255])


class BeginsSomewhere(MemoryRebuild):
    @property
    def place(self) -> str:
        return super().place or "{}"


class NeverBegins(MemoryRebuild):
    @property
    def head_start(self) -> float:
        return float("inf")


class IsNeverFilled(MemoryRebuild):
    @property
    def portion(self) -> int:
        return 0


class AbandonsWhatIsLeft(MemoryRebuild):
    def leave(self) -> None:
        self._finish(End.ABANDONED)


class NeverLeaves(MemoryRebuild):
    def leave(self) -> None:
        return


class NeverTakesOver(MemoryRebuild):
    def commit(self, grace: float = 0.0) -> None:
        self._finish(End.ABANDONED)


class TakesOverWhatOthersFill(MemoryRebuild):
    """It is committed though it has ended."""

    def commit(self, grace: float = 0.0) -> None:
        with suppress(Conflict):
            super().commit(grace)


class AbandonsByTakingOver(MemoryRebuild):
    def abandon(self) -> None:
        self._finish(End.COMMITTED)


class AbandonsByLeaving(MemoryRebuild):
    def abandon(self) -> None:
        self._finish(End.LEFT)


class NeverEnds(MemoryRebuild):
    def abandon(self) -> None:
        return


REBUILDS: Final[Sequence[type[MemoryRebuild]]] = (
    RebuildsForNothing,
    RebuildsWithoutRemovals,
    ListsNothingOfTheNew,
    TellsNoVersionsOfItsOwn,
    KeepsNoPlace,
    KeepsTheFirstPlace,
    KeepsAShortPlace,
    BeginsSomewhere,
    NeverBegins,
    IsNeverFilled,
    AbandonsWhatIsLeft,
    NeverLeaves,
    NeverTakesOver,
    TakesOverWhatOthersFill,
    AbandonsByTakingOver,
    AbandonsByLeaving,
    NeverEnds,
)


def rebuilding_with(kind: type[MemoryRebuild]) -> type[MemorySearchIndex]:
    """A sound index whose rebuilds are of this kind."""

    class Rebuilding(MemorySearchIndex):
        def rebuild(self) -> MemoryRebuild:
            sound = super().rebuild()
            return kind(sound._lock, sound._fresh, sound._finish)

    return Rebuilding
