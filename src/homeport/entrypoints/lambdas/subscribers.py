"""The function `subscribers`: runs an app's own code for what changed.

A FIFO queue calls it, which the function `indexing` fills: an app's code that fails or takes
long holds up neither the index nor the other subscribers, and only its own record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Invalid
from homeport.entrypoints.failures import FailureLog
from homeport.entrypoints.lambdas.functions import QUEUE, records_of
from homeport.entrypoints.lambdas.runtime import at_first_event

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.events import RecordChanged
    from homeport.domain.ports.message_queue import Delivery

FUNCTION: Final = "subscribers"
BATCH: Final = 1
"""The batch size of its event source mapping. SQS counts what it hands out: in a larger batch,
what only waits behind a failed change of its record would use up its own attempts."""


def build(backend: Backend) -> Callable[[Any, object], dict[str, Any]]:
    """Takes events of the subscribers' queue; answers which messages are to come again."""
    subscribers = {one.consumer: one for one in backend.subscribers}

    def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Each subscriber gets its changes together, in their order: after one that fails,
        later ones of the same record are not called for."""
        from homeport.adapters.aws.subscriber_queue import read_body

        failed: dict[str, str] = {}
        waiting: dict[str, list[tuple[str, RecordChanged]]] = {}
        for one in deliveries:
            try:
                consumer, event = read_body(one.body)
            except Invalid as exc:
                failed[one.id] = exc.detail
            else:
                waiting.setdefault(consumer, []).append((one.id, event))
        for consumer, some in waiting.items():
            subscriber = subscribers.get(consumer)
            if subscriber is None:
                failed.update((id, f"there is no {consumer} here") for id, _ in some)
                continue
            causes = subscriber.consume([event for _, event in some])
            failed.update((some[place][0], cause) for place, cause in causes.items())
        return failed

    told = FailureLog().worker(FUNCTION, work)

    def handler(event: Any, context: object = None) -> dict[str, Any]:
        records_of(event, QUEUE)
        return backend.subscriber_queue.answer(event, told)

    return handler


handler = at_first_event(FUNCTION)
