"""The search index of a data folder that nobody writes to: to look at, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexEntry, IndexStatus
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key


class EmbeddedIndexToLookAt(EmbeddedIndexBeside):
    """Where `needs_rebuild` says why it cannot be used, it is as an empty one: whoever looks, even
    with another catalog than it was made for, makes, changes and deletes nothing."""

    def __init__(self, folder: Path, catalog: Catalog, language: str = "en") -> None:
        super().__init__(folder, catalog, language)
        self.needs_rebuild: Final = self._folder.unusable(self._schema.digest)

    def search(self, query: SearchQuery) -> SearchPage:
        if self.needs_rebuild is not None:
            raise Unavailable(f"{self.needs_rebuild[0].upper()}{self.needs_rebuild[1:]}.")
        return super().search(query)

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return super().entries(limit, after) if self.needs_rebuild is None else []

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return super().versions(keys) if self.needs_rebuild is None else [None] * len(keys)

    def status(self) -> IndexStatus:
        reason, current = self.needs_rebuild, self._folder.current()
        if reason is None:
            return super().status()
        schema, number, size = self._schema.digest, 0, 0
        if current is not None:
            schema, number = current.schema, current.generation
            size = self._folder.size(number)
        return IndexStatus(0, size, f"{schema[:12]}.{number}", self._folder.filling() is not None)
