"""Queues for the tests, and a moto whose time is the tests' own."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

import moto.dynamodb.models.table
import moto.sqs.models
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.memory.clock import ManualClock


def create_queue(clients: Clients, kind: str = "queue", **attributes: str) -> str:
    """A queue under a name that nobody used before; returns the name."""
    name = f"homeport-{kind}-{uuid.uuid4().hex}"
    if attributes.get("FifoQueue") == "true":
        name += ".fifo"
    clients.get("sqs").create_queue(QueueName=name, Attributes=attributes)  # type: ignore[arg-type]  # any names: the tests know them
    return name


def url_of(clients: Clients, name: str) -> str:
    return clients.get("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def delete_queue(clients: Clients, name: str) -> None:
    clients.get("sqs").delete_queue(QueueUrl=url_of(clients, name))


def follow(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """Let moto's SQS, and the streams of its DynamoDB, take their time from `clock`. Each look at
    the time moves it on by a microsecond, as for moto nothing is over before a moment later."""
    looks = itertools.count()

    def seconds() -> float:
        return (clock.now() + next(looks)) / 1_000_000

    monkeypatch.setattr(moto.sqs.models, "unix_time", seconds)
    monkeypatch.setattr(moto.sqs.models, "unix_time_millis", lambda: seconds() * 1000)

    def utc() -> datetime:
        return datetime.fromtimestamp(clock.now() // 1_000_000, UTC).replace(tzinfo=None)

    monkeypatch.setattr(moto.dynamodb.models.table, "utcnow", utc)


def bodies_in(clients: Clients, name: str) -> list[str]:
    """What can be received from a queue now, sorted. It stays there, hidden for a while."""
    sqs = clients.get("sqs")
    url = url_of(clients, name)
    found: list[str] = []
    some: Any
    while some := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += (one["Body"] for one in some)
    return sorted(found)
