"""The change feed over the table's stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import pytest
from moto.backends import get_backend

from homeport.adapters.aws.change_feed import DynamoDBChangeFeed
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.parked_letters import EVERYBODY, ParkedLetters
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain.events import RecordChanged
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.testing import ChangeFeedContract
from tests.aws.queues import create_queue, follow
from tests.aws.resources import REGION, create_table


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
    def feed(
        self, clients: Clients, clock: ManualClock, store: DynamoDBRecordStore, table: str
    ) -> DynamoDBChangeFeed:
        parked = ParkedLetters(
            clients,
            clock,
            queue=create_queue(clients, "parked"),
            redriven=create_queue(clients, "redriven"),
            wait=0,
        )
        return DynamoDBChangeFeed(clients, clock, self.retry, parked, store, table=table, quiet=0)

    @pytest.fixture
    def again(
        self, feed: DynamoDBChangeFeed, clients: Clients, clock: ManualClock, table: str
    ) -> DynamoDBChangeFeed:
        """The same feed in another process."""
        return DynamoDBChangeFeed(
            clients, clock, self.retry, feed._parked, feed._store, table=table, quiet=0
        )

    def forget_stream(self, clients: Clients, table: str) -> None:
        """A day passes: the stream has nothing any more of what was before."""
        moto: Any = get_backend("dynamodb")["123456789012"][REGION]
        shard = moto.get_table(table).stream_shard
        shard.id, shard.items = f"{shard.id}-next", []

    def test_what_the_stream_forgets_while_older_records_are_handed_over(
        self,
        feed: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
        clients: Clients,
        table: str,
    ) -> None:
        seen: list[str] = []
        put(store, "c")
        clock.advance(8 * 3600)
        put(store, "a")
        clock.advance(22 * 3600)
        feed.deliver("one", remembering(seen), limit=1)
        clock.advance(3 * 3600)
        self.forget_stream(clients, table)
        for _ in range(5):
            feed.deliver("one", remembering(seen), limit=1)
        assert sorted(seen) == ["a", "c"]

    def test_a_consumer_that_was_away_for_days_is_given_what_it_missed(
        self,
        feed: DynamoDBChangeFeed,
        again: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
        clients: Clients,
        table: str,
    ) -> None:
        seen: list[str] = []
        put(store, "a")
        feed.deliver("one", remembering(seen))
        clock.advance(3600)
        put(store, "b")
        clock.advance(2 * 24 * 3600)
        self.forget_stream(clients, table)
        for _ in range(3):
            again.deliver("one", remembering(seen))
        assert seen[0] == "a"
        assert "b" in seen

    def test_so_is_one_that_had_read_nothing_of_the_stream_yet(
        self,
        feed: DynamoDBChangeFeed,
        again: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
        clients: Clients,
        table: str,
    ) -> None:
        seen: list[str] = []
        put(store, "b")
        clock.advance(2 * 24 * 3600)
        self.forget_stream(clients, table)
        for _ in range(2):
            feed.deliver("one", remembering(seen))
        put(store, "a")
        clock.advance(2 * 24 * 3600)
        self.forget_stream(clients, table)
        for _ in range(2):
            again.deliver("one", remembering(seen))
        assert seen[0] == "b"
        assert "a" in seen

    def test_a_consumer_that_waits_for_days_starts_nothing_over(
        self,
        feed: DynamoDBChangeFeed,
        again: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
    ) -> None:
        seen: list[str] = []
        put(store, "a")
        for _ in range(6):
            feed.deliver("one", remembering(seen))
            clock.advance(10 * 3600)
        assert again.deliver("one", remembering(seen)) == 0
        assert seen == ["a"]

    def test_what_the_stream_still_has_of_older_records_comes_once(
        self, feed: DynamoDBChangeFeed, store: DynamoDBRecordStore, clock: ManualClock
    ) -> None:
        seen: list[str] = []
        put(store, "a")
        put(store, "a")
        clock.advance(2 * 3600)
        put(store, "b")
        for _ in range(3):
            feed.deliver("one", remembering(seen))
        assert seen == ["a", "b"]

    @pytest.mark.parametrize(("seconds", "late"), [(8, False), (12, True)])
    def test_a_change_that_was_committed_late_is_stamped_anew(
        self,
        feed: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
        seconds: int,
        late: bool,
    ) -> None:
        """Readers have gone past its old stamp. Every consumer is given both."""
        seen: list[str] = []
        feed.deliver("one", remembering(seen))
        stamped = store._writes.stamp()
        clock.advance(seconds)
        (record,) = store._writes.write([_put("a")], None, stamped)
        for _ in range(4):
            feed.deliver("one", remembering(seen), collections={"notes"})
            feed.deliver("other", remembering([]), collections={"books"})
        again = store.get(record.key)
        assert again is not None and (again.version > record.version) is late
        assert seen == ["a"] * (1 + late)

    def test_a_stamp_of_a_clock_that_is_behind_is_late_once(
        self,
        feed: DynamoDBChangeFeed,
        store: DynamoDBRecordStore,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The stamp that is to cure it comes from the same clock, and would be late as well."""
        seen: list[str] = []
        feed.deliver("one", remembering(seen))
        ahead = ManualClock(clock.now() + 15_000_000)
        follow(monkeypatch, ahead)
        put(store, "a")
        for _ in range(6):
            feed.deliver("one", remembering(seen))
        assert seen == ["a", "a"]

    def test_the_events_of_a_failed_batch_come_to_all_who_want_them(
        self, feed: DynamoDBChangeFeed, store: DynamoDBRecordStore, clients: Clients
    ) -> None:
        seen: list[str] = []
        others: list[str] = []
        put(store, "a")
        feed.deliver("one", remembering(seen))
        feed.deliver("other", remembering(others), collections={"books"})
        (url,) = clients.get("sqs").list_queues(QueueNamePrefix="homeport-redriven")["QueueUrls"]
        event = {"id": "a", "space": "ann", "collection": "notes", "author": "ann"}
        change = {**event, "version": f"{1 << 20:016x}", "previous": None, "deleted": False}
        body = json.dumps({"consumer": EVERYBODY, **change})
        clients.get("sqs").send_message(QueueUrl=url, MessageBody=body)
        assert feed.deliver("one", remembering(seen)) == 1
        assert feed.deliver("other", remembering(others), collections={"books"}) == 0
        assert feed.next_due("other") is None
        assert (seen, others) == (["a", "a"], [])

    def test_what_was_late_in_a_failed_batch_is_stamped_anew(
        self, feed: DynamoDBChangeFeed, store: DynamoDBRecordStore, clients: Clients
    ) -> None:
        put(store, "a")
        feed.deliver("one", remembering([]))
        record = store.get(Key("ann", "notes", "a"))
        assert record is not None
        (url,) = clients.get("sqs").list_queues(QueueNamePrefix="homeport-redriven")["QueueUrls"]
        event = RecordChanged(record.key, record.version, None, "ann", deleted=False)
        change = {**json.loads(event.to_json()), "behind": 12_000_000}
        body = json.dumps({"consumer": EVERYBODY, **change})
        clients.get("sqs").send_message(QueueUrl=url, MessageBody=body)
        feed.deliver("one", remembering([]))
        again = store.get(record.key)
        assert again is not None and again.version > record.version


def put(store: DynamoDBRecordStore, id: str) -> None:
    store.write([_put(id)])


def _put(id: str) -> Put:
    return Put(Key("ann", "notes", id), "ann", Data.of({}))


def remembering(seen: list[str]) -> Any:
    def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
        seen.extend(one.key.id for one in events)
        return {}

    return consume
