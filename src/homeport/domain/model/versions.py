"""Versions: the store's stamps. Inside a 63-bit integer, outside an opaque sortable string.

The upper 51 bits are microseconds since 2025-01-01 UTC (they last until 2096), the lower 12
are random in the first version of a batch and count up within it.
"""

from __future__ import annotations

from typing import Final

EPOCH: Final = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z in microseconds since 1970."""
RANDOM_BITS: Final = 12
TEXT_LENGTH: Final = 16
NEVER: Final = 0
"""Below every version that a store assigns."""

_HEX = frozenset("0123456789abcdef")


def stamp(now: int, tail: int) -> int:
    """The version for a write at `now` (microseconds since 1970) with `tail`, 12 random bits."""
    return (now - EPOCH) << RANDOM_BITS | tail


def time_of(version: int) -> int:
    """When the version was stamped, in microseconds since 1970."""
    return (version >> RANDOM_BITS) + EPOCH


def earliest(now: int) -> int:
    """The lowest version that a write at `now` (microseconds since 1970) can have."""
    return (now - EPOCH) << RANDOM_BITS


def to_text(version: int) -> str:
    """The version as clients see it: 16 characters that sort as the versions do."""
    return f"{version:016x}"


def from_text(text: str) -> int | None:
    """The version behind what a client sent back; None if it is none of ours."""
    if len(text) != TEXT_LENGTH or not _HEX.issuperset(text):
        return None
    version = int(text, 16)
    return version if version < 1 << 63 else None
