"""The stream's function under the poller that stands in for Lambda, with everything that fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError

from homeport.adapters.aws.change_feed import DynamoDBChangeFeed
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.message_queue import SQSMessageQueue
from homeport.adapters.aws.parked_letters import ParkedLetters
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.stream_mapping import MappingSettings, StreamMapping
from homeport.adapters.aws.stream_reader import StreamReader
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.errors import Unavailable
from homeport.domain.model import versions
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.document import IndexChange, Rejection
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery
from homeport.entrypoints.lambdas import indexing, subscribers
from tests.aws.fake_streams import FakeStreams
from tests.aws.queue_mapping import VISIBILITY, QueueMapping
from tests.aws.queues import bodies_in, create_queue, follow, url_of
from tests.aws.resources import REGION, create_table

BUCKET = "failed-batches"
RETRY = Retry(attempts=3, first_wait=1, longest_wait=4)


class TroubledIndex(MemorySearchIndex):
    """Down while `down`; takes none of the records in `refuses`."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.refuses: set[str] = set()
        self.applied: list[tuple[str, int]] = []

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        if self.down:
            raise Unavailable("The index is down.")
        taken = [one for one in changes if one.key.id not in self.refuses]
        self.applied += [(one.key.id, one.version) for one in taken]
        refused = [one for one in changes if one.key.id in self.refuses]
        return [
            *super().apply(taken),
            *(Rejection(one.key, "a field is too strange") for one in refused),
        ]


class World:
    """A table, its stream, and the function behind both of its event source mappings."""

    def __init__(self, session: boto3.Session, settings: MappingSettings | None = None) -> None:
        self.clock = ManualClock()
        self.clients = clients = Clients(session=session)
        self.table = create_table(clients)
        self.redriven = create_queue(clients, "redriven")
        place: Any = {"LocationConstraint": REGION}
        clients.get("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        self.parked = ParkedLetters(
            clients,
            self.clock,
            queue=create_queue(clients, "parked"),
            redriven=self.redriven,
            failed_batches=BUCKET,
            wait=0,
        )
        self.store = DynamoDBRecordStore(
            clients, self.clock, SequentialIds(), Catalog(), table=self.table
        )
        self.subscribers_queue = create_queue(clients, "subscribers", FifoQueue="true")
        self.queue = SQSMessageQueue(
            clients,
            self.clock,
            RETRY,
            queue=create_queue(clients, "messages"),
            dead_queue=create_queue(clients, "dead"),
            wait=0,
        )
        self.index = TroubledIndex()
        self.backend: Backend = build(
            Definition.of(
                {
                    "profile": "memory",
                    "aws": {"subscribers_queue": self.subscribers_queue},
                    "subscribers": [{"name": "app", "on": "notes", "call": "some_app:call"}],
                }
            ),
            clock=self.clock,
            retry=RETRY,
            clients=clients,
            parked=self.parked,
            record_store=self.store,
            message_queue=self.queue,
            search_index=self.index,
            change_feed=DynamoDBChangeFeed(
                clients, self.clock, RETRY, self.parked, self.store, table=self.table, quiet=0
            ),
        )
        self.discarded: list[str] = []
        function = indexing.build(self.backend)
        self.stream = StreamMapping(
            StreamReader(clients, self.table, quiet=0),
            function,
            self.clock,
            settings or MappingSettings(),
            self.discard,
        )
        self.redrives = QueueMapping(clients, self.redriven, function)
        self.app = QueueMapping(
            clients, self.subscribers_queue, subscribers.build(self.backend), subscribers.BATCH
        )

    def discard(self, invocation: str) -> None:
        """Keep what is given up, as an S3 destination does."""
        self.discarded.append(invocation)
        key = f"aws/lambda/id/shard/2026/01/01/{len(self.discarded)}"
        self.clients.get("s3").put_object(Bucket=BUCKET, Key=key, Body=invocation.encode())

    def put(self, id: str, n: int = 0, space: str = "ann", collection: str = "notes") -> Record:
        key = Key(space, collection, id)
        (record,) = self.store.write([Put(key, "ann", Data.of({"n": n}))])
        return record

    def delete(self, id: str) -> Record:
        (record,) = self.store.write([Delete(Key("ann", "notes", id), "ann")])
        return record

    def go_on(self, times: int = 6) -> None:
        for _ in range(times):
            self.stream.poll()
            self.redrives.drain()
            self.app.drain()
            self.clock.advance(70)

    def indexed(self) -> dict[str, int]:
        return {one.key.id: one.version for one in self.index.entries(1000)}


