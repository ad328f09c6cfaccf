"""What `benchmarks.aws_growth` reckons with, counted: each operation with the work of the queue
that follows it, and what the stream's function does with each change.

Units are those that docs/aws.md has, by what DynamoDB documents for items of up to 1 KB: moto
does not count them as DynamoDB does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import boto3
import pytest

from benchmarks.aws_growth import INDEXING, USER, Operation
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.stream_events import change_in
from homeport.adapters.aws.stream_mapping import event_record
from homeport.adapters.aws.stream_reader import StreamReader
from homeport.adapters.aws.table import item_key
from homeport.adapters.aws.table_calls import Table
from homeport.adapters.aws.table_sizes import Noted, Size, note
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.events import RecordChanged
from homeport.domain.model.device import Environment, Platform, PushTarget
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.names import SENT
from homeport.domain.search import SearchRequest
from homeport.entrypoints.lambdas import delivery
from tests.aws.calls import item_bytes
from tests.aws.operating import emulated
from tests.aws.queue_mapping import QueueMapping
from tests.aws.queues import create_queue
from tests.aws.resources import REGION, create_table
from tests.aws.search_domains import emulated_fields
from tests.aws.stream_filter import passes

LAMBDAS_OWN: Final = 2
"""Requests to SQS for a message that comes alone: to receive it, and to delete it."""
ANN: Final = Principal("a" * 26, Kind.USER)
TEXT: Final = "x" * 500
"""What makes an item of nearly 1 KB, of which twenty are read in five units."""

Act = Callable[[], object]


class Costs:
    """A backend on AWS, and what it has asked for since `clear`."""

    def __init__(self, session: boto3.Session, endpoint: str) -> None:
        self.calls: Counter[str] = Counter()
        self.reads = self.writes = 0
        clients = self.clients = Clients(session=session, on_call=self._called)
        application = session.client("sns", region_name=REGION).create_platform_application(
            Name="fcm", Platform="GCM", Attributes={}
        )
        self.messages = create_queue(clients, "messages")
        definition = Definition.of(
            {
                "profile": "aws",
                "aws": {
                    "region": REGION,
                    "table": create_table(clients, whole_index=True),
                    "messages_queue": self.messages,
                    "messages_dead_queue": create_queue(clients, "dead"),
                    "search_endpoint": endpoint,
                    "document_endpoint": endpoint,
                    "push_applications": {"fcm": application["PlatformApplicationArn"]},
                },
                "collections": {"notes": {"fields": {"title": "text"}}},
            }
        )
        self.table = definition.aws.table
        self.backend: Backend = build(definition, clients=clients)
        events: Any = clients.get("dynamodb").meta.events
        events.register("before-parameter-build.dynamodb.*", self._ask)
        events.register("after-call.dynamodb.*", self._add)
        self._asked: dict[str, Any] = {}
        # Not of these: Lambda's own.
        self.queue = QueueMapping(
            Clients(session=session), self.messages, delivery.build(self.backend)
        )
        self._stream = StreamReader(Clients(session=session), self.table, quiet=0)

    def clear(self) -> None:
        self.calls.clear()
        self.reads = self.writes = 0
        self.new_changes()

    def new_records(self) -> list[dict[str, Any]]:
        """What came down the stream since the last look."""
        found = self._stream.peek(1000)
        self._stream.settle(found)
        return [event_record(one.content) for one in found]

    def new_changes(self) -> list[RecordChanged]:
        """What of it passed the filter."""
        changes = [change_in(one) for one in self.new_records() if passes(one)]
        return [one.event for one in changes if one is not None]

    def note(self) -> str:
        return self.backend.records.create(ANN, "me", "notes", {"title": TEXT}).key.id

    def _called(self, name: str) -> None:
        self.calls[name] += 1

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        self._asked = params

    def _add(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        asked = self._asked
        match model.name:
            case "GetItem":
                self.reads += 1
            case "BatchGetItem":
                self.reads += sum(len(one["Keys"]) for one in asked["RequestItems"].values())
            case "Query":
                items = parsed["Items"]
                if "IndexName" in asked:  # rows of the index, and each item fetched
                    self.reads += 1 + len(items)
                else:
                    self.reads += max(1, -(-sum(map(item_bytes, items)) // 4096))
            case "UpdateItem":
                self.writes += _units_of(parsed["Attributes"])
            case "TransactWriteItems":  # no records, which have rows in the index
                self.writes += 2 * len(asked["TransactItems"])
            case "PutItem" | "DeleteItem":  # the first signing key, and what tests do themselves
                self.writes += 1
            case _:
                raise AssertionError(f"what does {model.name} cost?")


def _units_of(item: dict[str, Any]) -> int:
    """Of a write that made an item what it is: a new row of the index is one, a moved one two."""
    if "lk" not in item:
        return 1
    return 2 if item.get("c") == item["v"] else 3


@pytest.fixture
def costs(moto_session: boto3.Session) -> Iterator[Costs]:
    with emulated(dict(emulated_fields())) as domain:
        found = Costs(moto_session, domain.endpoint)
        found.note()  # the first notes the shards, once for each table
        yield found
        found.backend.close()


def _refresh(costs: Costs) -> Act:
    identities = costs.backend.identities
    guest = identities.guest()
    token = identities.refresh(guest.refresh_token).refresh_token
    return partial(identities.refresh, token)


def _get(costs: Costs) -> Act:
    return partial(costs.backend.records.get, ANN, "me", "notes", costs.note())


def _list(costs: Costs) -> Act:
    for _ in range(19):  # and the first
        costs.note()

    def act() -> None:
        assert len(costs.backend.records.page(ANN, "me", "notes").records) == 20

    return act


def _pull(costs: Costs) -> Act:
    for _ in range(19):  # and the first
        costs.note()

    def act() -> None:
        found = costs.backend.records.changes(ANN, "me", collection="notes")
        assert len(found.records) == 20

    return act


def _create(costs: Costs) -> Act:
    return costs.note


def _change(costs: Costs) -> Act:
    id = costs.note()
    return lambda: costs.backend.records.patch(ANN, "me", "notes", id, {"title": "y"})


def _search(costs: Costs) -> Act:
    costs.new_changes()
    for _ in range(10):
        costs.backend.records.create(ANN, "me", "notes", {"title": "bread"})
    assert not costs.backend.indexing.consume(costs.new_changes())

    def act() -> None:
        assert costs.backend.search.search(ANN, SearchRequest("bread", space="me")).total == 10

    return act


def _send(costs: Costs) -> Act:
    backend = costs.backend
    guest = backend.identities.guest().identity
    ben = Principal(guest.id, guest.kind)
    phone = PushTarget(Platform.FCM, Environment.PRODUCTION, "token")
    backend.devices.put(ben, "phone", phone)

    def send() -> None:
        backend.messages.send(ANN, [ben.id], "", "Hello")
        costs.queue.drain()

    send()
    return send


ACTS: Final[dict[str, Callable[[Costs], Act]]] = {
    "refresh an access token": _refresh,
    "get a record": _get,
    "list a page of 20": _list,
    "pull 20 changes": _pull,
    "create a record": _create,
    "change a record": _change,
    "search, with 10 hits": _search,
    "send a message to one other": _send,
}


@pytest.mark.parametrize("one", USER, ids=lambda one: one.name)
def test_an_operation_costs_what_is_reckoned_with(costs: Costs, one: Operation) -> None:
    act = ACTS[one.name](costs)
    costs.clear()
    act()
    changes = costs.new_changes()
    for event in changes:  # each alone: what comes together is read together
        if event.key.collection == SENT:
            assert not costs.backend.messages.watch([event])
    calls = Counter(costs.calls)
    searches = calls["cloudsearch-domain.Search"]
    queued = calls["sqs.SendMessage"]
    assert (calls.total(), costs.reads, costs.writes) == (one.calls, one.reads, one.writes), calls
    assert len(changes) == one.changes
    assert (calls["sns.Publish"], searches) == (one.pushes, one.searches)
    assert queued + LAMBDAS_OWN * queued == one.queued


def test_indexing_a_change_costs_what_is_reckoned_with(costs: Costs) -> None:
    costs.clear()
    costs.note()
    changes = costs.new_changes()
    costs.clear()
    assert not costs.backend.indexing.consume(changes)
    assert costs.calls == {
        "dynamodb.BatchGetItem": 3,
        "cloudsearch-domain.UploadDocuments": 1,
    }
    assert (costs.calls.total(), costs.reads) == (INDEXING.calls, INDEXING.reads)
    assert INDEXING.monthly == sum(one.monthly * one.changes for one in USER)


def test_the_streams_filter_lets_through_what_is_a_change_and_nothing_else(costs: Costs) -> None:
    backend, clients = costs.backend, costs.clients
    costs.clear()
    ids = [costs.note() for _ in range(3)]
    backend.records.patch(ANN, "me", "notes", ids[0], {"title": "y"})
    backend.records.delete(ANN, "me", "notes", ids[0])
    clients.get("dynamodb").delete_item(  # behind the store's back
        TableName=costs.table, Key=item_key(f"{ANN.id}#0", f"notes#{ids[1]}")
    )
    assert len(costs.new_changes()) == 6
    backend.records.delete(ANN, "me", "notes", ids[2])
    backend.store.put_membership(Membership("team", ANN.id, Role.OWNER))
    backend.store.remove_membership("team", ANN.id)
    _refresh(costs)()
    note(Table(clients, costs.table), Noted(1, 2, Size("", 3, "")))
    told = costs.new_records()
    assert [change_in(one) is not None for one in told] == [passes(one) for one in told]
    assert [passes(one) for one in told].count(True) == 1
    assert len(told) > 10
