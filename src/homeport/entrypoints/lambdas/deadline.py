"""Ends an event's work shortly before AWS Lambda would end the whole function.

What runs is interrupted where it stands, also while it waits for an answer from elsewhere, and
there is time left to answer and to write to the log.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

MARGIN: Final = 0.5
"""Seconds that are left to answer in; of a short time, a fifth."""


class OutOfTime(BaseException):
    """The time is nearly over. Not an Exception: code that expects trouble must not take it for
    its own and go on."""


@contextmanager
def deadline(context: Any) -> Iterator[None]:
    """Raise OutOfTime inside the with-block when the invocation is about to run out of time.

    Does nothing where the context does not tell how much is left, and where no signal can
    interrupt: outside the main thread, and on Windows.
    """
    left = getattr(context, "get_remaining_time_in_millis", None)
    if left is None or not _can_interrupt():
        yield
        return
    seconds = left() / 1000
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds - min(MARGIN, seconds / 5), 0.001))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _can_interrupt() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, "setitimer")


def _interrupt(*_: object) -> NoReturn:
    raise OutOfTime
