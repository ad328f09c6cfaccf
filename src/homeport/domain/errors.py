"""Everything that can go wrong, as one rooted tree.

    HomeportError
    ├── Invalid               the request breaks a rule; nothing was written
    │   ├── TooLarge          ... by its size
    │   └── Mismatched        ... by contradicting an earlier request
    ├── Unauthenticated       nobody is calling, or their token is no longer good
    ├── Forbidden             the caller may see the thing, but not do this to it
    ├── NotFound              there is no such thing, or none that the caller may see
    ├── Conflict              the thing is someone else's, or already there
    │   └── Gone              ... and was deleted
    ├── VersionMismatch       the record is not at the version that the caller expected
    ├── RateLimited           too many of these from one caller; later is fine
    └── Unavailable           not now; the same request may succeed later
        ├── Overloaded        too much work is waiting
        └── OutcomeUnknown    the write may or may not have happened

Adapters translate their vendors' errors into this tree once, at the seam; entrypoints map it
once to problem documents. Shape after httpx's `_exceptions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homeport.domain.model.record import Record


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place in a request: a JSON pointer or a parameter's name, and the reason."""

    pointer: str
    detail: str


class HomeportError(Exception):
    """The root. `detail` is a sentence for the caller; it never holds record content.

    `faults` names each wrong place in the request, where that can be told.
    """

    def __init__(self, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.detail: Final = detail
        self.faults = faults


class Invalid(HomeportError):
    """The request breaks a rule."""


class TooLarge(Invalid):
    """The request, or the record that it would make, is over a limit."""


class Mismatched(Invalid):
    """An idempotency key came back with another body."""


class Unauthenticated(HomeportError):
    """There is no usable token. `reason` is OAuth's error code, empty where no token came."""

    def __init__(self, detail: str, reason: str = "") -> None:
        super().__init__(detail)
        self.reason: Final = reason


class Forbidden(HomeportError):
    """The caller may see this, but not change it so."""


class NotFound(HomeportError):
    """It does not exist, or not for this caller: the two look the same."""

    def __init__(self, detail: str = "There is nothing here that you may see.") -> None:
        super().__init__(detail)


class Conflict(HomeportError):
    """What the request would make is already there, or belongs to someone else."""


class Gone(Conflict):
    """It was here and has been deleted."""


class VersionMismatch(HomeportError):
    """The record has moved on. `current` is its present state, None where it does not exist."""

    def __init__(
        self, detail: str, current: Record | None = None, faults: tuple[Fault, ...] = ()
    ) -> None:
        super().__init__(detail, faults)
        self.current: Final = current


class RateLimited(HomeportError):
    """Too many requests of this kind. `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after: Final = retry_after


class Unavailable(HomeportError):
    """A part that is needed does not answer now. Nothing was written."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after: Final = retry_after


class Overloaded(Unavailable):
    """Too much work is waiting already; this was not begun."""


class OutcomeUnknown(Unavailable):
    """The store's answer was lost: the write may have happened. Read before trying again."""
