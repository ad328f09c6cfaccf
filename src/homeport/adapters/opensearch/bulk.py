"""Sends documents in batches, and sorts out what became of each.

An answer tells it document by document. One that the index has a newer version of is done; one
that the server had no room for at that moment is sent again; one that it will never take is
rejected, with the cause. A document with new fields, of which the index has as many as it may,
goes in without those.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from homeport.adapters.opensearch.documents import Operation, Operations
from homeport.adapters.opensearch.errors import PASSING, Refused, blocked
from homeport.adapters.opensearch.server import Server, address
from homeport.domain.errors import Overloaded, Unavailable
from homeport.domain.model.document import Document, Rejection

log: Final = logging.getLogger("homeport.search")

BATCH_BYTES: Final = 5_000_000
BATCH_ITEMS: Final = 2000


class TargetGone(Exception):
    """The index that was written to is not there any more."""


class VersionsRefused(Exception):
    """The server lets nobody say which version a document is."""


class Bulk:
    """`sleep` waits for so many seconds."""

    def __init__(
        self, server: Server, operations: Operations, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._server = server
        self._operations = operations
        self._sleep = sleep

    def send(self, target: str, operations: Sequence[Operation]) -> list[Rejection]:
        """Send operations, no two for one key, to the alias `target`; durable when it returns.

        Returns what the server will never take. Raises TargetGone where there is no such index,
        and Unavailable in which case any part may have been taken.
        """
        return [one for batch in batches(operations) for one in self._batch(target, batch)]

    def _batch(
        self, target: str, batch: Sequence[Operation], *, narrowed: bool = False
    ) -> list[Rejection]:
        rejected: list[Rejection] = []
        waiting = batch
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_PAUSE * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            try:
                items = self._post(target, waiting)
            except Refused as exc:
                if exc.status == 413:
                    return [*rejected, *self._halved(target, waiting)]
                raise _known(exc) from exc
            found = _sort_out(waiting, items)
            rejected += found.rejected
            if found.crowded:
                if narrowed:
                    cause = "OpenSearch: the index has no room for new fields"
                    rejected += [Rejection(one.change.key, cause) for one in found.crowded]
                else:
                    fitting = self._narrowed(target, found.crowded)
                    rejected += self._batch(target, fitting, narrowed=True)
            waiting = found.again
            if not waiting:
                return rejected
        raise Overloaded("The search server has no room for more documents now; try again.", 5)

    def _post(self, target: str, batch: Sequence[Operation]) -> Sequence[Any]:
        """What the server says of each operation; nothing where it took them all."""
        body = b"\n".join([one.lines for one in batch]) + b"\n"
        answer = self._server.ask(
            "POST",
            address(target, "_bulk"),
            body,
            doing=_DOING,
            # So that a lost index is not made anew, without its mapping, by what is sent to it.
            params={"require_alias": "true", "filter_path": "errors,items.*.status,items.*.error"},
            expected=(400, 404, 413),
            timeout=3 * self._server.access.timeout,
        )
        if not answer.get("errors"):
            return ()
        items: Sequence[Any] = answer.get("items", ())
        if len(items) != len(batch):
            raise Unavailable("The search server's answer to a batch is incomplete.")
        return items

    def _halved(self, target: str, batch: Sequence[Operation]) -> list[Rejection]:
        """A batch that was too large for the server, in smaller ones."""
        if len(batch) == 1:
            return [Rejection(batch[0].change.key, "OpenSearch: the document is too large")]
        middle = len(batch) // 2
        parts = batch[:middle], batch[middle:]
        return [one for part in parts for one in self._batch(target, part)]

    def _narrowed(self, target: str, crowded: Sequence[Operation]) -> list[Operation]:
        """The same with no field that the index does not have yet."""
        known = self._known_fields(target)
        found = [
            self._operations.put(one.change, known)
            for one in crowded
            if isinstance(one.change, Document)
        ]
        log.warning(
            "The search index has as many fields as opensearch.max_fields allows: %d of the "
            "records that came last are indexed without their new ones, among them %s",
            len(found),
            "/".join(found[0].change.key),
        )
        return found

    def _known_fields(self, target: str) -> frozenset[str]:
        answer = self._server.ask("GET", address(target, "_mapping"), doing=_DOING)
        found: set[str] = set()
        for index in answer.values():
            for role, group in index["mappings"].get("properties", {}).items():
                found.update(f"{role}.{name}" for name in group.get("properties", ()))
        return frozenset(found)


class _Found(NamedTuple):
    again: list[Operation]
    """What there was no room for at that moment."""
    crowded: list[Operation]
    """What has more new fields than there is room for."""
    rejected: list[Rejection]


def _sort_out(batch: Sequence[Operation], items: Sequence[Any]) -> _Found:
    found = _Found([], [], [])
    some_went_well = any(_status(item) < 300 for item in items)
    for one, item in zip(batch, items, strict=False):
        (said,) = item.values()
        status = _status(item)
        if status < 300 or status == 409:
            continue
        error = said.get("error") or {}
        kind, reason = str(error.get("type", "")), _reason(error)
        if kind == "cluster_block_exception":
            raise blocked(reason, _DOING)
        if status in PASSING:
            found.again.append(one)
        elif kind == "index_not_found_exception":
            raise TargetGone
        elif status == 404:
            continue  # it was to be deleted
        elif status < 500 and "Limit of total fields" in reason:
            found.crowded.append(one)
        elif status < 500 and kind == "strict_dynamic_mapping_exception":
            raise Unavailable(
                "The search index was made for other fields: homeport index rebuild.", 60
            )
        elif 400 <= status < 500 or some_went_well:
            cause = f"OpenSearch: {kind}: {reason}"
            found.rejected.append(Rejection(one.change.key, cause[:_CAUSE]))
        else:
            raise Unavailable(f"The search server failed ({kind or status}), while {_DOING}.")
    return found


def _status(item: Any) -> int:
    (said,) = item.values()
    return int(said.get("status", 0))


def _known(exc: Refused) -> Exception:
    """What a refusal of a whole batch means."""
    if exc.kind == "index_not_found_exception" or exc.status == 404:
        return TargetGone()
    # Something between here and there has no kind for what it refuses.
    if exc.status == 400 and exc.kind and "version" in exc.reason.lower():
        return VersionsRefused()
    return Unavailable(f"The search server refuses a batch ({exc.kind or exc.status}).", 30)


def _reason(error: Any) -> str:
    """Why, from the outermost cause to the innermost, without any of the document."""
    said: list[str] = []
    while isinstance(error, dict) and len(said) < 4:
        said.append(_PREVIEW.sub("", str(error.get("reason", ""))))
        error = error.get("caused_by")
    return "; ".join(filter(None, dict.fromkeys(said)))


def batches(operations: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    """The operations in order, in batches as full as they may be."""
    batch: list[Operation] = []
    size = 0
    for one in operations:
        length = len(one.lines) + 1
        if batch and (size + length > BATCH_BYTES or len(batch) == BATCH_ITEMS):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


_DOING: Final = "sending documents to the search index"
_ATTEMPTS: Final = 5
_PAUSE: Final = 0.2
_CAUSE: Final = 500
_PREVIEW: Final = re.compile(r"\.? ?Preview of field's value: .*", re.DOTALL)
