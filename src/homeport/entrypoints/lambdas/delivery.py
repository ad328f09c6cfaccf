"""The function `delivery`: brings messages to inboxes and devices. The message queue calls it.

How many of it run at once is bounded by the event source mapping (its maximum concurrency), so
that a flood of messages cannot take the account's other functions' place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Unavailable
from homeport.entrypoints.failures import FailureLog
from homeport.entrypoints.lambdas.functions import QUEUE, records_of
from homeport.entrypoints.lambdas.runtime import at_first_event

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION: Final = "delivery"


def build(backend: Backend) -> Callable[[Any, object], dict[str, Any]]:
    """Takes events of the message queue; answers which messages are to come again."""
    queue: Any = backend.queue
    failures = FailureLog()

    def handler(event: Any, context: object = None) -> dict[str, Any]:
        records_of(event, QUEUE)
        if not hasattr(queue, "answer"):  # which is not of the port: only SQS calls functions
            used = backend.definition.adapters.message_queue.use
            raise Unavailable(
                f'SQS calls the function {FUNCTION}, and the message queue is "{used}": set '
                'adapters.message_queue = "sqs".'
            )
        answer: dict[str, Any] = queue.answer(
            event, failures.worker(FUNCTION, backend.messages.work)
        )
        return answer

    return handler


handler = at_first_event(FUNCTION)
