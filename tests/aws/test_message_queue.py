"""The message queue on SQS."""

from __future__ import annotations

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.message_queue import SQSMessageQueue
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import Retry
from homeport.testing import MessageQueueContract
from tests.aws.queues import create_queue, follow


def queue_at(clients: Clients, clock: Clock, retry: Retry | None = None) -> SQSMessageQueue:
    return SQSMessageQueue(
        clients,
        clock,
        retry or Retry(),
        queue=create_queue(clients),
        dead_queue=create_queue(clients, "dead"),
        wait=0,
    )


class TestSQSMessageQueue(MessageQueueContract):
    tells_when_due = False  # SQS knows how many wait, not until when

    @pytest.fixture
    def queue(
        self, moto_session: boto3.Session, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> SQSMessageQueue:
        follow(monkeypatch, clock)
        return queue_at(Clients(session=moto_session), clock, self.retry)
