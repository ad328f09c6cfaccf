"""What an operation of the backend asks of AWS, as a request of a client does: the services' own
calls on top of the adapters'. One that rises is a failure; docs/aws.md has the table."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.devices import Devices
from homeport.domain.events import RecordChanged
from homeport.domain.model.device import Environment, Platform, PushTarget
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Record
from homeport.domain.search import SearchRequest
from tests.aws.operating import emulated
from tests.aws.queues import create_queue
from tests.aws.resources import REGION, create_table
from tests.aws.search_domains import emulated_fields

ANN, BEN = (Principal(name * 26, Kind.USER) for name in "ab")
SHARED = "s" * 26
READ = {"dynamodb.GetItem": 1}
WRITE = {"dynamodb.UpdateItem": 1}
GUARDED_READ = {"dynamodb.BatchGetItem": 1}
GUARDED_WRITE = {"dynamodb.TransactWriteItems": 1}
LIST = {"dynamodb.Query": 1}
ADDITION = {"dynamodb.BatchGetItem": 1, "dynamodb.Query": 1, "dynamodb.TransactWriteItems": 1}
"""Of what an identity has a limited number of: what is needed, how many there are, the writes."""
MEMBERSHIPS = {"dynamodb.Query": 2}
"""Before, and once more after: whoever was removed meanwhile is not to see what came then."""


@dataclass
class Counted:
    backend: Backend
    calls: list[str]

    def count(self, operation: Callable[[], object]) -> dict[str, int]:
        self.calls.clear()
        operation()
        return dict(Counter(self.calls))


@pytest.fixture
def counted(moto_session: boto3.Session) -> Iterator[Counted]:
    calls: list[str] = []
    clients = Clients(session=moto_session, on_call=calls.append)
    with emulated(dict(emulated_fields())) as domain:
        definition = Definition.of(
            {
                "profile": "aws",
                "aws": {
                    "region": REGION,
                    "table": create_table(clients, whole_index=True),
                    "messages_queue": create_queue(clients, "messages"),
                    "messages_dead_queue": create_queue(clients, "dead"),
                    "search_endpoint": domain.endpoint,
                    "document_endpoint": domain.endpoint,
                },
                "collections": {
                    "notes": {"read": "anyone", "fields": {"title": "text"}},
                    "plans": {"fields": {"title": "text"}},
                    "letters": {"read": "owner", "write": "anyone"},
                },
            }
        )
        backend = build(definition, clients=clients)
        backend.store.put_membership(Membership(SHARED, ANN.id, Role.WRITER))
        # The first of its collection notes the shards, once for each table.
        for collection in ("notes", "plans"):
            backend.records.create(ANN, "me", collection, {"title": "first"})
        backend.messages.send(ANN, [BEN.id], "", "Hello")
        yield Counted(backend, calls)
        backend.close()


@pytest.mark.parametrize("space", ["me", "public"])
def test_own_and_public_spaces_take_one_call(counted: Counted, space: str) -> None:
    records, count = counted.backend.records, counted.count
    made: list[Record] = []
    assert count(lambda: made.append(records.create(ANN, space, "notes", {"title": "a"}))) == WRITE
    at = ANN, space, "notes", made[0].key.id
    assert count(lambda: records.get(*at)) == READ
    assert count(lambda: records.put(*at, {"title": "b"})) == WRITE
    assert count(lambda: records.patch(*at, {"title": "c"})) == WRITE
    assert count(lambda: records.page(ANN, space, "notes", limit=10)) == LIST
    assert count(lambda: records.delete(*at)) == WRITE


def test_shared_spaces_take_one_more_at_most(counted: Counted) -> None:
    records, count = counted.backend.records, counted.count
    made: list[Record] = []
    create = count(lambda: made.append(records.create(ANN, SHARED, "plans", {"title": "a"})))
    assert create == GUARDED_WRITE
    at = ANN, SHARED, "plans", made[0].key.id
    assert count(lambda: records.get(*at)) == GUARDED_READ
    assert count(lambda: records.put(*at, {"title": "b"})) == GUARDED_READ | GUARDED_WRITE
    assert count(lambda: records.patch(*at, {"title": "c"})) == GUARDED_READ | GUARDED_WRITE
    assert count(lambda: records.page(ANN, SHARED, "plans", limit=10)) == LIST | READ
    assert count(lambda: records.delete(*at)) == GUARDED_READ | GUARDED_WRITE


@pytest.mark.parametrize(
    ("space", "more"), [("me", {}), ("public", {}), (SHARED, MEMBERSHIPS), (None, MEMBERSHIPS)]
)
def test_a_search_takes_the_index_and_the_hits_in_one_batch(
    counted: Counted, space: str | None, more: dict[str, int]
) -> None:
    backend = counted.backend
    record = backend.records.create(ANN, space or "me", "notes", {"title": "bread"})
    event = RecordChanged(record.key, record.version, None, ANN.id, deleted=False)
    assert not backend.indexing.consume([event])
    found: list[Any] = []
    request = SearchRequest("bread", space=space)
    names = counted.count(lambda: found.append(backend.search.search(ANN, request)))
    assert found[0].total == 1
    assert names == {"cloudsearch-domain.Search": 1, "dynamodb.BatchGetItem": 1} | more


def test_a_message_takes_its_record_and_the_queue(counted: Counted) -> None:
    names = counted.count(lambda: counted.backend.messages.send(ANN, [BEN.id], "", "Hello"))
    assert names == WRITE | {"sqs.SendMessage": 1}


def test_a_device_is_registered_again_in_two_calls(counted: Counted) -> None:
    backend = counted.backend
    devices = Devices(backend.store, MemoryPushGateway(), backend.clock)
    phone = PushTarget(Platform.APNS, Environment.PRODUCTION, "ab" * 32)
    devices.put(BEN, "phone", replace(phone, token="cd" * 32))  # asks for the shards
    assert counted.count(lambda: devices.put(ANN, "phone", phone)) == ADDITION
    assert counted.count(lambda: devices.put(ANN, "phone", phone)) == GUARDED_READ | WRITE
    another = replace(phone, token="ef" * 32)  # not all of its writes are creations
    more = {"dynamodb.BatchGetItem": 2}
    assert counted.count(lambda: devices.put(ANN, "other", another)) == ADDITION | more


def test_a_block_is_put_again_in_one_call(counted: Counted) -> None:
    blocks = counted.backend.blocks
    blocks.put(BEN, ANN.id)  # asks for the shards
    assert counted.count(lambda: blocks.put(ANN, BEN.id)) == ADDITION
    assert counted.count(lambda: blocks.put(ANN, BEN.id)) == GUARDED_READ


def test_a_repeated_creation_reads_where_that_is_not_sure_to_be_allowed(counted: Counted) -> None:
    records = counted.backend.records
    guest = Principal("g" * 26, Kind.GUEST)
    for who, collection, calls in (
        (ANN, "notes", WRITE),
        (ANN, "letters", WRITE),
        (guest, "letters", WRITE | GUARDED_READ),
    ):
        key = str(uuid.uuid4())
        text = {"text": "hello"}
        create = partial(records.create, who, ANN.id, collection, text, key)
        first = create()
        records.patch(ANN, "me", collection, key, {"note": "secret"})
        assert counted.count(create) == calls
        assert (create() == first) is (who is guest)
