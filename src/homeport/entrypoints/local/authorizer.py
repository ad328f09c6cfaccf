"""The authorizer's work, with its answers kept as API Gateway keeps them.

The context is what the Lambda authorizer returns: who is calling, or why that is not known. It
never refuses: handlers answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Context: TypeAlias = Mapping[str, Any]
Authorize: TypeAlias = Callable[[str | None], Context]
"""From the Authorization header to the context, whose `expires` is in seconds since 1970."""

REMEMBERED: Final = 10_000


class Authorizer:
    """Remembers up to `remembered` verified tokens until they expire; the oldest go first."""

    def __init__(self, authorize: Authorize, remembered: int = REMEMBERED) -> None:
        self._authorize = authorize
        self._remembered = remembered
        self._known: dict[str, tuple[Context, int]] = {}

    def context(self, header: str | None, now: float) -> Context:
        """The context for an Authorization header. `now` is in seconds since 1970."""
        if header is None:
            return self._authorize(None)
        known = self._known.get(header)
        if known is None:
            header = _usual(header)  # one token is remembered once, however it is written
            known = self._known.get(header)
        if known is not None:
            if known[1] > now:
                return known[0]
            self._known.pop(header, None)
        context = self._authorize(header)
        expires = context.get("expires")
        if isinstance(expires, int):
            if len(self._known) >= self._remembered:
                self._known.pop(next(iter(self._known)))
            self._known[header] = (context, expires)
        return context


def _usual(header: str) -> str:
    """The header as most write it, which says the same."""
    scheme, _, token = header.partition(" ")
    return f"Bearer {token.strip()}" if scheme.lower() == "bearer" else header
