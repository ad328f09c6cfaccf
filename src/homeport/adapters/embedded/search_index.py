"""Full-text search in one process, with tantivy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from homeport.adapters.embedded.search_folder import Current, IndexFolder
from homeport.adapters.embedded.search_generation import Generation, translated
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, IndexEntry, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Capability


class EmbeddedSearchIndex:
    """An index in a folder of its own, made for what `catalog` declares.

    `language` is a code of `search_schema.LANGUAGES`. One process uses the folder at a time.
    Where what is in it is missing, damaged, unfinished or made for another catalog, language
    or format, the index begins empty and `needs_rebuild` says why; it is to be rebuilt from
    the records then. Raises Unavailable where the folder cannot be used at all.
    """

    def __init__(self, folder: Path, catalog: Catalog, language: str = "en") -> None:
        self._schema: Final = SearchSchema(catalog, language)
        self._folder: Final = IndexFolder(folder)
        self._applying: Final = threading.Lock()
        self._fresh: Generation | None = None
        with translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._needs_rebuild, self._live = self._open()
            self._folder.keep_only(self._live.number)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.STEMMING} if self._schema.stems else ())

    @property
    def needs_rebuild(self) -> str | None:
        """Why the index does not hold what it should; None where nothing is known to be wrong."""
        return self._needs_rebuild

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        with self._applying:
            rejections = self._live.apply(changes)
            if self._fresh is not None:
                self._fresh.apply(changes, commit=False)
        return rejections

    def search(self, query: SearchQuery) -> SearchPage:
        return self._live.search(query)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self._live.entries(limit, after)

    def rebuild(self) -> EmbeddedRebuild:
        with self._applying:
            if self._fresh is not None:
                raise Conflict("The search index is being rebuilt already.")
            with translated():
                number = self._folder.next()
                fresh = Generation(number, self._folder.path(number), self._schema, filling=True)
            self._fresh = fresh
        return EmbeddedRebuild(fresh, self._end_rebuild)

    def close(self) -> None:
        """Let go of the folder. A rebuild that is going on comes to nothing."""
        with self._applying:
            if self._fresh is not None:
                self._fresh.close()
            self._live.close()

    def _open(self) -> tuple[str | None, Generation]:
        current = self._folder.current()
        if current is None:
            reason = "there is no search index yet"
        elif current.schema != self._schema.digest:
            reason = "the search index was made for other fields, language or version"
        elif not current.complete:
            reason = "the search index was never filled"
        else:
            damage = self._folder.damage(current.generation)
            if damage is None:
                number = current.generation
                try:
                    return None, Generation(number, self._folder.path(number), self._schema)
                except Unavailable as exc:
                    damage = str(exc.__cause__)
            reason = f"the search index is damaged: {damage}"
        number = self._folder.next()
        live = Generation(number, self._folder.path(number), self._schema)
        self._folder.point_to(Current(number, self._schema.digest, complete=False))
        return reason, live

    def _end_rebuild(self, fresh: Generation, *, take: bool) -> None:
        with self._applying:
            if self._fresh is not fresh:
                return
            if take:
                fresh.filled()
                with translated():
                    self._folder.point_to(Current(fresh.number, self._schema.digest, complete=True))
                self._live, old = fresh, self._live
                self._needs_rebuild = None
            else:
                old = fresh
            self._fresh = None
        old.close()
        self._folder.keep_only(self._live.number)


class EmbeddedRebuild:
    """Fills one generation; `end` puts it in use, or throws it away."""

    def __init__(self, fresh: Generation, end: Callable[..., None]) -> None:
        self._fresh = fresh
        self._end = end

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        return self._fresh.apply(changes, commit=False)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        self._fresh.commit()
        return self._fresh.entries(limit, after)

    def commit(self) -> None:
        self._end(self._fresh, take=True)

    def abandon(self) -> None:
        self._end(self._fresh, take=False)
