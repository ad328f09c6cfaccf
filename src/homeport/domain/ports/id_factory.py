"""Ids and randomness, so that tests own both."""

from __future__ import annotations

from typing import Protocol


class IdFactory(Protocol):
    def record_id(self) -> str:
        """A new UUIDv7 (RFC 9562) in its usual text form. Those of one factory sort as they
        were made; others' of the same millisecond come between them."""
        ...

    def identity_id(self) -> str:
        """A new identity's id: 26 characters of a-z2-7 that nobody can guess."""
        ...

    def secret(self) -> str:
        """256 random bits as URL-safe text, for tokens."""
        ...

    def tail(self) -> int:
        """12 random bits for a version."""
        ...
