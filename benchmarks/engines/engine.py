"""What a search engine is to `benchmarks.search_adapters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from homeport.domain.model.document import Document
from homeport.domain.model.query import SearchQuery
from homeport.domain.ports.search_index import SearchIndex

MARK: Final = "zzmarkzz"
"""Stands in a query for the word that is looked for."""


class Engine(Protocol):
    """An engine that is running, with an empty index of its own for each of the two ways."""

    @property
    def adapter(self) -> SearchIndex:
        """The way through the adapter."""
        ...

    def ready(self, documents: Sequence[Document], query: SearchQuery) -> None:
        """Prepare what is not measured: these will be indexed, and this be asked, with another
        word for MARK."""
        ...

    def settle(self) -> None:
        """Let all that was indexed be found."""
        ...

    def index(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """The bare way: index these, by id, as the engine's own client would."""
        ...

    def search(self, word: str) -> list[str]:
        """The bare way: the ids of the ten best documents with the word, by the same access
        filter as the adapter's."""
        ...
