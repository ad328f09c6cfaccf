"""Where longer work may let others go first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Pause: TypeAlias = Callable[[], None]
"""Called between two steps of longer work, by whoever does it."""


def go_on() -> None:
    """The pause of what is done in one go."""
