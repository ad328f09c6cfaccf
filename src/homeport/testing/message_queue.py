"""The contract of the message queue: the whole of it."""

from __future__ import annotations

from homeport.testing.queue_dead_letters import DeadLettersContract
from homeport.testing.queue_deliveries import DeliveriesContract


class MessageQueueContract(DeliveriesContract, DeadLettersContract):
    """What `homeport.domain.ports.message_queue.MessageQueue` promises.

    Override the fixture `queue` with an empty one. Hand it the fixture `clock`, and the
    suite's `retry` where it takes one; else set `retry` to what it does. A queue which knows
    that something waits, but not until when, sets `tells_when_due` to False: its `next_due`
    is then when to look again. One that counts no attempt where `work` raises Unavailable, and
    hands out alone what was in a batch that raised anything else, sets `holds_batches`.
    """
