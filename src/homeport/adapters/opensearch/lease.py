"""Who is rebuilding, and how far they are: one document in the index that is being filled.

A process that rebuilds holds it for a minute at a time, by its own clock; the clocks of machines
may differ by half of that. Whoever takes it over goes on at the place that was kept last.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from homeport.adapters.opensearch.errors import Refused
from homeport.adapters.opensearch.generations import own_alias
from homeport.adapters.opensearch.layout import STATE
from homeport.adapters.opensearch.server import Server, address
from homeport.domain.errors import Conflict

LEASE_SECONDS: Final = 60


class Lease:
    """On one index. `now` is the time, in microseconds since 1970."""

    def __init__(self, server: Server, index: str, now: Callable[[], int]) -> None:
        self._server = server
        self._path = address(own_alias(index), "_doc", _ID)
        self._now = now
        self._owner = secrets.token_hex(8)
        self._held: Any = None
        self.place = ""
        self.begun = 0

    def take(self) -> None:
        """Raises Conflict while another process has it."""
        held = self._read()
        state = held["_source"][STATE] if held is not None else {}
        if state.get("until", 0) > self._now() and state.get("owner") != self._owner:
            raise Conflict("Another process is rebuilding the search index.")
        self.place = state.get("place", "")
        self.begun = state.get("begun") or self._now()
        self._write(held, self._now() + LEASE_SECONDS * 1_000_000)

    def keep(self, place: str | None = None) -> None:
        """Hold it on, with another place. Raises Conflict where another process has it now."""
        self.place = self.place if place is None else place
        self._write(self._held, self._now() + LEASE_SECONDS * 1_000_000)

    def release(self) -> None:
        """Let others have it at once. Nothing where they have it already."""
        try:
            self._write(self._held, 0)
        except Conflict:
            return

    def remove(self) -> None:
        """Leave no trace in an index that answers. Nothing where others have it by now."""
        condition = {
            "if_seq_no": self._held["_seq_no"],
            "if_primary_term": self._held["_primary_term"],
        }
        try:
            self._server.ask(
                "DELETE", self._path, doing=_DOING, params=condition, expected=(404, 409)
            )
        except Refused:
            return

    def _read(self) -> Any:
        try:
            return self._server.ask("GET", self._path, doing=_DOING, expected=(404,))
        except Refused:
            return None

    def _write(self, held: Any, until: int) -> None:
        """Only if nobody has written since `held` was read or written."""
        state = {"owner": self._owner, "until": until, "begun": self.begun, "place": self.place}
        condition: dict[str, Any] = {"op_type": "create"}
        if held is not None:
            condition = {"if_seq_no": held["_seq_no"], "if_primary_term": held["_primary_term"]}
        try:
            self._held = self._server.ask(
                "PUT",
                self._path,
                {STATE: state},
                doing=_DOING,
                params={**condition, "require_alias": "true"},
                expected=(404, 409),
            )
        except Refused as exc:
            if self._wrote(exc, state):
                return
            raise Conflict("The rebuild has ended, or another process goes on with it.") from exc

    def _wrote(self, exc: Refused, state: dict[str, Any]) -> bool:
        """Whether the condition failed because this very write had been done already, by an
        attempt whose answer was lost."""
        held = self._read() if exc.status == 409 else None
        if held is None or held["_source"][STATE] != state:
            return False
        self._held = held
        return True


_ID: Final = ".rebuild"
"""No record's: those have commas."""
_DOING: Final = "keeping the place of a rebuild"
