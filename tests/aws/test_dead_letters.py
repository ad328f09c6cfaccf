"""`homeport dead-letters` with the AWS profile, on the laptop of whoever operates it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.aws.feed_state import known_consumers
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.data import Data
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.entrypoints.lambdas import indexing
from tests.aws.operating import Command, Deployed, deployed, domain, homeport
from tests.aws.queue_mapping import QueueMapping
from tests.aws.queues import bodies_in, url_of
from tests.aws.test_parked_letters import fail_batch

__all__ = ["deployed", "domain", "homeport"]  # fixtures

KEY = Key("ann", "notes", "a")


@pytest.fixture
def backend(deployed: Deployed, tmp_path: Path) -> Backend:
    (tmp_path / "homeport.toml").write_text(
        '[[subscribers]]\nname = "app"\non = "notes"\ncall = "nowhere:call"\n'
    )
    return build(load(Path(), os.environ), clients=deployed.clients)


def changed(id: str, version: int = 7 << 20) -> RecordChanged:
    return RecordChanged(Key("ann", "notes", id), version, None, "ann", False)


def listed(homeport: Command, *argv: str) -> list[dict[str, Any]]:
    code, out, err = homeport("dead-letters", "list", "--json", *argv)
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def put_raw(deployed: Deployed, queue: str, body: str) -> None:
    """As SQS's own redrive policy, or a person, puts a message into a queue."""
    deployed.clients.get("sqs").send_message(
        QueueUrl=url_of(deployed.clients, queue), MessageBody=body
    )


def test_there_are_none(backend: Backend, homeport: Command) -> None:
    assert listed(homeport) == []
    assert homeport("dead-letters", "list")[1] == "There are no dead letters.\n"


def test_letters_of_every_place(deployed: Deployed, backend: Backend, homeport: Command) -> None:
    put_raw(deployed, "homeport-messages-dead", '{"sender": "ann", "message": "m"}')
    for consumer in ("indexing", "messaging", "subscriber:app", "subscriber:gone"):
        backend.parked.park(consumer, changed("a").to_json(), f"{consumer} failed", 5)
    key = fail_batch(deployed.clients, "x", changed("b"), changed("c"))
    found = {(one["source"], one["cause"]) for one in listed(homeport)}
    assert found == {
        ("queue:messages", "SQS gave it up: it was received too often without being deleted."),
        ("indexing", "indexing failed"),
        ("indexing", "RetryAttemptsExhausted: Unhandled"),
        ("messaging", "messaging failed"),
        ("subscriber:app", "subscriber:app failed"),
        ("subscriber:gone", "subscriber:gone failed"),
    }
    assert {one["source"] for one in listed(homeport, "--source", "messaging")} == {"messaging"}
    _, out, _ = homeport("dead-letters", "list")
    for what in ("ann/m", "ann/notes/a", "2 changes", key):
        assert what in out


@pytest.mark.parametrize("body", ["no JSON", "[1, 2]", "7", '"text"', '{"events": 1}'])
@pytest.mark.parametrize(
    ("queue", "source"),
    [("homeport-messages-dead", "queue:messages"), ("homeport-parked", "unknown")],
)
def test_what_nobody_knows_is_shown_and_dropped(
    deployed: Deployed, backend: Backend, homeport: Command, queue: str, source: str, body: str
) -> None:
    put_raw(deployed, queue, body)
    assert homeport("dead-letters", "list")[0] == 0
    (letter,) = listed(homeport)
    assert letter["source"] == source
    assert letter["body"] in (body, json.loads(body) if body != "no JSON" else body)
    code, out, _ = homeport("dead-letters", "show", letter["id"])
    assert code == 0
    assert f"source    {source}" in out
    assert homeport("dead-letters", "drop", letter["id"])[:2] == (0, "Dropped: 1.\n")
    assert listed(homeport) == []


def test_what_sqs_gave_up_of_the_redriven_ones_is_its_consumers(
    deployed: Deployed, backend: Backend, homeport: Command
) -> None:
    body = {"consumer": "messaging", **json.loads(changed("a").to_json())}
    put_raw(deployed, "homeport-parked", json.dumps(body))
    (letter,) = listed(homeport)
    assert letter["source"] == "messaging"
    assert homeport("dead-letters", "redrive", letter["id"])[0] == 0
    (again,) = bodies_in(deployed.clients, "homeport-redriven")
    assert json.loads(again) == body


def test_a_message_is_sent_on_its_way_again(
    deployed: Deployed, backend: Backend, homeport: Command
) -> None:
    put_raw(deployed, "homeport-messages-dead", '{"sender": "ann", "message": "m"}')
    code, out, _ = homeport("dead-letters", "redrive", "--all", "--source", "queue:messages")
    assert (code, out.startswith("Redriven: 1.")) == (0, True)
    assert bodies_in(deployed.clients, "homeport-messages") == ['{"sender": "ann", "message": "m"}']
    assert listed(homeport) == []


def test_a_letter_that_is_not_there(backend: Backend, homeport: Command) -> None:
    code, _, err = homeport("dead-letters", "redrive", "nothing")
    assert (code, err) == (1, "homeport: There is no dead letter nothing.\n")


def test_what_nothing_delivers_to_is_not_redriven(backend: Backend, homeport: Command) -> None:
    backend.parked.park("subscriber:gone", changed("a").to_json(), "it failed", 5)
    code, _, err = homeport("dead-letters", "redrive", "--all")
    assert code != 0
    assert "Nothing delivers to subscriber:gone any more" in err
    assert len(listed(homeport)) == 1


