"""How often Python looks for garbage that takes a search to find: objects that know each other."""

from __future__ import annotations

import gc
from typing import Final

STARTING: Final = 400_000
"""More objects than a start makes: it frees few, and each look at them takes milliseconds. Python's
own 700 are a tenth of its time."""
WORKING: Final = 50_000


def while_starting() -> None:
    """Look for none before there is much more than what a server needs."""
    gc.set_threshold(STARTING, 20, 20)


def while_working() -> None:
    """Seldom: most that is let go of goes without a search."""
    gc.set_threshold(WORKING, 20, 20)


def while_serving() -> None:
    """As while working, but not among what is loaded by now: that stays."""
    gc.freeze()
    while_working()
