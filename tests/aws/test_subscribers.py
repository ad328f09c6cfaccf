"""The app's own functions on AWS: from the stream's function through the FIFO queue to the app."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.parked_letters import ParkedLetters
from homeport.adapters.aws.subscriber_queue import Addressed
from homeport.adapters.memory.clock import ManualClock
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Put
from homeport.domain.ports.deliveries import Retry
from homeport.entrypoints.lambdas import subscribers
from homeport.entrypoints.lambdas.functions import UnknownEvent
from tests.aws.queue_mapping import QueueMapping
from tests.aws.queues import create_queue, follow

RETRY = Retry(attempts=3, first_wait=1, longest_wait=4)
FIRST, SECOND = "subscriber:first", "subscriber:second"


class App:
    """Two functions of an app: what each was called with, and when it fails."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[str, int]]] = {"first": [], "second": []}
        self.fails: Callable[[str, RecordChanged], bool] = lambda name, event: False

    def function(self, name: str) -> Callable[[RecordChanged, Record | None], None]:
        def call(event: RecordChanged, record: Record | None) -> None:
            self.seen[name].append((event.key.id, event.version))
            if self.fails(name, event):
                raise RuntimeError(f"{name} is broken")

        return call


class World:
    def __init__(self, session: boto3.Session, clock: ManualClock) -> None:
        self.clock = clock
        self.clients = Clients(session=session)
        self.queue = create_queue(
            self.clients, "subscribers", FifoQueue="true", VisibilityTimeout="60"
        )
        parked = ParkedLetters(
            self.clients,
            clock,
            queue=create_queue(self.clients, "parked"),
            redriven=create_queue(self.clients, "redriven"),
            wait=0,
        )
        definition = {
            "profile": "memory",
            "aws": {"subscribers_queue": self.queue},
            "subscribers": [
                {"name": "first", "on": "notes", "call": "some_app:first"},
                {"name": "second", "on": "notes", "call": "some_app:second"},
            ],
        }
        self.backend: Backend = build(
            Definition.of(definition),
            clock=clock,
            retry=RETRY,
            clients=self.clients,
            parked=parked,
        )
        self.mapping = QueueMapping(
            self.clients, self.queue, subscribers.build(self.backend), subscribers.BATCH
        )

    def change(self, id: str) -> RecordChanged:
        key = Key("ann", "notes", id)
        before = self.backend.store.get(key)
        (record,) = self.backend.store.write([Put(key, "ann", Data.of({}))])
        previous = None if before is None else before.version
        return RecordChanged(key, record.version, previous, "ann", deleted=False)

    def send(self, consumer: str, *events: RecordChanged, again: str = "") -> None:
        letters = [Addressed(consumer, event) for event in events]
        assert self.backend.subscriber_queue.send(letters, again) == {}

    def go_on(self, times: int = RETRY.attempts) -> None:
        for _ in range(times):
            self.mapping.drain()
            self.clock.advance(120)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()
    functions = SimpleNamespace(first=app.function("first"), second=app.function("second"))
    monkeypatch.setitem(sys.modules, "some_app", functions)
    return app