# A redrive reads the record as it is by then


class _Index:
    """The function `indexing` behind the queue of what is redriven."""

    def __init__(self, deployed: Deployed, backend: Backend) -> None:
        self.backend = backend
        self.redriven = QueueMapping(deployed.clients, "homeport-redriven", indexing.build(backend))

    def write(self, n: int) -> Record:
        (record,) = self.backend.store.write([Put(KEY, "ann", Data.of({"n": n}))])
        return record

    def index(self, record: Record) -> None:
        event = RecordChanged(KEY, record.version, None, "ann", record.data is None)
        assert self.backend.indexing.consume([event]) == {}

    def park(self, record: Record) -> None:
        event = RecordChanged(KEY, record.version, None, "ann", False)
        self.backend.parked.park("indexing", event.to_json(), "a field is too strange", 1)

    def entries(self) -> list[IndexEntry]:
        return self.backend.index.entries(10)


@pytest.fixture
def index(deployed: Deployed, backend: Backend) -> _Index:
    return _Index(deployed, backend)


def test_an_old_version_is_never_written_over_a_newer_one(
    index: _Index, deployed: Deployed, homeport: Command
) -> None:
    old = index.write(1)
    index.park(old)
    new = index.write(2)
    index.index(new)
    assert homeport("dead-letters", "redrive", "--all", "--source", "indexing")[0] == 0
    index.redriven.drain()
    assert index.entries() == [IndexEntry(KEY, new.version)]
    versions_there = [one["version"] for one in deployed.domain.documents().values()]
    assert [f"{old.version:019d}"] not in versions_there
    assert listed(homeport) == []


def test_what_was_not_indexed_yet_comes_as_it_is_by_now(index: _Index, homeport: Command) -> None:
    index.park(index.write(1))
    new = index.write(2)
    assert homeport("dead-letters", "redrive", "--all")[0] == 0
    index.redriven.drain()
    assert index.entries() == [IndexEntry(KEY, new.version)]


def test_what_was_deleted_since_does_not_come_back(index: _Index, homeport: Command) -> None:
    index.park(index.write(1))
    (gone,) = index.backend.store.write([Delete(KEY, "ann")])
    index.index(gone)
    assert homeport("dead-letters", "redrive", "--all")[0] == 0
    index.redriven.drain()
    assert index.entries() == []


def test_a_batch_that_lambda_gave_up(index: _Index, deployed: Deployed, homeport: Command) -> None:
    old = index.write(1)
    key = fail_batch(deployed.clients, "x", RecordChanged(KEY, old.version, None, "ann", False))
    new = index.write(2)
    assert homeport("dead-letters", "redrive", key)[0] == 0
    index.redriven.drain()
    assert index.entries() == [IndexEntry(KEY, new.version)]
    left = deployed.clients.get("s3").list_objects_v2(Bucket="failed-batches")
    assert left["KeyCount"] == 0


# What is left of consumers that are gone


def test_a_consumer_is_forgotten_with_all_that_is_kept_for_it(
    deployed: Deployed, backend: Backend, homeport: Command
) -> None:
    for consumer in ("subscriber:app", "subscriber:gone"):
        backend.store.write([Put(KEY, "ann", Data.of({}))])
        assert backend.feed.deliver(
            consumer, lambda events: dict.fromkeys(range(len(events)), "no")
        )
        backend.parked.park(consumer, changed("a").to_json(), "it failed", 5)
    code, out, _ = homeport("dead-letters", "forget", "subscriber:gone")
    assert (code, out) == (0, "Forgotten: subscriber:gone, with dead letters: 1.\n")
    assert {one["source"] for one in listed(homeport)} == {"subscriber:app"}
    assert known_consumers(deployed.clients, "homeport") == ["subscriber:app"]
    items: Any = deployed.clients.get("dynamodb").scan(TableName="homeport")["Items"]
    kept = {item["pk"]["S"] for item in items if item["pk"]["S"].startswith("#feed#")}
    assert kept == {"#feed#subscriber:app"}


def test_what_is_in_use_or_unknown_is_not_forgotten(backend: Backend, homeport: Command) -> None:
    code, _, err = homeport("dead-letters", "forget", "subscriber:app")
    assert (code, "is in use" in err) == (1, True)
    code, _, err = homeport("dead-letters", "forget", "subscriber:gone")
    assert (code, "Nothing is kept for subscriber:gone" in err) == (1, True)


def test_a_consumer_that_comes_back_starts_over(backend: Backend) -> None:
    backend.store.write([Put(KEY, "ann", Data.of({}))])
    seen: list[RecordChanged] = []

    def consume(events: Any) -> dict[int, str]:
        seen.extend(events)
        return {}

    assert backend.feed.deliver("subscriber:gone", consume) == 1
    assert backend.feed.deliver("subscriber:gone", consume) == 0
    feed: Any = backend.feed
    feed.forget("subscriber:gone")
    assert backend.feed.deliver("subscriber:gone", consume) == 1
    assert versions.to_text(seen[0].version) == versions.to_text(seen[1].version)


def test_a_queue_that_is_not_there_is_told(
    deployed: Deployed, backend: Backend, homeport: Command
) -> None:
    deployed.drop_queue("homeport-parked")
    code, out, err = homeport("dead-letters", "list")
    assert (code, out) == (1, "")
    assert "aws.parked_queue" in err
    assert len(err.splitlines()) == 1
