"""The functions behind the stream and the queues, on ministack's own records and messages: each
from its bundle alone, and in AWS's runtime client."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_fields import scheme_name
from homeport.adapters.aws.stream_mapping import event_record
from homeport.adapters.aws.stream_reader import StreamReader
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.domain.ports.record_store import Order
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator
from tests.aws.ministack import Ministack
from tests.aws.queue_mapping import received_event
from tests.aws.queues import create_queue
from tests.aws.resources import REGION, create_table, delete_table
from tests.aws.search_domains import emulated_fields
from tests.bundles import answered, bundle
from tests.lambda_runtime import events
from tests.lambda_runtime.process import running
from tests.lambda_runtime.sam import needs_sam

CHOSEN = {"HOMEPORT_PROFILE": "aws"}
DEFINITION = '[[subscribers]]\nname = "app"\non = "notes"\ncall = "kitchen:taste"\n'
APP = """
import os, pathlib

def taste(event, record):
    if record.data["title"] == "Hot":
        raise RuntimeError(f"{record.data['title']} is too hot")
    with pathlib.Path(os.environ["KITCHEN_LOG"]).open("a") as log:
        log.write(event.key.id + chr(10))
"""
ANN = Principal("ann", Kind.USER)


class Deployed:
    """An app, and all that its settings name."""

    def __init__(
        self, ministack: Ministack, domain: CloudSearchEmulator, app: Path, tasted: Path
    ) -> None:
        self.clients = clients = Clients(session=ministack.session)
        self.tasted = tasted
        self.table = create_table(clients, whole_index=True)
        self.messages = create_queue(clients, "messages")
        self.subscribers = create_queue(clients, "subscribers", FifoQueue="true")
        self.settings = {
            **CHOSEN,
            "HOMEPORT_AWS__TABLE": self.table,
            "HOMEPORT_AWS__MESSAGES_QUEUE": self.messages,
            "HOMEPORT_AWS__MESSAGES_DEAD_QUEUE": create_queue(clients, "dead"),
            "HOMEPORT_AWS__SUBSCRIBERS_QUEUE": self.subscribers,
            "HOMEPORT_AWS__PARKED_QUEUE": create_queue(clients, "parked"),
            "HOMEPORT_AWS__REDRIVEN_QUEUE": create_queue(clients, "redriven"),
            "HOMEPORT_AWS__SEARCH_ENDPOINT": domain.endpoint,
            "HOMEPORT_AWS__DOCUMENT_ENDPOINT": domain.endpoint,
            "HOMEPORT_AWS__REGION": REGION,
        }
        self.backend: Backend = build(load(app, self.settings), clients=clients)
        self.environ = {
            **self.settings,
            "KITCHEN_LOG": str(self.tasted),
            "AWS_ENDPOINT_URL": ministack.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def put(self, id: str, title: str) -> None:
        key = Key("ann", "notes", id)
        self.backend.store.write([Put(key, "ann", Data.of({"title": title}))])

    def stream_event(self) -> dict[str, Any]:
        """All that the table's stream has."""
        records = StreamReader(self.clients, self.table, quiet=0).peek(100)
        event = {"Records": [event_record(one.content) for one in records]}
        found: dict[str, Any] = json.loads(json.dumps(event))
        return found


Told = tuple[list[Any], list[dict[str, Any]]]
Ask = Callable[[str, list[Any]], Told]
"""Answers of a function to events, and what it logged."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "kitchen").mkdir()
    (folder / "kitchen/__init__.py").write_text(APP)
    (folder / "homeport.toml").write_text(DEFINITION)
    return folder


@pytest.fixture(scope="module")
def bundled(app: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a function, made once: what the settings of a test name is told later."""
    made = tmp_path_factory.mktemp("bundles")

    def make(function: str) -> Path:
        if not (made / function).exists():
            done = bundle(function, made / function, folder=app, settings=CHOSEN)
            assert done.returncode == 0, done.stderr
        return made / function

    return make


@pytest.fixture
def deployed(ministack: Ministack, app: Path, tmp_path: Path) -> Iterator[Deployed]:
    schemes = {scheme_name("en"): AnalysisScheme(stemming=True)}
    with CloudSearchEmulator(emulated_fields(), schemes=schemes) as domain:
        there = Deployed(ministack, domain, app, tmp_path / "tasted")
        try:
            yield there
        finally:
            delete_table(there.clients, there.table)


