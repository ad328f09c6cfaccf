"""What a search engine is to `benchmarks.search_adapters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from homeport.domain.ports.search_index import SearchIndex


class Engine(Protocol):
    """An engine that is running, with an empty index of its own for each of the two ways."""

    @property
    def adapter(self) -> SearchIndex:
        """The way through the adapter."""
        ...

    def index(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """The bare way: index these, by id, as the engine's own client would, so that they can
        be found when it returns."""
        ...

    def search(self, word: str) -> list[str]:
        """The bare way: the ids of the ten best documents with the word, by the same access
        filter as the adapter's."""
        ...
