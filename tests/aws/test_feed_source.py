"""What one consumer is given of a stream with several shards, while more comes to each."""

from __future__ import annotations

from typing import Any

from homeport.adapters.aws import table
from homeport.adapters.aws.feed_source import Source
from homeport.adapters.aws.feed_state import DONE, Position
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.model import versions
from homeport.domain.model.record import Key
from tests.aws.fake_streams import FakeStreams


def source_of(streams: FakeStreams, position: Position | None = None) -> Source:
    clock = ManualClock()
    return Source(streams.clients, "t", position or Position(DONE), clock, quiet=0)


def put(streams: FakeStreams, shard: str, *ids: str) -> None:
    now = ManualClock().now()
    for id in ids:
        key = Key("ann", "notes", id)
        version = versions.stamp(now, 0)
        image: dict[str, Any] = {
            **table.primary_key(key, 1),
            "lk": {"S": table.index_key(key.collection, version, id)},
            "v": {"N": str(version)},
            "a": {"S": "ann"},
        }
        told = {"Keys": table.primary_key(key, 1), "NewImage": image}
        streams.add(shard, {**told, "ApproximateCreationDateTime": now / 1_000_000})


def taken(source: Source, limit: int = 100) -> list[str]:
    events, looked_at = source.wanted(limit, None)
    source.settle(looked_at)
    return [one.key.id for one in events]


def test_what_comes_to_one_shard_meanwhile_is_not_settled_for_what_came_from_another() -> None:
    streams = FakeStreams({"x": None, "y": None})
    put(streams, "x", "x1")
    put(streams, "y", "y1", "y2")
    source = source_of(streams)
    events, looked_at = source.wanted(100, None)
    assert [one.key.id for one in events] == ["x1", "y1", "y2"]
    put(streams, "x", "x2", "x3")
    source.wanted(100, None)  # somebody looks, as a page with the lags does
    source.settle(looked_at)
    assert taken(source_of(streams, source.saved())) == ["x2", "x3"]
    assert taken(source) == ["x2", "x3"]
    assert taken(source) == []


def test_an_iterator_that_expires_meanwhile_costs_nothing() -> None:
    streams = FakeStreams({"x": None, "y": None})
    put(streams, "x", "x1", "x2")
    put(streams, "y", "y1")
    source = source_of(streams)
    events, looked_at = source.wanted(2, None)
    assert [one.key.id for one in events] == ["x1", "x2"]
    streams.expire_iterators()
    put(streams, "x", "x3")
    source.wanted(100, None)
    source.settle(looked_at)
    assert taken(source) == ["x3", "y1"]
