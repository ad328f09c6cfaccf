"""Sends documents to CloudSearch in full batches, and finds those that it does not take.

A batch is taken whole or not at all. Where one is refused, the documents that the refusal names
are set aside and the rest is sent again; where it names none, the batch is halved.

CloudSearch promises no order among what it receives in one second. So `send` returns a second
after its last batch: whatever is sent then of the same record comes later. A function that runs
out of time has no second left, nor has a process that is killed: so the first `send` of each
process, and the next one after an interruption, lets a second pass before its first batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws.search_documents import Operation
from homeport.adapters.aws.search_errors import (
    DOCUMENT_SETTING,
    is_refusal,
    message_of,
    missing_field,
    search_error,
)
from homeport.domain.model.document import Rejection

if TYPE_CHECKING:
    from mypy_boto3_cloudsearchdomain import CloudSearchDomainClient

BATCH_BYTES: Final = 5_000_000
SECOND: Final = 1.0
"""A whole one, not what is left of ours: CloudSearch's seconds begin when its clock says so."""


class Uploads:
    """`client` gives the client of the document endpoint; `sleep` waits for so many seconds."""

    def __init__(
        self, client: Callable[[], CloudSearchDomainClient], sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._may_be_crossed = True
        """Whether a second may not have passed since a batch was sent, here or by a process that
        has ended since."""

    def check(self) -> None:
        """Raise Unavailable where the endpoint does not answer. It is sent an empty batch: that
        changes nothing, and a refusal is an answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client().upload_documents(documents=b"[]", contentType="application/json")
        except (ClientError, BotoCoreError) as exc:
            if not (isinstance(exc, ClientError) and is_refusal(exc)):
                raise search_error(exc, _DOING, DOCUMENT_SETTING) from exc

    def send(self, operations: Sequence[Operation]) -> list[Rejection]:
        """Send operations, of which no two are for the same id, and let their second pass.

        Returns what CloudSearch does not take. Raises Unavailable, in which case any part may
        have been taken; that, too, not before its second has passed.
        """
        if not operations:
            return []
        if self._may_be_crossed:
            self._let_pass()
        try:
            return self._send_and_let_pass(operations)
        except BaseException as exc:
            if not isinstance(exc, Exception):  # no time is left to wait in
                self._may_be_crossed = True
            raise

    def _send_and_let_pass(self, operations: Sequence[Operation]) -> list[Rejection]:
        try:
            rejected = [one for batch in batches(operations) for one in self._upload(batch)]
        except Exception:
            self._let_pass()
            raise
        self._let_pass()
        return rejected

    def _let_pass(self) -> None:
        self._sleep(SECOND)
        self._may_be_crossed = False

    def _upload(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Send one batch. Each refusal makes it smaller, so this ends."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client().upload_documents(documents=_body(batch), contentType="application/json")
        except ClientError as exc:
            message = message_of(exc)
            if not is_refusal(exc) or missing_field(message) is not None:
                raise search_error(exc, _DOING, DOCUMENT_SETTING) from exc
        except BotoCoreError as exc:
            raise search_error(exc, _DOING, DOCUMENT_SETTING) from exc
        else:
            return []
        if len(batch) == 1:
            return [Rejection(batch[0].change.key, f"CloudSearch: {message[:_CAUSE]}")]
        named = set(_NAMED.findall(message))
        parts = [
            [one for one in batch if one.id in named],
            [one for one in batch if one.id not in named],
        ]
        if not all(parts):
            middle = len(batch) // 2
            parts = [list(batch[:middle]), list(batch[middle:])]
        elif len(parts[0]) <= _ALONE:
            # Each by itself, which tells its cause, and whether it was named rightly.
            parts = [*([one] for one in parts[0]), parts[1]]
        return [one for part in parts for one in self._upload(part)]


def batches(operations: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    """The operations in order, in batches as full as they may be."""
    batch: list[Operation] = []
    size = _BRACKETS
    for one in operations:
        if batch and size + len(one.body) + 1 > BATCH_BYTES:
            yield batch
            batch, size = [], _BRACKETS
        batch.append(one)
        size += len(one.body) + 1
    if batch:
        yield batch


def _body(batch: Sequence[Operation]) -> bytes:
    return b"[" + b",".join(one.body for one in batch) + b"]"


_DOING: Final = "sending documents to the search index"
_NAMED: Final = re.compile(r"document_id ([a-z2-7]{52})\b")
_ALONE: Final = 20
_CAUSE: Final = 500
_BRACKETS: Final = 2
