"""Lines of the log about what fails in the background: few, and without contents."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

log: Final = logging.getLogger("homeport.failures")

LINES: Final = 20
"""Lines in a minute at most, so that a flood of failures is no flood of the log."""
_MINUTE: Final = 60.0
_LONGEST: Final = 300
_ERROR: Final = re.compile(r"([A-Za-z_][\w.]*): .*?(\([^()\n]+\.py:\d+\))?", re.DOTALL)
"""The cause that an adapter or a subscriber makes of an exception."""
DIED: Final = "%s: %s failed %d times and is a dead letter: %s"
"""Consumer, what it failed, attempts, cause."""


class FewLines:
    """Tells the log of failures, a few lines in each minute. `timer` is in seconds."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer: Final = timer
        self._begun = -_MINUTE
        self._lines = 0
        self._untold = 0

    def tell(self, text: str, *values: object) -> None:
        now = self._timer()
        if now - self._begun >= _MINUTE:
            if self._untold:
                log.warning("%d more failures were not told.", self._untold)
            self._begun, self._lines, self._untold = now, 0, 0
        if self._lines < LINES:
            self._lines += 1
            log.warning(text, *values)
        else:
            self._untold += 1


def without_contents(cause: str) -> str:
    """A cause without the text of an error that may quote a record."""
    found = _ERROR.fullmatch(cause)
    if found is None:
        return cause[:_LONGEST]
    return " ".join(filter(None, found.groups()))
