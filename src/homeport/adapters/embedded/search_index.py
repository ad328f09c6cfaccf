"""Full-text search in one process, with tantivy."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from homeport.adapters.embedded.search_folder import Current, Filling, IndexFolder
from homeport.adapters.embedded.search_generation import Generation, translated
from homeport.adapters.embedded.search_rebuild import EmbeddedRebuild, End
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.search_index import Apply, Capability


class EmbeddedSearchIndex:
    """An index in a folder of its own, made for what `catalog` declares.

    `language` is a code of `search_schema.LANGUAGES`. One process uses the folder at a time.
    Where what is in it is missing, damaged, unfinished or made for another catalog, language
    or format, the index begins empty and `needs_rebuild` says why; it is to be rebuilt from
    the records then. One that was made for another catalog stays until that has been committed,
    or until changes come, which it lacks: opened with its own catalog before, it is as it was.
    Without a `clock`, time is the system's. `pause` is called after each change that was taken.
    Raises Unavailable where the folder cannot be used at all, and FolderInUse where
    a process that an earlier one lent it to does not end.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        language: str = "en",
        clock: Clock | None = None,
        pause: Pause = go_on,
    ) -> None:
        self._pause: Final = pause
        self._now: Final = _system_now if clock is None else clock.now
        self._schema: Final = SearchSchema(catalog, language)
        self._folder: Final = IndexFolder(folder)
        self._applying: Final = threading.Lock()
        self._rebuilding: EmbeddedRebuild | None = None
        self._provisional = False
        """Whether CURRENT still names what was made for another schema."""
        with translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.await_borrowers()
            self._needs_rebuild, self._live = self._open()
            left = self._left()
            self._keep_only(*(() if left is None else [left.generation]))

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._schema.capabilities

    @property
    def in_place(self) -> bool:
        return False

    @property
    def needs_rebuild(self) -> str | None:
        """Why the index does not hold what it should; None where nothing is known to be wrong."""
        return self._needs_rebuild

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        with self._applying:
            self._settle()
            rejections = self._live.apply(changes, pause=self._pause)
            if self._rebuilding is not None:
                self._rebuilding.follow(changes)
        return rejections

    def search(self, query: SearchQuery) -> SearchPage:
        return self._live.search(query)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self._live.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self._live.versions(keys)

    def status(self) -> IndexStatus:
        live = self._live
        return IndexStatus(
            live.documents(),
            self._folder.size(live.number),
            f"{self._schema.digest[:12]}.{live.number}",
            self._folder.filling() is not None,
        )

    def rebuild(self) -> EmbeddedRebuild:
        left = None if self._rebuilding is not None else self._sound_left()
        with self._applying:
            if self._rebuilding is not None:
                raise Conflict("The search index is being rebuilt already.")
            expected = self._expected()
            with translated():
                filling, fresh = self._begin(left)
            self._rebuilding = EmbeddedRebuild(
                self._folder, filling, fresh, self._end_rebuild, expected, self._pause
            )
            return self._rebuilding

    @property
    def is_scattered(self) -> bool:
        """Whether searches would come sooner in an index that is made anew: tantivy merges eight
        segments that are about as large, so there may be seven of each size, and a search asks each
        of them for each word."""
        try:
            return is_scattered(self._folder.pieces(self._live.number))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def has_room_to_rebuild(self) -> bool:
        """Whether the disk has twice the index's size: for the new one, and for its merges. What a
        rebuild has left is part of that."""
        left = self._folder.filling()
        has = self._folder.room() + (0 if left is None else self._folder.size(left.generation))
        return has >= 2 * self._folder.size(self._live.number)

    def forget_left(self) -> None:
        """Throw away what a rebuild has left, unless one goes on with it."""
        with self._applying, translated():
            if self._rebuilding is None:
                self._folder.forget_filling()
                self._keep_only()

    @contextlib.contextmanager
    def lent(self) -> Iterator[Apply | None]:
        """Let another process write to the index meanwhile, and after that until the next change
        that comes here: what it has committed is seen after `refresh`. Where the index is being
        rebuilt, what is to take the same changes; until then, no rebuild begins nor ends."""
        with self._applying:
            self._settle()
            self._live.close()
            yield None if self._rebuilding is None else self._rebuilding.follow

    def refresh(self) -> None:
        """See what another process has committed."""
        self._live.refresh()

    def close(self) -> None:
        """Let go of the folder. A rebuild that is going on is left behind."""
        with self._applying:
            if self._rebuilding is not None:
                self._rebuilding.fresh.close()
            self._live.close()
            if self._needs_rebuild is None:
                self._folder.keep_sound(self._live.number)

    def _open(self) -> tuple[str | None, Generation]:
        current = self._folder.current()
        reason = self._folder.unusable(self._schema.digest)
        if reason is None and current is not None:
            try:
                return None, self._generation(current.generation)
            except Unavailable as exc:
                reason = f"the search index is damaged: {exc.__cause__}"
        live = self._generation(self._folder.next())
        self._provisional = current is not None and current.schema != self._schema.digest
        if not self._provisional:
            self._point_to(live, complete=False)
        return reason, live

    def _settle(self) -> None:
        """Let what was made for another schema go: from now on it lacks changes."""
        if self._provisional:
            with translated():
                self._point_to(self._live, complete=False)

    def _point_to(self, generation: Generation, *, complete: bool) -> None:
        self._folder.point_to(Current(generation.number, self._schema.digest, complete=complete))
        self._provisional = False

    def _keep_only(self, *others: int) -> None:
        """Delete all generations but the one in use, the one that CURRENT names, and `others`."""
        current = self._folder.current()
        named = () if current is None else (current.generation,)
        self._folder.keep_only(self._live.number, *named, *others)

    def _left(self) -> Filling | None:
        """What a rebuild for the same fields has left behind; of another one nothing stays."""
        left = self._folder.filling()
        if left is not None and left.schema == self._schema.digest:
            return left
        self._folder.forget_filling()
        return None

    def _sound_left(self) -> Filling | None:
        """What a rebuild has left, once all of it was read: neither a start nor a change waits for
        that."""
        left = self._folder.filling()
        damaged = left is None or self._folder.damage(left.generation) is not None
        return None if damaged else left

    def _begin(self, left: Filling | None) -> tuple[Filling, Generation]:
        """The generation to fill: the one left behind, or a new one."""
        if left is not None and left == self._left():
            with contextlib.suppress(Unavailable):  # damaged in a way that its files do not show
                return left, self._generation(left.generation, filling=True)
        self._folder.forget_filling()
        self._keep_only()
        number = self._folder.next()
        fresh = self._generation(number, filling=True)
        filling = Filling(number, self._schema.digest, place="")
        self._folder.keep_filling(filling)
        return filling, fresh

    def _expected(self) -> int:
        """About as many documents as in the index before, what stays of removals included, which
        may be for other fields; 0 where that cannot be told."""
        current = self._folder.current()
        if current is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                return self._folder.documents(current.generation)
        return 0

    def _generation(self, number: int, *, filling: bool = False) -> Generation:
        path = self._folder.path(number)
        return Generation(number, path, self._schema, self._now, filling=filling)

    def _end_rebuild(self, rebuild: EmbeddedRebuild, end: End) -> bool:
        with self._applying:
            if self._rebuilding is not rebuild:
                return False
            old = fresh = rebuild.fresh
            if end is End.COMMITTED:
                rebuild.check()
                fresh.filled()
                with translated():
                    self._point_to(fresh, complete=True)
                self._live, old = fresh, self._live
                self._needs_rebuild = None
            self._rebuilding = None
        old.close()
        if end is not End.LEFT:
            with translated():
                self._folder.forget_filling()
            self._keep_only()
        return True


def _system_now() -> int:
    return time.time_ns() // 1000


def is_scattered(pieces: Sequence[int]) -> bool:
    """Whether that many documents in each segment are better put together."""
    documents = sum(pieces)
    return (
        documents >= _MANY
        and len(pieces) >= _PIECES
        and documents - max(pieces) >= documents * _OUTSIDE
    )


_MANY: Final = 20_000
"""Documents from which on it makes a difference."""
_PIECES: Final = 8
_OUTSIDE: Final = 0.25
"""The share of the documents that lie outside of the largest piece. An index that has grown to so
many documents has made four times as many anew on its way."""
