"""Reading a table's stream: in order, from where one left off, across splits and lost positions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import pytest

from homeport.adapters.aws import table
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.stream_reader import ENDED, PositionLost, StreamReader
from homeport.domain.errors import Unavailable
from tests.aws.fake_streams import FakeStreams
from tests.aws.resources import create_table


class TestAgainstMoto:
    @pytest.fixture
    def clients(self, moto_session: boto3.Session) -> Clients:
        return Clients(session=moto_session)

    def put(self, clients: Clients, table: str, *names: str) -> None:
        for name in names:
            item: Any = {"pk": {"S": "s#0"}, "sk": {"S": name}}
            clients.get("dynamodb").put_item(TableName=table, Item=item)

    def test_it_goes_on_where_another_left_off(self, clients: Clients) -> None:
        name = create_table(clients)
        self.put(clients, name, "a", "b", "c")
        first = StreamReader(clients, name, quiet=0)
        batch = first.peek(2)
        assert names_of(batch) == ["a", "b"]
        assert names_of(first.peek(2)) == ["a", "b"], "it has not been settled yet"
        first.settle(batch)
        second = StreamReader(clients, name, first.positions, quiet=0)
        assert names_of(second.peek(10)) == ["c"]
        self.put(clients, name, "d")
        assert names_of(second.peek(10)) == ["c", "d"]

    def test_a_table_without_a_stream_is_told(self, clients: Clients) -> None:
        definition: Any = table.definition("still")
        del definition["StreamSpecification"]
        clients.get("dynamodb").create_table(**definition)
        with pytest.raises(Unavailable, match="has no stream"):
            StreamReader(clients, "still").peek(1)

    def test_a_table_that_is_not_there_is_told(self, clients: Clients) -> None:
        with pytest.raises(Unavailable, match=r"aws\.table"):
            StreamReader(clients, "nowhere").peek(1)


class TestAcrossShards:
    """What emulators never do: shards that split, end and expire."""

    def test_children_are_read_once_their_parent_has_ended(self) -> None:
        streams = FakeStreams({"p": None, "c1": "p", "c2": "p"})
        streams.put("c1", "3", "5")
        streams.put("c2", "4")
        streams.put("p", "1", "2")
        reader = StreamReader(streams.clients, "t", quiet=0)
        assert names_of(reader.peek(10)) == ["1", "2"]
        reader.settle(reader.peek(10))
        assert reader.peek(10) == [], "the parent is still open"
        streams.close("p")
        assert reader.peek(10) == []
        assert sorted(names_of(reader.peek(10))) == ["3", "4", "5"]
        assert reader.positions["p"] == ENDED

    def test_a_split_in_the_middle_keeps_the_order(self) -> None:
        streams = FakeStreams({"p": None})
        streams.put("p", *(str(n) for n in range(5)))
        reader = StreamReader(streams.clients, "t", quiet=0)
        seen = names_of(drained(reader, 2))
        streams.put("p", "5", "6")
        streams.split("p", "c")
        streams.put("c", "7", "8")
        seen += names_of(drained(reader, 2))
        assert seen == [str(n) for n in range(9)]

    def test_a_parent_that_is_gone_holds_up_nobody(self) -> None:
        streams = FakeStreams({"c": "trimmed-long-ago"})
        streams.put("c", "1")
        assert names_of(StreamReader(streams.clients, "t", quiet=0).peek(5)) == ["1"]

    def test_an_expired_iterator_is_made_anew(self) -> None:
        streams = FakeStreams({"p": None})
        streams.put("p", "1", "2", "3")
        reader = StreamReader(streams.clients, "t", quiet=0)
        reader.settle(reader.peek(1))
        streams.expire_iterators()
        assert names_of(reader.peek(10)) == ["2", "3"]

    def test_a_position_that_the_stream_has_dropped_is_told(self) -> None:
        streams = FakeStreams({"p": None})
        streams.put("p", "1", "2")
        streams.trim("p", 2)
        with pytest.raises(PositionLost):
            StreamReader(streams.clients, "t", {"p": "1000"}, quiet=0).peek(1)

    @pytest.mark.parametrize("read", [0, 1])
    def test_a_shard_that_is_gone_before_its_end_was_read_is_told(self, read: int) -> None:
        """Also where it has not been read from yet: it may have had anything."""
        streams = FakeStreams({"p": None})
        streams.put("p", *(str(n) for n in range(read)))
        now = itertools.count(0, 20)
        reader = StreamReader(streams.clients, "t", quiet=0, monotonic=lambda: float(next(now)))
        reader.settle(reader.peek(1))
        saved = reader.positions
        streams.put("p", "missed")
        streams.split("p", "c")
        streams.put("c", "later")
        streams.forget("p")
        with pytest.raises(PositionLost):
            [reader.open_shards() for _ in range(3)]
        if read:
            with pytest.raises(PositionLost):
                StreamReader(streams.clients, "t", saved, quiet=0).peek(1)

    def test_a_shard_that_is_gone_after_its_end_is_missed_by_nobody(self) -> None:
        streams = FakeStreams({"p": None})
        streams.put("p", "1")
        streams.split("p", "c")
        reader = StreamReader(streams.clients, "t", quiet=0)
        reader.settle(reader.peek(1))
        assert reader.peek(1) == []
        streams.forget("p")
        streams.put("c", "2")
        again = StreamReader(streams.clients, "t", reader.positions, quiet=0)
        assert names_of(again.peek(5)) == ["2"]

    def test_an_empty_shard_is_left_alone_for_a_while(self) -> None:
        streams = FakeStreams({"p": None})
        now = itertools.count()
        reader = StreamReader(streams.clients, "t", quiet=3, monotonic=lambda: float(next(now)))
        for _ in range(20):
            reader.peek(5)
        assert 2 <= streams.reads <= 10

    def test_all_pages_of_a_long_list_of_shards_are_read(self) -> None:
        shards: Mapping[str, str | None] = {f"s{n}": None for n in range(7)}
        streams = FakeStreams(shards, page=3)
        for name in shards:
            streams.put(name, name)
        reader = StreamReader(streams.clients, "t", quiet=0)
        assert sorted(names_of(reader.peek(10))) == sorted(shards)


def names_of(records: Sequence[Any]) -> list[str]:
    return [one.content["dynamodb"]["Keys"]["sk"]["S"] for one in records]


def drained(reader: StreamReader, limit: int) -> list[Any]:
    """All that comes until several looks in a row find nothing."""
    found: list[Any] = []
    empty = 0
    while empty < 4:
        batch = reader.peek(limit)
        empty = 0 if batch else empty + 1
        reader.settle(batch)
        found += batch
    return found
