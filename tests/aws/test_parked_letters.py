"""What the stream's consumers gave up: looked at, sent on its way again, dropped."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from homeport.adapters.aws import table
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.parked_letters import EVERYBODY, ParkedLetters, read_redriven
from homeport.adapters.aws.stream_events import Change
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock
from homeport.domain.errors import Invalid, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.record import Key
from homeport.domain.ports.deliveries import DeadLetter
from tests.aws.queues import bodies_in, create_queue, delete_queue, follow, url_of
from tests.aws.resources import REGION, create_bucket

INDEXING, MESSAGING = "indexing", "messaging"
BUCKET = "failed-batches"
FOLDER = "aws/lambda/5f1e3a1c-0000-4000-8000-000000000001/shardId-00000001-abc"


def changed(id: str, version: int = 7 << 20) -> RecordChanged:
    return RecordChanged(Key("anna", "notes", id), version, None, "anna", False)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def clients(
    moto_session: boto3.Session, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Clients:
    follow(monkeypatch, clock)
    return Clients(session=moto_session)


@pytest.fixture
def redriven(clients: Clients) -> str:
    return create_queue(clients, "redriven")


@pytest.fixture
def parked(clients: Clients, clock: ManualClock, redriven: str) -> ParkedLetters:
    clients.get("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    queue = create_queue(clients, "parked")
    return ParkedLetters(
        clients, clock, queue=queue, redriven=redriven, failed_batches=BUCKET, wait=0
    )


def park(parked: ParkedLetters, clock: ManualClock, *ids: str, consumer: str = INDEXING) -> None:
    for id in ids:
        parked.park(consumer, changed(id).to_json(), f"no {id}", 5)
        clock.advance(1)


def stream_record(event: RecordChanged, behind: int = 0) -> dict[str, Any]:
    """As Lambda gets it, of a record that was created and committed `behind` seconds later."""
    key = event.key
    keys = table.primary_key(key, 1)
    image = {
        **keys,
        "lk": {"S": table.index_key(key.collection, event.version, key.id)},
        "v": {"N": str(event.version)},
        "a": {"S": event.author},
        "c": {"N": str(event.version)},
        "f": {"S": ""},
        "d": {"M": {"title": {"S": "Hello"}}},
    }
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": versions.time_of(event.version) // 1_000_000 + behind,
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": "4421584500000000017450439091",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": f"arn:aws:dynamodb:{REGION}:123456789012:table/t/stream/2026",
    }


def fail_batch(
    clients: Clients,
    name: str,
    *events: RecordChanged,
    bucket: str = BUCKET,
    behind: int = 0,
    **changes: Any,
) -> str:
    """What Lambda writes to S3 when it gives a batch of the stream up; returns its key."""
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
            "functionArn": f"arn:aws:lambda:{REGION}:123456789012:function:indexing",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2026-01-01T00:13:49.717Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001-abc",
            "startSequenceNumber": "800000000003126276362",
            "endSequenceNumber": "800000000003126276362",
            "approximateArrivalOfFirstRecord": "2026-01-01T00:13:19Z",
            "approximateArrivalOfLastRecord": "2026-01-01T00:13:19Z",
            "batchSize": len(events),
            "streamArn": f"arn:aws:dynamodb:{REGION}:123456789012:table/t/stream/2026",
        },
        "payload": json.dumps({"Records": [stream_record(one, behind) for one in events]}),
        **changes,
    }
    key = f"{FOLDER}/{name}"
    clients.get("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(record).encode())
    return key


def test_letters_of_one_consumer_stand_in_the_order_of_their_deaths(
    parked: ParkedLetters, clock: ManualClock
) -> None:
    began = clock.now()
    park(parked, clock, "c", "a")
    park(parked, clock, "other", consumer=MESSAGING)
    park(parked, clock, "b")
    letters = parked.letters(INDEXING)
    assert [RecordChanged.from_json(one.body).key.id for one in letters] == ["c", "a", "b"]
    assert letters[1] == DeadLetter(
        letters[1].id, INDEXING, changed("a").to_json(), "no a", 5, began + 1_000_000
    )
    assert parked.letters(INDEXING) == letters, "a look takes nothing away"
    assert len(parked.letters(MESSAGING)) == 1
    assert parked.letters("nobody") == []


def test_more_letters_than_one_call_gives(parked: ParkedLetters, clock: ManualClock) -> None:
    ids = [f"r{number:02}" for number in range(25)]
    park(parked, clock, *ids)
    letters = parked.letters(INDEXING)
    assert [RecordChanged.from_json(one.body).key.id for one in letters] == ids
    assert parked.drop(INDEXING, [one.id for one in letters[:24]]) == 24
    assert parked.letters(INDEXING) == letters[24:]


def test_taking_removes_what_is_there_of_the_consumer(
    parked: ParkedLetters, clock: ManualClock
) -> None:
    park(parked, clock, "a", "b", "c")
    a, b, c = parked.letters(INDEXING)
    assert parked.take(MESSAGING, [a.id]) == []
    assert parked.take(INDEXING, []) == []
    assert parked.take(INDEXING, [c.id, "999999", a.id, c.id, f"0{b.id}"]) == [a, c]
    assert parked.letters(INDEXING) == [b]
    assert parked.take(INDEXING, [a.id]) == []


def test_redriven_letters_go_to_their_consumer(
    parked: ParkedLetters, clients: Clients, clock: ManualClock, redriven: str
) -> None:
    park(parked, clock, "a", "b")
    park(parked, clock, "m", consumer=MESSAGING)
    a, b = parked.letters(INDEXING)
    assert parked.redrive(INDEXING, [a.id]) == 1
    assert parked.letters(INDEXING) == [b]
    (body,) = bodies_in(clients, redriven)
    assert json.loads(body) == {
        "consumer": INDEXING,
        "space": "anna",
        "collection": "notes",
        "id": "a",
        "version": versions.to_text(7 << 20),
        "previous": None,
        "author": "anna",
        "deleted": False,
    }
    assert read_redriven(body) == (INDEXING, Change("", changed("a"), 0))
    assert parked.redrive(INDEXING, [a.id]) == 0


def test_what_was_redriven_is_brought_back_once_it_is_kept(
    parked: ParkedLetters, clock: ManualClock
) -> None:
    park(parked, clock, *"abc")
    assert parked.redrive(INDEXING, [one.id for one in parked.letters(INDEXING)]) == 3
    broken_off = parked.redriven()
    first = next(broken_off)
    broken_off.close()  # it was not kept
    clock.advance(60)
    found = list(parked.redriven())
    assert first in found
    assert sorted(found, key=str) == [(INDEXING, Change("", changed(id), 0)) for id in "abc"]
    clock.advance(60)
    assert list(parked.redriven()) == []


def test_what_others_put_among_the_redriven_holds_nothing_up(
    parked: ParkedLetters,
    clients: Clients,
    clock: ManualClock,
    redriven: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = url_of(clients, redriven)
    clients.get("sqs").send_message(QueueUrl=url, MessageBody="who are you?")
    park(parked, clock, "a")
    parked.redrive(INDEXING, [parked.letters(INDEXING)[0].id])
    assert list(parked.redriven()) == [(INDEXING, Change("", changed("a"), 0))]
    assert "no redriven event" in caplog.text
    clock.advance(60)
    assert bodies_in(clients, redriven) == ["who are you?"]


def test_a_crash_between_sending_and_removing_repeats_and_loses_nothing(
    parked: ParkedLetters,
    clients: Clients,
    clock: ManualClock,
    redriven: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    park(parked, clock, "a")
    (letter,) = parked.letters(INDEXING)

    class Crash(BaseException):
        """The process dies."""

    def crash(**_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(clients.get("sqs"), "delete_message_batch", crash)
        with pytest.raises(Crash):
            parked.redrive(INDEXING, [letter.id])
    clock.advance(60)
    assert parked.letters(INDEXING) == [letter]
    assert parked.redrive(INDEXING, [letter.id]) == 1
    assert len(bodies_in(clients, redriven)) == 2


def test_what_cannot_be_sent_stays(
    parked: ParkedLetters, clients: Clients, clock: ManualClock, redriven: str
) -> None:
    park(parked, clock, "a")
    letters = parked.letters(INDEXING)
    delete_queue(clients, redriven)
    with pytest.raises(Unavailable, match=r"aws\.redriven_queue"):
        parked.redrive(INDEXING, [letters[0].id])
    assert parked.letters(INDEXING) == letters


def test_a_failed_batch_is_one_letter_of_the_indexing(
    parked: ParkedLetters, clients: Clients, clock: ManualClock
) -> None:
    clock.advance(3600)
    park(parked, clock, "later")
    key = fail_batch(clients, "a", changed("a"), changed("b", 8 << 20))
    batch, later = parked.letters(INDEXING)
    assert batch.id == key
    assert (batch.source, batch.cause) == (INDEXING, "RetryAttemptsExhausted: Unhandled")
    assert batch.attempts == 3
    assert batch.died == 1_767_226_429_717_000  # 2026-01-01T00:13:49.717Z
    assert [one["id"] for one in json.loads(batch.body)["events"]] == ["a", "b"]
    assert RecordChanged.from_json(later.body) == changed("later")
    assert parked.letters(MESSAGING) == []


def test_a_failed_batch_is_redriven_whole_and_then_gone(
    parked: ParkedLetters, clients: Clients, clock: ManualClock
) -> None:
    events = [changed(f"r{number:02}", (7 << 20) + number) for number in range(23)]
    key = fail_batch(clients, "a", *events)
    other = fail_batch(clients, "b", changed("other"))
    park(parked, clock, "parked")
    letter = next(one for one in parked.letters(INDEXING) if one.id not in (key, other))
    assert parked.redrive(MESSAGING, [key]) == 0
    assert parked.redrive(INDEXING, [key, letter.id, "no/such/key", "x" * 2000 + "/"]) == 2
    assert [one.id for one in parked.letters(INDEXING)] == [other]
    found = sorted(parked.redriven(), key=lambda one: one[1].event.key.id)
    of_all = [(EVERYBODY, Change("", one, 0)) for one in events]
    assert found == [(INDEXING, Change("", changed("parked"), 0)), *of_all]


@pytest.mark.parametrize("behind", [0, 12])
def test_an_event_of_a_failed_batch_that_sqs_gives_up_is_still_everybodys(
    parked: ParkedLetters, clients: Clients, redriven: str, behind: int
) -> None:
    """And as late as it was."""
    (url,) = clients.get("sqs").list_queues(QueueNamePrefix="homeport-parked")["QueueUrls"]
    key = fail_batch(clients, "a", changed("a"), behind=behind)
    parked.redrive(INDEXING, [key])
    (body,) = bodies_in(clients, redriven)
    clients.get("sqs").send_message(QueueUrl=url, MessageBody=body)
    (letter,) = parked.letters(INDEXING)
    clients.get("sqs").purge_queue(QueueUrl=url_of(clients, redriven))
    assert parked.redrive(INDEXING, [letter.id]) == 1
    assert list(parked.redriven()) == [read_redriven(body)]
    (_, change) = read_redriven(body)
    assert change == Change("", changed("a"), change.behind)
    assert change.behind == pytest.approx(behind * 1_000_000, abs=1_000_000)


def test_a_failed_batch_is_dropped_alone(parked: ParkedLetters, clients: Clients) -> None:
    keys = [fail_batch(clients, name, changed(name)) for name in "abc"]
    assert parked.drop(INDEXING, [keys[1], keys[1]]) == 1
    assert [one.id for one in parked.letters(INDEXING)] == [keys[0], keys[2]]
    assert list(parked.redriven()) == []


@pytest.mark.parametrize(
    "changes", [{"payload": None}, {"payload": "{"}, {"payload": {"Records": [{}]}}], ids=str
)
def test_an_object_that_cannot_be_read_is_shown_and_can_only_be_dropped(
    parked: ParkedLetters, clients: Clients, changes: dict[str, Any]
) -> None:
    key = fail_batch(clients, "a", **changes)
    good = fail_batch(clients, "b", changed("a"))
    unread = next(one for one in parked.letters(INDEXING) if one.id == key)
    assert "no batch of the stream" in unread.cause
    assert unread.body == "{}"
    with pytest.raises(Invalid, match="drop it"):
        parked.redrive(INDEXING, [good, key])
    assert len(parked.letters(INDEXING)) == 2
    assert list(parked.redriven()) == []
    assert parked.drop(INDEXING, [key]) == 1
    assert [one.id for one in parked.letters(INDEXING)] == [good]


def test_letters_of_both_places_in_real_time(in_real_time: Clients) -> None:
    clients = in_real_time
    bucket = create_bucket(clients)
    parked = ParkedLetters(
        clients,
        SystemClock(),
        queue=create_queue(clients, "parked"),
        redriven=create_queue(clients, "redriven"),
        failed_batches=bucket,
        wait=0,
    )
    key = fail_batch(clients, "a", changed("a"), changed("b"), bucket=bucket)
    for id in ("c", "d"):
        parked.park(INDEXING, changed(id).to_json(), f"no {id}", 5)
    letters = parked.letters(INDEXING)
    assert [one.cause for one in letters] == ["RetryAttemptsExhausted: Unhandled", "no c", "no d"]
    assert parked.letters(INDEXING) == letters
    assert parked.drop(INDEXING, [letters[2].id]) == 1
    assert parked.redrive(INDEXING, [key, letters[1].id]) == 2
    assert parked.letters(INDEXING) == []
    found = sorted(change.event.key.id for _, change in parked.redriven())
    assert found == ["a", "b", "c"]


def test_a_bucket_that_is_not_there_is_told(
    clients: Clients, clock: ManualClock, redriven: str
) -> None:
    queue = create_queue(clients, "parked")
    parked = ParkedLetters(
        clients, clock, queue=queue, redriven=redriven, failed_batches="none", wait=0
    )
    with pytest.raises(Unavailable, match=r"aws\.failed_batches"):
        parked.letters(INDEXING)


def test_without_a_bucket_there_are_no_failed_batches(
    clients: Clients, clock: ManualClock, redriven: str
) -> None:
    queue = create_queue(clients, "parked")
    parked = ParkedLetters(clients, clock, queue=queue, redriven=redriven, wait=0)
    assert parked.letters(INDEXING) == []
    assert parked.drop(INDEXING, [f"{FOLDER}/a"]) == 0
