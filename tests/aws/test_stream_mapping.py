"""The stand-in for Lambda's event source mapping: partial batches, retries, and what is given up.

Each test is a rule of AWS's documentation of event source mappings for streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from homeport.adapters.aws.stream_mapping import MappingSettings, StreamMapping
from homeport.adapters.aws.stream_reader import StreamReader
from homeport.adapters.memory.clock import ManualClock
from tests.aws.fake_streams import FakeStreams


class Function:
    """Remembers what it was called with; `answers` says what it gives back."""

    def __init__(self, answers: Callable[[list[str]], Any] = lambda names: None) -> None:
        self.calls: list[list[str]] = []
        self.answers = answers

    def __call__(self, event: dict[str, Any], context: object) -> Any:
        names = [one["dynamodb"]["Keys"]["sk"]["S"] for one in event["Records"]]
        self.calls.append(names)
        self.event = event
        self.sequences = {
            one["dynamodb"]["Keys"]["sk"]["S"]: one["dynamodb"]["SequenceNumber"]
            for one in event["Records"]
        }
        return self.answers(names)


class World:
    """One stream and one mapping over it."""

    def __init__(self, settings: MappingSettings, **shards: str | None) -> None:
        self.clock = ManualClock()
        self.streams = FakeStreams(shards or {"p": None})
        self.function = Function()
        self.discarded: list[dict[str, Any]] = []
        self.mapping = StreamMapping(
            StreamReader(self.streams.clients, "t", quiet=0),
            self.function,
            self.clock,
            settings,
            lambda text: self.discarded.append(json.loads(text)),
        )

    def put(self, *names: str, shard: str = "p") -> None:
        for name in names:
            self.streams.add(
                shard,
                {
                    "Keys": {"pk": {"S": "s#0"}, "sk": {"S": name}},
                    "ApproximateCreationDateTime": self.clock.now() / 1e6,
                },
            )

    def poll(self, times: int = 1, wait: float = 60) -> None:
        for _ in range(times):
            self.mapping.poll()
            self.clock.advance(wait)

    def fail(self, *names: str) -> None:
        """Report these as failed items, each time they come."""

        def answer(came: Sequence[str]) -> Any:
            failed = [self.function.sequences[one] for one in came if one in names]
            return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

        self.function.answers = answer


@pytest.fixture
def world() -> World:
    return World(MappingSettings(batch_size=4))


def test_batches_of_at_most_the_size_come_in_order(world: World) -> None:
    world.put(*"abcdef")
    world.poll(3)
    assert world.function.calls == [list("abcd"), list("ef")]


def test_the_event_is_one_of_a_stream(world: World) -> None:
    world.put("a")
    now = world.clock.now() / 1e6
    world.poll()
    (record,) = world.function.event["Records"]
    assert record["eventSource"] == "aws:dynamodb"
    assert record["eventName"] == "INSERT"
    assert record["dynamodb"]["Keys"] == {"pk": {"S": "s#0"}, "sk": {"S": "a"}}
    assert record["dynamodb"]["ApproximateCreationDateTime"] == now


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, "", []])
def test_an_answer_without_failures_is_success(world: World, answer: Any) -> None:
    world.function.answers = lambda names: answer
    world.put("a")
    world.poll(2)
    assert world.function.calls == [["a"]]


def test_a_failed_item_comes_again_with_all_after_it(world: World) -> None:
    world.put(*"abcd")
    world.fail("c")
    world.poll()
    world.function.answers = lambda names: None
    world.poll()
    assert world.function.calls == [list("abcd"), list("cd")]


def test_the_lowest_of_several_counts(world: World) -> None:
    world.put(*"abcd")
    world.fail("d", "b")
    world.poll()
    world.function.answers = lambda names: None
    world.poll()
    assert world.function.calls[1] == list("bcd")


@pytest.mark.parametrize("item", ["", "none-of-the-batch", None, 7])
def test_an_item_that_is_none_of_the_batch_fails_it_whole(world: World, item: object) -> None:
    world.put(*"ab")
    world.function.answers = lambda names: {"batchItemFailures": [{"itemIdentifier": item}]}
    world.poll()
    world.function.answers = lambda names: None
    world.poll(2)
    assert [name for call in world.function.calls[1:] for name in call] == list("ab")


def test_a_function_that_raises_gets_half_of_the_batch(world: World) -> None:
    def answer(names: list[str]) -> None:
        if "b" in names and len(names) > 1:
            raise RuntimeError

    world.function.answers = answer
    world.put(*"abcd")
    world.poll(6)
    assert world.function.calls[:3] == [list("abcd"), list("ab"), ["a"]]
    assert [call for call in world.function.calls if call == ["b"]]
    assert world.function.calls[-1][-1] == "d"


def test_between_attempts_it_waits(world: World) -> None:
    world.put("a")
    world.fail("a")
    world.poll(wait=0)
    world.poll(wait=1.9)
    assert len(world.function.calls) == 1
    world.poll(wait=0.2)
    world.poll()
    assert len(world.function.calls) == 2


def test_attempts_end_where_they_are_limited() -> None:
    world = World(MappingSettings(maximum_retry_attempts=2))
    world.put("a", "b")
    world.fail("a")
    world.poll(9)
    assert world.function.calls == [["a", "b"]] * 3
    (record,) = world.discarded
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 2
    assert [
        one["dynamodb"]["Keys"]["sk"]["S"] for one in json.loads(record["payload"])["Records"]
    ] == ["a", "b"]


def test_of_a_function_that_raises_only_what_fails_alone_is_given_up() -> None:
    world = World(MappingSettings(maximum_retry_attempts=1))

    def answer(names: list[str]) -> None:
        if "b" in names:
            raise RuntimeError

    world.function.answers = answer
    world.put(*"abcd")
    world.poll(9)
    assert [one["DDBStreamBatchInfo"]["batchSize"] for one in world.discarded] == [1]
    assert world.function.calls[-1] == ["c", "d"]


def test_records_become_too_old() -> None:
    world = World(MappingSettings(maximum_record_age=600, batch_size=10))
    world.put("a", "b")
    world.fail("a")
    world.poll(5, wait=100)
    world.put("c")
    world.poll(4, wait=100)
    assert [one["requestContext"]["condition"] for one in world.discarded] == ["RecordAgeExceeded"]
    assert world.discarded[0]["DDBStreamBatchInfo"]["batchSize"] == 2
    assert world.function.calls[-1] == ["c"]


def test_of_a_batch_only_what_stands_before_the_first_fresh_one_is_too_old() -> None:
    """The times of a stream are approximate: what is settled are always the first ones."""
    world = World(MappingSettings(maximum_record_age=600, batch_size=10))
    world.put("a", "b")
    world.clock.advance(700)
    world.put("c")
    world.clock.advance(-700)
    world.put("d")
    world.clock.advance(800)
    world.poll()
    assert world.discarded[0]["DDBStreamBatchInfo"]["batchSize"] == 2
    assert world.function.calls == [["c", "d"]]


def test_a_failing_batch_holds_up_its_own_shard_only() -> None:
    world = World(MappingSettings(), p=None, q=None)
    world.put("a", shard="p")
    world.put("b", shard="q")
    world.fail("a")
    world.poll(wait=0)
    world.put("c", shard="q")
    world.poll(wait=0)
    assert world.function.calls == [["a"], ["b"], ["c"]]


def test_a_child_waits_for_its_parent_to_be_done() -> None:
    world = World(MappingSettings(), p=None)
    world.put("a")
    world.fail("a")
    world.streams.split("p", "c")
    world.put("b", shard="c")
    world.poll(3)
    assert world.function.calls == [["a"]] * 3
    world.function.answers = lambda names: None
    world.poll(6)
    assert world.function.calls[3:] == [["a"], ["b"]]
