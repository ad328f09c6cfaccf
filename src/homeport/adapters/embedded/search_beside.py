"""The search index of a data folder that another process has: to look at, and by its leave to
write to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from homeport.adapters.embedded.folder import FolderInUse
from homeport.adapters.embedded.search_folder import Current, IndexFolder
from homeport.adapters.embedded.search_generation import Generation, translated
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.search_index import Capability, Rebuild

_T = TypeVar("_T")


class EmbeddedIndexBeside:
    """Every call sees what has been committed by then, whoever did it, also after a rebuild.

    With a `clock` it takes changes as well, where the process that has the folder does not write
    to the index meanwhile; `pause` is called after each. That process does not begin anew until
    `close`, or this process's end. Without one it raises FolderInUse.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        language: str = "en",
        clock: Clock | None = None,
        pause: Pause = go_on,
    ) -> None:
        self._schema: Final = SearchSchema(catalog, language)
        self._folder: Final = IndexFolder(folder)
        self._place: Final = folder
        self._clock: Final = clock
        self._pause: Final = pause
        self._written: Generation | None = None
        """What is written to: it has a view of its own."""
        self._generation: Generation | None = None
        self._seen: tuple[int, ...] | None = None
        self._borrowed: Final = ExitStack()
        if clock is not None:
            with translated():
                self._borrowed.enter_context(self._folder.borrowed())

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._schema.capabilities

    @property
    def in_place(self) -> bool:
        return False

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        if self._clock is None:
            self._refuse()
        current = self._current()
        if self._written is None or self._written.number != current.generation:
            self._let_go()
            self._written = self._open(current, self._clock.now)
        return self._written.apply(changes, pause=self._pause)

    def rebuild(self) -> Rebuild:
        self._refuse()

    def search(self, query: SearchQuery) -> SearchPage:
        return self._look(lambda generation: generation.search(query))

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self._look(lambda generation: generation.entries(limit, after))

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self._look(lambda generation: generation.versions(keys))

    def status(self) -> IndexStatus:
        return self._look(
            lambda live: IndexStatus(
                live.documents(),
                self._folder.size(live.number),
                f"{self._schema.digest[:12]}.{live.number}",
                self._folder.filling() is not None,
            )
        )

    def close(self) -> None:
        """Let others write to the folder, once the merges that are going on have ended."""
        self._let_go()
        self._borrowed.close()

    def _let_go(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            written.close()

    def _look(self, work: Callable[[Generation], _T]) -> _T:
        """Files that were listed a moment ago may be merged away before they are opened."""
        for _ in range(_LOOKS):
            with suppress(Unavailable):
                return self._look_once(work)
            self._generation = None
        return self._look_once(work)

    def _look_once(self, work: Callable[[Generation], _T]) -> _T:
        known = self._generation
        seen = None if known is None else self._folder.state(known.number)
        if known is None or seen is None or seen != self._seen:
            known = self._newest()
            seen = self._folder.state(known.number)
            known.refresh()
            self._seen = seen
        return work(known)

    def _newest(self) -> Generation:
        current = self._current()
        if self._generation is None or self._generation.number != current.generation:
            # It is never written to, so that nothing of it expires.
            self._generation = self._open(current, lambda: 0)
        return self._generation

    def _current(self) -> Current:
        current = self._folder.current()
        if current is None:
            raise Unavailable(f"There is no search index in {self._place}.")
        if current.schema != self._schema.digest:
            raise Unavailable(
                "The server that runs uses other fields, another language or another version "
                "than this definition: start it anew."
            )
        return current

    def _open(self, current: Current, now: Callable[[], int]) -> Generation:
        path = self._folder.path(current.generation)
        if not path.is_dir():  # opening it would make one
            raise Unavailable("The search index has just been replaced.")
        return Generation(current.generation, path, self._schema, now)

    def _refuse(self) -> NoReturn:
        raise FolderInUse(
            f"The search index in {self._place} is written by the process that has it: stop that "
            "one first."
        )


_LOOKS: Final = 4