@pytest.fixture(params=["bundle", "runtime client"])
def ask(
    request: pytest.FixtureRequest, deployed: Deployed, app: Path, bundled: Callable[[str], Path]
) -> Ask:
    if request.param == "runtime client" and find_spec("awslambdaric") is None:
        assert sys.platform != "linux"
        pytest.skip("LEFT OUT: AWS's runtime client, which is for Linux alone")

    def from_bundle(function: str, asked: list[Any]) -> Told:
        told = answered(bundled(function), asked, deployed.environ)
        return told["answers"], told["log"]

    def in_runtime(function: str, asked: list[Any]) -> Told:
        handler = f"homeport.entrypoints.lambdas.{function}.handler"
        with running(handler, app, deployed.environ) as process:
            answers = [process.invoke(one).json for one in asked]
            return answers, process.json_lines()

    return from_bundle if request.param == "bundle" else in_runtime


def failures(event: Mapping[str, Any], *places: int) -> dict[str, Any]:
    named = [event["Records"][place]["messageId"] for place in places]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in named]}


def test_delivery_brings_a_message_to_an_inbox(deployed: Deployed, ask: Ask) -> None:
    ben = deployed.backend.identity_provider.guest().identity.id
    sent = deployed.backend.messages.send(ANN, [ben], "Hello", "The soup is ready.")
    log = []
    for _ in ("accepted", "brought"):
        event = received_event(deployed.clients, deployed.messages)
        assert len(event["Records"]) == 1
        answers, said = ask("delivery", [event, event])
        assert answers == [failures(event)] * 2, "the same job twice does no harm"
        log += said
    (inbox,) = deployed.backend.store.page(ben, "inbox", Order.ID, 10).records
    assert inbox.data is not None and inbox.data["text"] == "The soup is ready."
    message = deployed.backend.store.get(sent.key)
    assert message is not None and message.data is not None
    assert message.data["state"] == "accepted"
    lines = [one for one in log if "_aws" in one]
    assert [(one["records"], one["failed_records"]) for one in lines] == [(1, 0)] * 4
    assert "soup" not in json.dumps(log)


def test_delivery_names_what_has_to_come_again(deployed: Deployed, ask: Ask) -> None:
    deployed.backend.messages.send(ANN, ["ben"], "Hello", "The soup is ready.")
    event = received_event(deployed.clients, deployed.messages)
    deployed.environ["HOMEPORT_AWS__TABLE"] = "nowhere"
    (answer,), log = ask("delivery", [event])
    assert answer == failures(event, 0)
    lines = [one for one in log if "_aws" in one]
    assert [one["failed_records"] for one in lines] == [1]


def test_a_change_goes_from_the_stream_to_the_index_and_the_apps_own_code(
    deployed: Deployed, ask: Ask
) -> None:
    deployed.put("mild", "Mild")
    deployed.put("hot", "Hot")
    answers, log = ask("indexing", [deployed.stream_event()])
    assert answers == [{"batchItemFailures": []}]
    assert "Mild" not in json.dumps(log)
    assert {one.key.id for one in deployed.backend.index.entries(10)} == {"mild", "hot"}

    event = received_event(deployed.clients, deployed.subscribers)
    (mild,) = [n for n, one in enumerate(event["Records"]) if "mild" in one["body"]]
    answers, log = ask("subscribers", [event])
    assert answers == [failures(event, 1 - mild)]
    assert deployed.tasted.read_text() == "mild\n"
    assert "too hot" not in json.dumps(log), "what an app's code says may quote a record"


@pytest.mark.parametrize("function", ["delivery", "subscribers", "indexing"])
def test_the_sample_of_sqs_is_no_work_of_ours_and_comes_again(
    deployed: Deployed, ask: Ask, function: str
) -> None:
    """AWS's own sample: a message that somebody else put into the queue, and a receipt that no
    queue knows. It is tried as often as others are, and costs nobody anything."""
    needs_sam()
    event = events.sample("sqs/Sqs")
    answers, log = ask(function, [event])
    assert answers == [failures(event, *range(len(event["Records"])))]
    assert "Hello from SQS" not in json.dumps(log)
