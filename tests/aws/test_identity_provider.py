"""The identity provider on DynamoDB keeps the contract, also where several use it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import jwt
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.identity_provider import DynamoDBIdentityProvider
from homeport.adapters.credentials import passwords
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemIds
from homeport.domain.errors import HomeportError, Unauthenticated, Unavailable
from homeport.domain.model.identity import Session
from homeport.testing import IdentityProviderContract
from homeport.testing.identity_support import DAY, MINUTE, PASSWORD
from tests.aws.conftest import Engine
from tests.aws.resources import create_table, delete_table

AT_ONCE = 8


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The rules are the same with hashes that cost little."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PASSES", 1)
    passwords._hasher.cache_clear()
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._hasher.cache_clear()
    passwords._nobodys_hash.cache_clear()


class OnDynamoDB(IdentityProviderContract):
    def set_groups(self, provider: Any, identity: str, groups: Iterable[str]) -> None:
        provider.set_groups(identity, groups)


class TestOnMoto(OnDynamoDB):
    @pytest.fixture
    def provider(self, clock: ManualClock, moto_session: boto3.Session) -> DynamoDBIdentityProvider:
        return self.over_a_new_table(clock, moto_session)

    @pytest.fixture
    def another(self, clock: ManualClock, moto_session: boto3.Session) -> DynamoDBIdentityProvider:
        return self.over_a_new_table(clock, moto_session)

    @staticmethod
    def over_a_new_table(clock: ManualClock, session: boto3.Session) -> DynamoDBIdentityProvider:
        clients = Clients(session=session)
        return DynamoDBIdentityProvider(clients, clock, SystemIds(), table=create_table(clients))


@pytest.fixture(scope="module")
def other_table(engine: Engine) -> Iterator[str]:
    name = create_table(engine.clients)
    yield name
    delete_table(engine.clients, name)


class TestOnAnEngine(OnDynamoDB):
    @pytest.fixture
    def provider(self, clock: ManualClock, engine: Engine) -> DynamoDBIdentityProvider:
        return DynamoDBIdentityProvider(engine.clients, clock, SystemIds(), table=engine.table)

    @pytest.fixture
    def another(
        self, clock: ManualClock, engine: Engine, other_table: str
    ) -> DynamoDBIdentityProvider:
        return DynamoDBIdentityProvider(engine.clients, clock, SystemIds(), table=other_table)
