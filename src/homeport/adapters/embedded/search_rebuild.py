"""Fills the generation that comes next, while the present one answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from homeport.adapters.embedded.search_folder import Filling, IndexFolder
from homeport.adapters.embedded.search_generation import Generation, translated
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.record import Key
from homeport.domain.pauses import Pause


class End(Enum):
    """What becomes of a rebuild."""

    COMMITTED = auto()
    LEFT = auto()
    ABANDONED = auto()


class EmbeddedRebuild:
    """`end` puts the generation in use, leaves it or throws it away. The first time counts, and
    returns True. About so many `documents` will come. `pause` is called after each change."""

    def __init__(
        self,
        folder: IndexFolder,
        filling: Filling,
        fresh: Generation,
        end: Callable[[EmbeddedRebuild, End], bool],
        documents: int,
        pause: Pause,
    ) -> None:
        self._folder: Final = folder
        self._filling = filling
        self.fresh: Final = fresh
        self._end: Final = end
        self._keeping: Final = threading.Lock()
        self._portion: Final = portion_of(documents)
        self._pause: Final = pause
        self._failure: Unavailable | None = None

    @property
    def place(self) -> str:
        return self._filling.place

    @property
    def head_start(self) -> float:
        """None: whoever changes the index does so by way of this process, which reaches both."""
        return 0.0

    @property
    def portion(self) -> int:
        return self._portion

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self.check()
        return self.fresh.apply(changes, commit=False, pause=self._pause)

    def follow(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        """Take what the index has taken that answers. Where that fails, so does the rebuild, and
        nobody has to wait for it."""
        try:
            return self.apply(changes)
        except Unavailable as exc:
            self._failure = self._failure or exc
            return []

    def check(self) -> None:
        """Raises Unavailable where it lacks what has changed meanwhile."""
        if self._failure is not None:
            raise Unavailable("The new search index cannot be written.") from self._failure

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        self.check()
        self.fresh.commit()
        return self.fresh.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        self.check()
        return self.fresh.versions(keys)

    def keep(self, place: str) -> None:
        self.check()
        with self._keeping:
            self.fresh.commit()
            filling = replace(self._filling, place=place)
            with translated():
                self._folder.keep_filling(filling)
            self._filling = filling

    def leave(self) -> None:
        self._end(self, End.LEFT)

    def commit(self, grace: float = 0.0) -> None:
        """The old generation goes at once: it is asked by this process alone."""
        if not self._end(self, End.COMMITTED):
            raise Conflict("This rebuild of the search index has ended already.")

    def abandon(self) -> None:
        self._end(self, End.ABANDONED)


def portion_of(documents: int) -> int:
    """How many of `documents` to commit at a time, so that few segments come of them.

    Each commit makes a segment, and tantivy merges eight as soon as they are about as large. So
    eight commits become one segment, and sixty-four: searches ask each segment, and to read all in
    order takes as many times as long as there are.
    """
    commit = documents
    while commit > _LARGEST:
        commit = -(-commit // _MERGED)
    # What comes until it is kept goes beyond: one commit too few would leave fifteen segments.
    return int(commit / _BEYOND) if commit < documents else _LARGEST


_MERGED: Final = 8
_LARGEST: Final = 19_000
"""With what goes beyond, fewer than a generation commits by itself. An eighth of it is more than
2,102: tantivy takes segments for alike that have up to 10,000 documents, or 1.68 times as many."""
_BEYOND: Final = 1.02
"""As many times a portion may come to it."""
