"""The change feed over the table's stream."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from homeport.adapters.aws.change_feed import DynamoDBChangeFeed
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.parked_letters import ParkedLetters
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain.model.collection import Catalog
from homeport.testing import ChangeFeedContract
from tests.aws.queues import create_queue, follow
from tests.aws.resources import create_table


class TestDynamoDBChangeFeed(ChangeFeedContract):
    @pytest.fixture
    def clients(
        self, moto_session: boto3.Session, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> Clients:
        follow(monkeypatch, clock)
        return Clients(session=moto_session)

    @pytest.fixture
    def table(self, clients: Clients) -> str:
        return create_table(clients)

    @pytest.fixture
    def store(self, clients: Clients, clock: ManualClock, table: str) -> DynamoDBRecordStore:
        return DynamoDBRecordStore(clients, clock, SequentialIds(), Catalog(), table=table)

    @pytest.fixture
    def feed(self, clients: Clients, clock: ManualClock, table: str) -> DynamoDBChangeFeed:
        parked = ParkedLetters(
            clients,
            clock,
            queue=create_queue(clients, "parked"),
            redriven=create_queue(clients, "redriven"),
            wait=0,
        )
        return DynamoDBChangeFeed(clients, clock, self.retry, parked, table=table, quiet=0)
