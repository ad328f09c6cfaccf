"""What a function does whose events are messages of an SQS queue.

The event source mapping must have `ReportBatchItemFailures` on: Lambda then deletes what the
answer does not name. What is named would come again after the queue's own visibility time-out;
it is told to come after its retry's wait instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from homeport.adapters.aws.sqs_attempts import Dead, attempt
from homeport.adapters.aws.sqs_queue import Queue, Received, received
from homeport.domain.errors import HomeportError, Invalid
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Work

log: Final = logging.getLogger("homeport.queues")

Bury: TypeAlias = Callable[[Dead], None]
"""Keeps a dead letter, durable before it returns."""


def answer(
    event: Mapping[str, Any], work: Work, queue: Queue, retry: Retry, bury: Bury
) -> dict[str, Any]:
    """Hand the event's messages to `work`, and say which of them Lambda has to keep.

    Raises Invalid for what is no event of SQS. What has had its last attempt is buried and
    counts as done; where that fails it stays, and is buried without more work when it comes
    again.
    """
    outcome = attempt(messages_of(event), work, retry)
    kept = [one for one, _ in outcome.again]
    for dead in outcome.dead:
        try:
            bury(dead)
        except HomeportError:
            log.exception("a dead letter could not be kept; its message stays in the queue")
            kept.append(dead.message)
    try:
        queue.hide(outcome.again)
    except HomeportError:
        # Nothing is lost by that: the queue's own time-out is the wait then.
        log.warning("the waits of failed messages could not be set", exc_info=True)
    return {"batchItemFailures": [{"itemIdentifier": one.id} for one in kept]}


def messages_of(event: Mapping[str, Any]) -> list[Received]:
    """The messages of a Lambda event. Raises Invalid for what is no event of SQS."""
    try:
        records = event["Records"]
        if all(one["eventSource"] == "aws:sqs" for one in records):
            return [
                received(one["messageId"], one["receiptHandle"], one["body"], one["attributes"])
                for one in records
            ]
    except (KeyError, TypeError, ValueError) as exc:
        raise Invalid(f"This is no event of SQS: {exc!r}.") from exc
    raise Invalid("This is no event of SQS: its records come from elsewhere.")
