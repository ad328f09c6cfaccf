"""What a search server says, as the domain's errors. Everything is translated here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Overloaded, Unavailable

if TYPE_CHECKING:  # what it imports opens a socket, to see what the machine can
    from opensearchpy.exceptions import OpenSearchException, TransportError

PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses of trouble that will pass."""
WAKING_SECONDS: Final = 30
"""How long a serverless collection that has slept takes to answer, at most."""

_BLOCKED: Final = "cluster_block_exception"


class Refused(Exception):
    """An answer that the adapter itself goes on from: it never leaves the adapter."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"{status} {kind}: {reason}")
        self.status: Final = status
        self.kind: Final = kind
        self.reason: Final = reason


class IndexGone(Unavailable):
    """The index that was asked is not there any more."""


def refused(exc: TransportError) -> Refused:
    kind, reason = _said(exc)
    return Refused(status_of(exc), kind, reason)


def status_of(exc: OpenSearchException) -> int:
    """The HTTP status; 0 where there was no answer."""
    from opensearchpy.exceptions import TransportError

    status = exc.status_code if isinstance(exc, TransportError) else 0
    return status if isinstance(status, int) else 0


def may_pass(exc: OpenSearchException) -> bool:
    """Whether the same request, sent again at once, may well succeed. One that took too long is
    not sent again: a server that is slow would get slower."""
    from opensearchpy.exceptions import ConnectionError as NoConnection
    from opensearchpy.exceptions import ConnectionTimeout

    if isinstance(exc, ConnectionTimeout) or _is_certificate(exc):
        return False
    if isinstance(exc, NoConnection):
        return True
    return status_of(exc) in PASSING and _said(exc)[0] != _BLOCKED


def translated(exc: OpenSearchException, doing: str, *, serverless: bool) -> Unavailable:
    """`doing` is what was being done, as in "asking the search index"."""
    from opensearchpy.exceptions import ConnectionError as NoConnection
    from opensearchpy.exceptions import ConnectionTimeout, SerializationError

    status = status_of(exc)
    if _is_certificate(exc):
        return Unavailable(
            f"The certificate of the search server is not trusted, while {doing}: name the file "
            "of its authority in opensearch.ca_certs, and its host as the certificate does in "
            "opensearch.url.",
            60,
        )
    if isinstance(exc, ConnectionTimeout):
        return Unavailable(
            f"The search server does not answer in time, while {doing}.",
            WAKING_SECONDS if serverless else 5,
        )
    if isinstance(exc, NoConnection):
        return Unavailable(f"The search server cannot be reached, while {doing}.", 5)
    if isinstance(exc, SerializationError):
        return Unavailable(
            f"What answers, while {doing}, is no OpenSearch: see opensearch.url.", 60
        )
    kind, reason = _said(exc)
    if kind == _BLOCKED:
        return blocked(reason, doing)
    if status == 401:
        return Unavailable(
            f"The search server refuses who asks, while {doing}: see opensearch.user and "
            "opensearch.password, or opensearch.aws and AWS's credentials.",
            60,
        )
    if status == 403:
        return Unavailable(
            f"The search server does not allow this, while {doing} ({kind or status}): its user "
            "needs to read, write and manage indexes that begin with opensearch.prefix.",
            60,
        )
    if status == 429:
        return Overloaded(f"The search server is overloaded, while {doing}; try again.", 5)
    if status in PASSING:
        return Unavailable(
            f"The search server is not ready ({status}), while {doing}; try again.",
            WAKING_SECONDS if serverless else 5,
        )
    if kind == "index_not_found_exception":
        return gone(doing)
    return Unavailable(f"The search server cannot do this ({kind or status}), while {doing}.", 30)


def blocked(reason: str, doing: str) -> Unavailable:
    """What a whole index or cluster does not do for now."""
    cause = "its disk is full" if "disk" in reason or "read-only" in reason else reason[:200]
    return Unavailable(
        f"The search server takes no changes, while {doing}: {cause}. It goes on by itself once "
        "that is mended.",
        30,
    )


def gone(doing: str) -> IndexGone:
    return IndexGone(
        f"The search index is not there any more, while {doing}. Make it anew with: homeport "
        "index rebuild",
        30,
    )


def not_read(error: Any, doing: str) -> Unavailable:
    """What the error of a single document means, in an answer that has succeeded as a whole."""
    kind = error.get("type", "") if isinstance(error, dict) else ""
    if kind == "index_not_found_exception":
        return gone(doing)
    return Unavailable(f"The search server failed ({kind or 'no cause given'}), while {doing}.")


def _said(exc: OpenSearchException) -> tuple[str, str]:
    """The type and the reason that an answer's body gives."""
    from opensearchpy.exceptions import TransportError

    info: Any = exc.info if isinstance(exc, TransportError) and len(exc.args) > 2 else None
    error = info.get("error") if isinstance(info, dict) else None
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) else ""
    inner = error.get("root_cause") or [error]
    if error.get("type") == "search_phase_execution_exception" and isinstance(inner[0], dict):
        error = inner[0]
    return str(error.get("type", "")), str(error.get("reason", ""))


def _is_certificate(exc: OpenSearchException) -> bool:
    from opensearchpy.exceptions import ConnectionError as NoConnection
    from opensearchpy.exceptions import SSLError

    if isinstance(exc, SSLError):
        return True
    return isinstance(exc, NoConnection) and "certificate" in str(exc).lower()
