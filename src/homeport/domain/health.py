"""The health service: whether the backend can do its work."""

from __future__ import annotations

from homeport.domain.model.record import Key
from homeport.domain.ports.record_store import RecordStore

_PROBE = Key(".health", "health", "probe")


class Health:
    def __init__(self, store: RecordStore, version: str) -> None:
        self._store = store
        self._version = version

    def check(self) -> dict[str, str]:
        """Ask the record store for something. Raises Unavailable where it does not answer."""
        self._store.get(_PROBE)
        return {"status": "ok", "version": self._version}
