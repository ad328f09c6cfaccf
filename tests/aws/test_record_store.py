"""The record store on DynamoDB keeps the contract: on moto, and on an engine of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.record_store import WINDOW, DynamoDBRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.record import Record
from homeport.domain.model.writes import Write
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import RecordStoreContract
from homeport.testing.histories import Commit
from tests.aws.conftest import Engine
from tests.aws.resources import THOROUGH, create_table, delete_table


class _LateCommits(RecordStoreContract):
    """Stamps are taken before commits, which may come up to the window later."""

    commits_late = True
    window = WINDOW

    def stamp_early(self, store: RecordStore, writes: Sequence[Write]) -> Commit:
        assert isinstance(store, DynamoDBRecordStore)
        writing = store._writes
        early = writing.stamp()

        def commit() -> list[Record]:
            return writing.write(writes, None, early)

        return commit


class TestOnMoto(_LateCommits):
    __test__ = THOROUGH
    histories = 10

    @pytest.fixture
    def store(self, clock: ManualClock, moto_session: boto3.Session) -> DynamoDBRecordStore:
        clients = Clients(session=moto_session)
        return DynamoDBRecordStore(
            clients, clock, SystemIds(), Catalog(), table=create_table(clients, whole_index=True)
        )


@pytest.fixture(scope="module")
def sharded_table(engine: Engine) -> Iterator[str]:
    name = engine.another_table()
    yield name
    delete_table(engine.clients, name)


class _OnAnEngine(_LateCommits):
    """All tests share a table, but for those that read it whole: what the others left there
    would make them slow. A history takes a second: the usual run has one of each group."""

    histories = 20 if THOROUGH else 10
    catalog = Catalog()

    @pytest.fixture
    def clock(self) -> ManualClock:
        """From now on: tombstones of another time would be over, and an engine that sees to that
        (ministack does, each minute) would take them away."""
        return ManualClock(SystemClock().now())

    @pytest.fixture
    def shared(self, engine: Engine) -> str:
        return engine.table

    @pytest.fixture
    def table(self, request: pytest.FixtureRequest, engine: Engine, shared: str) -> Iterator[str]:
        if "scan" not in request.node.name:
            yield shared
            return
        name = engine.another_table()
        yield name
        delete_table(engine.clients, name)

    @pytest.fixture
    def store(self, clock: ManualClock, engine: Engine, table: str) -> DynamoDBRecordStore:
        return DynamoDBRecordStore(engine.clients, clock, SystemIds(), self.catalog, table=table)


class TestOnAnEngine(_OnAnEngine):
    __test__ = THOROUGH


class TestShardedOnAnEngine(_OnAnEngine):
    """The same where collections are spread over shards, next to others that are not."""

    catalog = Catalog([Collection("notes", shards=4), Collection("c0", shards=3)])

    @pytest.fixture
    def shared(self, sharded_table: str) -> str:
        return sharded_table
