"""What stands in for AWS: moto within this process, ministack beside it, or any endpoint."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import boto3
import moto.dynamodb.models
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

from homeport.adapters.aws.clients import Clients
from tests.aws.ministack import Ministack
from tests.aws.ministack import ministack as run_ministack
from tests.aws.resources import (
    REGION,
    EndpointSession,
    create_table,
    delete_table,
    fetches,
    removing,
)


@pytest.fixture(scope="session")
def _session() -> boto3.Session:
    """One for all tests: each new one would read the descriptions of the services again."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


def _copy_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's transactions copy the whole table for each of their items, before the first of them
    is done: let them copy it once, or a batch takes seconds."""
    copies: dict[int, Any] = {}
    transact = DynamoDBBackend.transact_write_items

    def deepcopy(thing: Any) -> Any:
        if not isinstance(thing, Table):
            return copy.deepcopy(thing)
        if id(thing) not in copies:
            copies[id(thing)] = copy.deepcopy(thing)
        return copies[id(thing)]

    def transact_afresh(*args: Any) -> None:
        copies.clear()
        transact(*args)

    monkeypatch.setattr(moto.dynamodb.models, "copy", SimpleNamespace(deepcopy=deepcopy))
    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", transact_afresh)


@pytest.fixture
def moto_session(
    monkeypatch: pytest.MonkeyPatch, _session: boto3.Session
) -> Iterator[boto3.Session]:
    """AWS within this process, empty at the start of each test.

    moto is not safe to share among threads (its transactions tear): one request at a time gets
    through, as it would with an engine that keeps them apart.
    """
    lock = threading.Lock()
    answer = BotocoreStubber.__call__

    def one_at_a_time(stubber: BotocoreStubber, *args: Any, **kwargs: Any) -> Any:
        with lock:
            return answer(stubber, *args, **kwargs)

    monkeypatch.setattr(BotocoreStubber, "__call__", one_at_a_time)
    # Which would be asked instead, where a whole run is sent to one.
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
        monkeypatch.delenv(name, raising=False)
    _copy_once(monkeypatch)
    # Streams would be asked for at a host named after the account, which emulators do not know.
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    with mock_aws():
        yield _session


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """AWS as a process of its own, one for all tests; they use names that are new."""
    with run_ministack(tmp_path_factory.mktemp("ministack")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Engine:
    """A DynamoDB that answers, and a table of ours in it. `fetches` says that its queries of a
    local index fetch from the table what the index lacks, as DynamoDB's do."""

    session: boto3.Session
    clients: Clients
    table: str
    fetches: bool

    def another_table(self) -> str:
        return create_table(self.clients, whole_index=not self.fetches)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The real DynamoDB of the caller's own account with HOMEPORT_TEST_AWS=1, the one at
    HOMEPORT_TEST_DYNAMODB_ENDPOINT if that is set, otherwise ministack's. All tests share one
    table, which is removed in the end."""
    endpoint = os.environ.get("HOMEPORT_TEST_DYNAMODB_ENDPOINT")
    session: boto3.Session
    if os.environ.get("HOMEPORT_TEST_AWS") == "1":
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    elif endpoint:
        session = EndpointSession(endpoint)
    else:
        session = request.getfixturevalue("ministack").session
    clients = Clients(session=session)
    fetching = fetches(clients)
    name = create_table(clients, whole_index=not fetching)
    yield Engine(session, clients, name, fetching)
    delete_table(clients, name)


@pytest.fixture
def in_real_time(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Clients of the caller's own account with HOMEPORT_TEST_AWS=1, otherwise of ministack. The
    queues and buckets that are created with them are removed in the end."""
    session: boto3.Session
    if os.environ.get("HOMEPORT_TEST_AWS") == "1":
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    else:
        session = request.getfixturevalue("ministack").session
    clients = Clients(session=session)
    with removing(clients):
        yield clients


@pytest.fixture(params=["moto", "engine"])
def each(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Moto, and the engine, each with a table of its own: what one once knows of shards stays."""
    if request.param == "moto":
        session = request.getfixturevalue("moto_session")
        moto = Engine(session, Clients(session=session), "", fetches=False)
        yield replace(moto, table=moto.another_table())
        return
    real: Engine = request.getfixturevalue("engine")
    name = real.another_table()
    yield replace(real, table=name)
    delete_table(real.clients, name)