Make = Callable[..., World]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the app's own function was called with."""
    calls: list[tuple[str, int]] = []
    functions = SimpleNamespace(
        call=lambda event, record: calls.append((event.key.id, event.version))
    )
    monkeypatch.setitem(sys.modules, "some_app", functions)
    return calls


@pytest.fixture
def make(
    moto_session: boto3.Session, seen: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> Make:
    def make(settings: MappingSettings | None = None) -> World:
        world = World(moto_session, settings)
        follow(monkeypatch, world.clock)
        monkeypatch.setattr(
            "moto.dynamodb.models.table.utcnow",
            lambda: datetime.fromtimestamp(world.clock.now() / 1e6, UTC).replace(tzinfo=None),
        )
        return world

    return make


@pytest.fixture
def world(make: Make) -> World:
    return make()


def test_what_is_written_is_indexed_and_handed_on(
    world: World, seen: list[tuple[str, int]]
) -> None:
    records = [world.put(f"r{n}") for n in range(5)]
    world.go_on(2)
    assert world.indexed() == {one.key.id: one.version for one in records}
    assert sorted(seen) == sorted((one.key.id, one.version) for one in records)


def test_a_deletion_leaves_the_index(world: World) -> None:
    world.put("a")
    world.go_on(1)
    world.delete("a")
    world.go_on(1)
    assert world.indexed() == {}


def test_memberships_and_hidden_spaces_are_nobodys_business(
    world: World, seen: list[tuple[str, int]]
) -> None:
    world.store.put_membership(Membership("team", "ann", Role.OWNER))
    world.put("hidden", space=".ann")
    world.go_on(2)
    assert world.indexed() == {}
    assert seen == []


def test_an_index_that_is_down_holds_up_the_stream_and_loses_nothing(world: World) -> None:
    world.index.down = True
    first = world.put("a")
    world.go_on(3)
    second = world.put("b")
    world.go_on(3)
    assert world.indexed() == {}
    world.index.down = False
    world.go_on(3)
    assert world.indexed() == {"a": first.version, "b": second.version}
    assert world.parked.letters("indexing") == []


def test_a_subscriber_goes_on_while_the_index_is_down(
    world: World, seen: list[tuple[str, int]]
) -> None:
    world.index.down = True
    record = world.put("a")
    world.go_on(3)
    assert seen == [("a", record.version)]


def test_a_document_that_the_index_never_takes_is_parked_and_holds_up_nothing(
    world: World,
) -> None:
    world.index.refuses = {"b"}
    world.put("a")
    refused = world.put("b")
    world.put("c")
    world.go_on(2)
    assert sorted(world.indexed()) == ["a", "c"]
    (letter,) = world.parked.letters("indexing")
    assert letter.cause == "a field is too strange"
    assert json.loads(letter.body)["version"] == f"{refused.version:016x}"


def test_a_redrive_reads_the_record_as_it_is_by_then(world: World) -> None:
    world.index.refuses = {"a"}
    old = world.put("a")
    world.go_on(2)
    (letter,) = world.parked.letters("indexing")
    world.index.refuses = set()
    new = world.put("a")
    world.go_on(2)
    assert world.backend.feed.redrive("indexing", [letter.id]) == 1
    world.go_on(2)
    assert world.indexed() == {"a": new.version}
    assert ("a", old.version) not in world.index.applied
    assert world.parked.letters("indexing") == []


def test_a_redriven_change_of_a_subscriber_reaches_it_again(
    world: World, seen: list[tuple[str, int]]
) -> None:
    record = world.put("a")
    world.go_on(1)
    event = {"id": "a", "space": "ann", "collection": "notes", "author": "ann"}
    body = {**event, "version": f"{record.version:016x}", "previous": None, "deleted": False}
    world.parked.park("subscriber:app", json.dumps(body), "it failed", 3)
    (letter,) = world.parked.letters("subscriber:app")
    world.parked.redrive("subscriber:app", [letter.id])
    world.go_on(1)
    assert seen == [("a", record.version)] * 2


def test_the_same_batch_twice_does_no_harm(world: World, seen: list[tuple[str, int]]) -> None:
    record = world.put("a")
    again = StreamMapping(
        StreamReader(world.clients, world.table, quiet=0),
        indexing.build(world.backend),
        world.clock,
    )
    world.stream.poll()
    again.poll()
    world.go_on(1)
    assert world.indexed() == {"a": record.version}
    assert seen == [("a", record.version)]


def test_a_message_that_stays_on_its_way_is_queued_once_more(world: World) -> None:
    sent = world.backend.messages.send(Principal("ann", Kind.USER), ["ben"], "Hello", "there")
    jobs: list[str] = []

    def work(some: Sequence[Delivery]) -> dict[str, str]:
        jobs.extend(one.body for one in some)
        return {}

    world.queue.deliver(work)
    world.stream.poll()
    world.clock.advance(61)
    world.queue.deliver(work)
    assert [json.loads(one)["message"] for one in jobs] == [sent.key.id] * 2


def test_what_stays_too_long_goes_to_the_destination_whole(make: Make) -> None:
    world = make(MappingSettings(maximum_record_age=600))
    world.index.down = True
    record = world.put("a")
    world.go_on(12)
    (discarded,) = world.discarded
    (told,) = json.loads(json.loads(discarded)["payload"])["Records"]
    assert told["dynamodb"]["NewImage"]["v"] == {"N": str(record.version)}


def test_a_batch_that_was_given_up_is_done_whole_when_it_is_redriven(
    make: Make, seen: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever part of the function failed: it may have been the app's queue, not the index."""
    world = make(MappingSettings(maximum_record_age=600))
    sqs: Any = world.clients.get("sqs")
    send = sqs.send_message_batch

    def down(**asked: Any) -> Any:
        if asked["QueueUrl"].endswith(".fifo"):
            raise ConnectionClosedError(endpoint_url=asked["QueueUrl"])
        return send(**asked)

    world.index.down = True
    with monkeypatch.context() as patch:
        patch.setattr(sqs, "send_message_batch", down)
        record = world.put("a")
        world.go_on(12)
    assert (len(world.discarded), seen, world.indexed()) == (1, [], {})
    world.index.down = False
    (letter,) = world.parked.letters("indexing")
    world.parked.redrive("indexing", [letter.id])
    world.go_on(2)
    assert seen == [("a", record.version)]
    assert world.indexed() == {"a": record.version}
    assert world.parked.letters("indexing") == []


def test_what_is_no_change_among_the_redriven_costs_the_others_nothing(world: World) -> None:
    world.index.refuses = {"a"}
    record = world.put("a")
    world.go_on(1)
    world.index.refuses = set()
    (letter,) = world.parked.letters("indexing")
    url = url_of(world.clients, world.redriven)
    world.clients.get("sqs").send_message(QueueUrl=url, MessageBody="who are you?")
    world.parked.redrive("indexing", [letter.id])
    assert world.redrives.poll() == 2
    assert world.indexed() == {"a": record.version}
    world.clock.advance(120)
    assert bodies_in(world.clients, world.redriven) == ["who are you?"]


def test_what_is_redriven_in_vain_is_parked_again_with_its_cause(
    world: World, seen: list[tuple[str, int]]
) -> None:
    """SQS would do that without the cause, and only by a redrive policy that may not be there."""
    record = world.put("a")
    world.go_on(1)
    event = {"id": "a", "space": "ann", "collection": "notes", "author": "ann"}
    body = {**event, "version": f"{record.version:016x}", "previous": None, "deleted": False}
    url = url_of(world.clients, world.redriven)
    sent = [json.dumps({"consumer": who, **body}) for who in ("indexing", "stream")]
    for one in (*sent, "who are you?"):
        world.clients.get("sqs").send_message(QueueUrl=url, MessageBody=one)
    world.index.down = True
    for _ in range(5):
        assert not world.parked.letters("indexing")
        assert world.redrives.poll() == 3
        world.clock.advance(VISIBILITY + 1)
    assert world.redrives.poll() == 0
    letters = world.parked.letters("indexing")
    assert {(one.cause, one.attempts) for one in letters} == {("The index is down.", 5)}
    assert len(letters) == 2
    (unknown,) = world.parked.letters("unknown")
    assert unknown.body == "who are you?"
    world.index.down = False
    world.parked.redrive("indexing", [one.id for one in letters])
    world.app.drain()
    before = len(seen)
    world.go_on(2)
    assert world.indexed() == {"a": record.version}
    assert len(seen) == before + 1, "what was for all is for all still"


def test_a_change_that_was_committed_late_is_stamped_anew(
    world: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    record = world.put("a")
    late = _image(record, seconds=record_seconds(record) + 12)
    on_time = _image(record, seconds=record_seconds(record) + 8)
    function = indexing.build(world.backend)
    function({"Records": [on_time]}, None)
    assert world.store.get(record.key) == record
    assert capsys.readouterr().out == ""
    function({"Records": [late]}, None)
    counted = json.loads(capsys.readouterr().out)
    assert counted["late_changes"] == 1
    (metrics,) = counted["_aws"]["CloudWatchMetrics"]
    assert metrics["Metrics"] == [{"Name": "late_changes", "Unit": "Count"}]
    assert metrics["Dimensions"] == [["function"]]
    assert counted["function"] == "indexing"
    again = world.store.get(record.key)
    assert again is not None and again.version > record.version
    assert again.data == record.data
    assert "stamped anew" in caplog.text
    function({"Records": [late]}, None)
    assert world.store.get(record.key) == again, "it has moved on: nothing is left to do"


@pytest.mark.parametrize(("seconds", "stamped"), [(8, False), (12, True)])
def test_what_was_late_and_given_up_is_stamped_anew_when_it_is_redriven(
    world: World, seconds: int, stamped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = world.put("a")
    batch = [_image(record, record_seconds(record) + seconds)]
    given_up = {
        "requestContext": {"condition": "RecordAgeExceeded", "approximateInvokeCount": 1},
        "timestamp": "2026-01-01T00:13:49.717Z",
        "payload": json.dumps({"Records": batch}),
    }
    world.discard(json.dumps(given_up))
    (letter,) = world.parked.letters("indexing")
    world.parked.redrive("indexing", [letter.id])

    def down(*_: object) -> None:
        raise Unavailable("The table is down.")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "restamp", down)
        world.redrives.poll()
    world.clock.advance(VISIBILITY + 1)
    assert world.redrives.poll() == (1 if stamped else 0), "what failed comes again"
    again = world.store.get(record.key)
    assert again is not None and (again.version > record.version) is stamped


def test_what_cannot_be_stamped_anew_now_comes_again_and_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late, on_time = world.put("late"), world.put("on-time")
    event = {
        "Records": [
            _image(on_time, record_seconds(on_time), "1"),
            _image(late, record_seconds(late) + 12, "2"),
        ]
    }
    function = indexing.build(world.backend)

    def down(*_: object) -> None:
        raise Unavailable("The table is down.")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "restamp", down)
        for _ in range(2):
            assert function(event, None) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert set(world.indexed()) == {"late", "on-time"}, "the index need not wait for it"
    assert function(event, None) == {"batchItemFailures": []}
    again = world.store.get(late.key)
    assert again is not None and again.version > late.version
    assert capsys.readouterr().out.count('late_changes":1') == 1


def test_across_a_split_of_the_shard_nothing_is_lost_or_reordered(world: World) -> None:
    """No emulator splits shards, so the stream is a fake here, and the records are real."""
    streams = FakeStreams({"parent": None})
    shard = "parent"
    for turn in range(3):
        for n in range(4):
            record = world.put(f"r{n}", turn)
            told = _image(record, record_seconds(record))["dynamodb"]
            streams.add(shard, {name: told[name] for name in told if name != "SequenceNumber"})
        streams.split(shard, f"child{turn}")
        shard = f"child{turn}"
    mapping = StreamMapping(
        StreamReader(streams.clients, "t", quiet=0),
        indexing.build(world.backend),
        world.clock,
        MappingSettings(batch_size=3),
    )
    world.index.down = True
    for _ in range(4):
        mapping.poll()
        world.clock.advance(70)
    world.index.down = False
    for _ in range(20):
        mapping.poll()
        world.clock.advance(70)
    held = [world.store.get(Key("ann", "notes", f"r{n}")) for n in range(4)]
    assert world.indexed() == {one.key.id: one.version for one in held if one is not None}
    assert len(world.indexed()) == 4
    for n in range(4):
        applied = [version for id, version in world.index.applied if id == f"r{n}"]
        assert applied == sorted(applied)


def test_a_failure_names_the_first_change_that_is_to_come_again(world: World) -> None:
    world.index.down = True
    records = [world.put(f"r{n}") for n in range(3)]
    event = {"Records": [_image(one, record_seconds(one), str(n)) for n, one in enumerate(records)]}
    answer = indexing.build(world.backend)(event, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "Keys": {}}},
        {
            "eventName": "INSERT",
            "dynamodb": {"SequenceNumber": "1", "Keys": {"pk": {"S": "a#0"}, "sk": {"S": "b#c"}}},
        },
    ],
)
def test_a_stream_of_another_table_is_refused_loudly(world: World, record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="stream"):
        indexing.build(world.backend)(
            {"Records": [{"eventSource": "aws:dynamodb", **record}]}, None
        )


def record_seconds(record: Record) -> float:
    return versions.time_of(record.version) / 1e6


def _image(record: Record, seconds: float, sequence: str = "1") -> dict[str, Any]:
    version = record.version
    keys = {
        "pk": {"S": f"{record.key.space}#0"},
        "sk": {"S": f"{record.key.collection}#{record.key.id}"},
    }
    image = {**keys, "v": {"N": str(version)}, "lk": {"S": "x"}, "a": {"S": record.author}}
    return {
        "eventSource": "aws:dynamodb",
        "eventName": "INSERT",
        "dynamodb": {
            "ApproximateCreationDateTime": float(int(seconds)),
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": sequence,
        },
    }
