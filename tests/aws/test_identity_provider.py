"""The identity provider on DynamoDB keeps the contract, and agrees with the one in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.identity_provider import DynamoDBIdentityProvider
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemIds
from homeport.testing import IdentityProviderContract
from tests.aws.conftest import Engine
from tests.aws.identities import cheap_hashes, today
from tests.aws.resources import THOROUGH, create_table, delete_table
from tests.stateful.agreement import StepIds
from tests.stateful.identity_providers import IdentityProviders
from tests.stateful.machines import run

HISTORIES = 5

__all__ = ["cheap_hashes"]  # a fixture


@pytest.mark.usefixtures("cheap_hashes")
class OnDynamoDB(IdentityProviderContract):
    def set_groups(self, provider: Any, identity: str, groups: Iterable[str]) -> None:
        provider.set_groups(identity, groups)


class TestOnMoto(OnDynamoDB):
    __test__ = THOROUGH

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
    def clock(self) -> ManualClock:
        return today()

    @pytest.fixture
    def provider(self, clock: ManualClock, engine: Engine) -> DynamoDBIdentityProvider:
        return DynamoDBIdentityProvider(engine.clients, clock, SystemIds(), table=engine.table)

    @pytest.fixture
    def another(
        self, clock: ManualClock, engine: Engine, other_table: str
    ) -> DynamoDBIdentityProvider:
        return DynamoDBIdentityProvider(engine.clients, clock, SystemIds(), table=other_table)


class Histories(IdentityProviders):
    """The machine of `tests/stateful`, with this provider beside the one in memory."""

    engine: ClassVar[Engine]

    def made(self, ids: StepIds) -> Any:
        self.clock.set(today().now())
        return super().made(ids)

    def opened(self, ids: StepIds) -> Any:
        if not hasattr(self, "table"):
            self.table = create_table(self.engine.clients)
            self._undo.callback(delete_table, self.engine.clients, self.table)
        return DynamoDBIdentityProvider(self.engine.clients, self.clock, ids, table=self.table)

    def closed(self) -> None:
        """There is nothing to let go of."""


@pytest.mark.usefixtures("cheap_hashes")
def test_it_agrees_with_the_one_in_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Histories, "engine", engine, raising=False)
    run(Histories, histories=HISTORIES)
