"""What a function does that Lambda hands messages of SQS to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.message_queue import SQSMessageQueue
from homeport.adapters.aws.sqs_events import messages_of
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Invalid
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery
from homeport.testing.queue_support import Worker
from tests.aws.queues import create_queue, delete_queue, follow

RETRY = Retry(attempts=3, first_wait=7.5)
SAMPLE: Mapping[str, Any] = {
    # The sample of AWS's documentation.
    "Records": [
        {
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "Test message.",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1545082649185",
            },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2",
        }
    ]
}


class Function:
    """A queue, and the event source mapping that calls a function with its messages."""

    def __init__(self, clients: Clients, clock: ManualClock, fifo: bool = False) -> None:
        made = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if fifo else {}
        self.name = create_queue(clients, VisibilityTimeout="180", **made)
        self.dead = create_queue(clients, "dead")
        self.sqs = clients.get("sqs")
        self.url = self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        self.queue = SQSMessageQueue(
            clients, clock, RETRY, queue=self.name, dead_queue=self.dead, wait=0
        )

    def event(self) -> dict[str, Any]:
        """The next messages, as Lambda receives and writes them."""
        found: Any = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        record = SAMPLE["Records"][0]
        return {
            "Records": [
                {
                    **record,
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": one["Attributes"],
                }
                for one in found.get("Messages", ())
            ]
        }

    def call(self, worker: Worker) -> list[str]:
        """One batch: what the answer does not name is deleted. Returns the bodies it names."""
        event = self.event()
        answer = self.queue.answer(event, worker)
        assert answer.keys() == {"batchItemFailures"}
        kept = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
        bodies = {one["messageId"]: one["body"] for one in event["Records"]}
        for one in event["Records"]:
            if one["messageId"] not in kept:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["receiptHandle"])
        return sorted(bodies[id] for id in kept)


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
def function(clients: Clients, clock: ManualClock) -> Function:
    return Function(clients, clock)


def test_the_sample_event_becomes_a_delivery(function: Function) -> None:
    worker = Worker()
    assert function.queue.answer(SAMPLE, worker) == {"batchItemFailures": []}
    id = "059f36b4-87a3-44ab-83d2-661975830a7d"
    assert worker.got == [Delivery(id, "Test message.", 1)]
    (message,) = messages_of(SAMPLE)
    assert message.sent == 1_545_082_649_183_000


def test_all_is_done(function: Function, clock: ManualClock) -> None:
    for body in ("a", "", "nul \0"):
        function.queue.enqueue(body)
    worker = Worker()
    assert function.call(worker) == []
    assert worker.bodies == ["", "a", "nul \0"]
    clock.advance(3600)
    assert function.queue.next_due() is None


def test_only_what_failed_comes_again_after_its_wait(
    function: Function, clock: ManualClock
) -> None:
    for body in ("bad", "good", "worse"):
        function.queue.enqueue(body)
    assert function.call(Worker("bad", "worse")) == ["bad", "worse"]
    clock.advance(7.9)
    assert function.event() == {"Records": []}
    clock.advance(0.1)  # 7.5 seconds are 8 for SQS
    worker = Worker("bad")
    assert function.call(worker) == ["bad"]
    assert [(one.body, one.attempt) for one in sorted(worker.got, key=lambda one: one.body)] == [
        ("bad", 2),
        ("worse", 2),
    ]
    clock.advance(14.9)
    assert function.event() == {"Records": []}
    clock.advance(0.1)
    worker = Worker()
    assert function.call(worker) == []
    assert [(one.body, one.attempt) for one in worker.got] == [("bad", 3)]


def test_an_error_fails_the_whole_batch(function: Function) -> None:
    def explode(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        raise RuntimeError("on fire")

    function.queue.enqueue("a")
    function.queue.enqueue("b")
    event = function.event()
    answer = function.queue.answer(event, explode)
    named = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    assert named == {one["messageId"] for one in event["Records"]}
    assert len(named) == 2


def test_the_last_failure_is_parked_with_its_cause_and_counts_as_done(
    function: Function, clock: ManualClock
) -> None:
    function.queue.enqueue("bad")
    for _ in range(RETRY.attempts - 1):
        assert function.call(Worker("bad")) == ["bad"]
        assert function.queue.dead_letters() == []
        clock.advance(60)
    assert function.call(Worker("bad")) == []
    (letter,) = function.queue.dead_letters()
    assert (letter.body, letter.cause, letter.attempts) == ("bad", "no bad", 3)
    assert letter.died == clock.now()
    clock.advance(3600)
    assert function.event() == {"Records": []}


def test_what_ended_the_function_each_time_is_parked_without_work(
    function: Function, clock: ManualClock
) -> None:
    function.queue.enqueue("deadly")
    for _ in range(RETRY.attempts):
        assert len(function.event()["Records"]) == 1  # no answer: it timed out
        clock.advance(180)
    worker = Worker()
    assert function.call(worker) == []
    assert worker.got == []
    (letter,) = function.queue.dead_letters()
    assert letter.cause.startswith("The process ended during the last attempt, or there was none")
    assert letter.attempts == RETRY.attempts


def test_a_letter_that_cannot_be_parked_stays_in_the_queue(
    clients: Clients, function: Function, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    function.queue.enqueue("bad")
    for _ in range(RETRY.attempts - 1):
        function.call(Worker("bad"))
        clock.advance(60)
    delete_queue(clients, function.dead)
    assert function.call(Worker("bad")) == ["bad"]
    assert "could not be kept" in caplog.text
    clock.advance(180)
    worker = Worker()
    assert function.call(worker) == ["bad"]
    assert worker.got == []


def test_the_answer_is_given_also_where_waits_cannot_be_set(
    clients: Clients, function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    for body in ("bad", "good"):
        function.queue.enqueue(body)
    event = function.event()
    delete_queue(clients, function.name)
    answer = function.queue.answer(event, Worker("bad"))
    bad = next(one["messageId"] for one in event["Records"] if one["body"] == "bad")
    assert answer == {"batchItemFailures": [{"itemIdentifier": bad}]}
    assert "waits" in caplog.text


def test_what_stands_behind_a_failed_one_of_its_group_waits_with_it(
    clients: Clients, clock: ManualClock
) -> None:
    function = Function(clients, clock, fifo=True)
    for body, group in (("a1", "a"), ("bad", "a"), ("a2", "a"), ("b1", "b")):
        function.sqs.send_message(QueueUrl=function.url, MessageBody=body, MessageGroupId=group)
    assert function.call(Worker("bad")) == ["a2", "bad"]
    clock.advance(8)
    worker = Worker()
    assert function.call(worker) == []
    assert [one.body for one in worker.got] == ["bad", "a2"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": None},
        {"Records": [{}]},
        {"Records": [{**SAMPLE["Records"][0], "eventSource": "aws:s3"}]},
        {"Records": [{**SAMPLE["Records"][0], "attributes": {}}]},
        {"version": "2.0", "routeKey": "GET /v1/health"},
    ],
)
def test_an_event_of_another_shape_is_refused(function: Function, event: Mapping[str, Any]) -> None:
    worker = Worker()
    with pytest.raises(Invalid, match="no event of SQS"):
        function.queue.answer(event, worker)
    assert worker.got == []