@pytest.fixture
def world(moto_session: boto3.Session, app: App, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = ManualClock()
    follow(monkeypatch, clock)
    return World(moto_session, clock)


def test_changes_of_a_record_come_in_order(world: World, app: App) -> None:
    events = [world.change("a") for _ in range(4)]
    world.send(FIRST, *events)
    world.mapping.drain()
    assert app.seen["first"] == [("a", event.version) for event in events]


def test_the_same_change_sent_twice_is_one_message(world: World, app: App) -> None:
    event = world.change("a")
    world.send(FIRST, event)
    world.send(FIRST, event)
    world.mapping.drain()
    assert len(app.seen["first"]) == 1


def test_what_is_sent_again_on_purpose_comes_again(world: World, app: App) -> None:
    event = world.change("a")
    world.send(FIRST, event)
    world.send(FIRST, event, again="redriven-1")
    world.mapping.drain()
    assert len(app.seen["first"]) == 2


def test_later_changes_wait_behind_one_that_fails_and_other_records_go_on(
    world: World, app: App
) -> None:
    first, second, other = world.change("a"), world.change("a"), world.change("b")
    app.fails = lambda name, event: event.version == first.version
    world.send(FIRST, first, second, other)
    world.mapping.drain()
    assert app.seen["first"] == [("a", first.version), ("b", other.version)]
    app.fails = lambda name, event: False
    world.go_on(1)
    world.go_on(1)
    assert app.seen["first"][2:] == [("a", first.version), ("a", second.version)]


def test_what_sqs_does_not_take_keeps_its_place_in_the_order(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, other = world.change("a"), world.change("a"), world.change("b")
    letters = [Addressed(FIRST, event) for event in (first, second, other)]
    sqs: Any = world.clients.get("sqs")
    send = sqs.send_message_batch

    def refusing(**asked: Any) -> Any:
        """Take all but the first change, as SQS may when it is short of something itself."""
        refused = [one for one in asked["Entries"] if one["Id"] == "0"]
        taken = [one for one in asked["Entries"] if one["Id"] != "0"]
        answer = send(**{**asked, "Entries": taken}) if taken else {"Successful": []}
        failed = [{"Id": "0", "Code": "InternalError", "SenderFault": False} for _ in refused]
        return {**answer, "Failed": failed}

    with monkeypatch.context() as patch:
        patch.setattr(sqs, "send_message_batch", refusing)
        failed = world.backend.subscriber_queue.send(letters)
    assert failed == {0: "InternalError: ", 1: "InternalError: "}
    assert world.backend.subscriber_queue.send([letters[place] for place in failed]) == {}
    world.mapping.drain()
    assert [one for one in app.seen["first"] if one[0] == "a"] == [
        ("a", first.version),
        ("a", second.version),
    ]
    assert ("b", other.version) in app.seen["first"]


def test_one_that_fails_holds_up_no_other_subscriber(world: World, app: App) -> None:
    event = world.change("a")
    app.fails = lambda name, event: name == "first"
    world.send(FIRST, event)
    world.send(SECOND, event)
    world.go_on()
    assert app.seen["second"] == [("a", event.version)]
    assert len(app.seen["first"]) == RETRY.attempts


def test_after_its_attempts_a_change_is_parked_with_its_cause(world: World, app: App) -> None:
    event, later = world.change("a"), world.change("a")
    app.fails = lambda name, one: one.version == event.version
    world.send(FIRST, event, later)
    world.go_on(RETRY.attempts + 1)
    (letter,) = world.backend.parked.letters(FIRST)
    assert "RuntimeError: first is broken" in letter.cause
    assert letter.attempts == RETRY.attempts
    assert RecordChanged.from_json(letter.body) == event
    assert app.seen["first"][-1] == ("a", later.version), "what waited behind it goes on"


def test_a_change_for_nobody_is_parked(world: World, app: App) -> None:
    world.send("subscriber:gone", world.change("a"))
    world.go_on(RETRY.attempts + 1)
    (letter,) = world.backend.parked.letters("subscriber:gone")
    assert letter.cause == "there is no subscriber:gone here"


def test_a_batch_is_cut_into_what_sqs_takes(world: World, app: App) -> None:
    events = [world.change(f"r{n}") for n in range(23)]
    world.send(FIRST, *events)
    world.mapping.drain()
    assert sorted(app.seen["first"]) == sorted((one.key.id, one.version) for one in events)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"Records": ["text"]},
        {"Records": [{"eventSource": "aws:kinesis"}]},
        {"Records": [{"eventSource": "aws:sqs"}, {"eventSource": "aws:s3"}]},
        {"routeKey": "GET /v1/health"},
        None,
    ],
)
def test_an_unknown_event_is_refused_loudly(world: World, event: Any) -> None:
    with pytest.raises(UnknownEvent):
        subscribers.build(world.backend)(event, None)
