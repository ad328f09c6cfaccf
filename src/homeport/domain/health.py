"""The health service: whether the backend can do its work, or is at least there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.model.query import All, Scope, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import SearchIndex

READY: Final = "ready"
ALIVE: Final = "alive"
_SPACE: Final = ".health"
_KEY: Final = Key(_SPACE, "health", "probe")
_QUERY: Final = SearchQuery(All(()), (Scope(_SPACE, "health"),), limit=1)


class Health:
    """A process is alive while it answers at all, and ready while its parts answer it."""

    def __init__(self, store: RecordStore, version: str) -> None:
        self._version = version
        self._parts: dict[str, Callable[[], object]] = {"the record store": lambda: store.get(_KEY)}

    def needs(self, index: SearchIndex) -> None:
        """Be ready only while the index answers too: where one process does everything."""
        self._parts["the search index"] = lambda: index.search(_QUERY)

    def check(self, probe: str = READY) -> dict[str, str]:
        """For the probe `alive` nothing is asked of any part. Otherwise raises Unavailable where
        one does not answer, naming each that does not."""
        if probe == ALIVE:
            return {"status": ALIVE, "version": self._version}
        silent = [
            f"{name}: {trouble}" for name, ask in self._parts.items() if (trouble := _of(ask))
        ]
        if silent:
            raise Unavailable(f"Not ready. What does not answer is {'; and '.join(silent)}")
        return {"status": "ok", "version": self._version}


def _of(ask: Callable[[], object]) -> str:
    """What is wrong, empty where nothing is."""
    try:
        ask()
    except HomeportError as error:
        return error.detail or f"It fails with {type(error).__name__}."
    except Exception as error:  # noqa: BLE001 - a part that fails in any way does not answer
        # Not its text: that may hold anything, and anybody reads this.
        return f"It fails with {type(error).__name__}."
    return ""
