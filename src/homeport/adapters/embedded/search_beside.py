"""The search index of a data folder that another process has: for looking at it, no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from homeport.adapters.embedded.folder import FolderInUse
from homeport.adapters.embedded.search_folder import IndexFolder
from homeport.adapters.embedded.search_generation import Generation
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Capability, Rebuild

_T = TypeVar("_T")


class EmbeddedIndexBeside:
    """Every call sees what the other process has committed by then, also after a rebuild. It
    writes nothing, and raises FolderInUse where it is asked to."""

    def __init__(self, folder: Path, catalog: Catalog, language: str = "en") -> None:
        self._schema: Final = SearchSchema(catalog, language)
        self._folder: Final = IndexFolder(folder)
        self._place: Final = folder
        self._generation: Generation | None = None
        self._seen: tuple[int, ...] | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._schema.capabilities

    @property
    def in_place(self) -> bool:
        return False

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self._refuse()

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
        current = self._folder.current()
        if current is None:
            raise Unavailable(f"There is no search index in {self._place}.")
        if current.schema != self._schema.digest:
            raise Unavailable(
                "The server that runs uses other fields, another language or another version "
                "than this definition: start it anew."
            )
        if self._generation is None or self._generation.number != current.generation:
            path = self._folder.path(current.generation)
            if not path.is_dir():  # opening it would make one
                raise Unavailable("The search index has just been replaced.")
            # It is never written to, so that nothing of it expires.
            self._generation = Generation(current.generation, path, self._schema, lambda: 0)
        return self._generation

    def _refuse(self) -> NoReturn:
        raise FolderInUse(
            f"The search index in {self._place} is written by the process that has it: stop that "
            "one first."
        )


_LOOKS: Final = 4
