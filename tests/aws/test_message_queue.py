"""The message queue on SQS."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.message_queue import LOOK_AGAIN_SECONDS, SQSMessageQueue
from homeport.adapters.aws.sqs_bodies import from_sqs, to_sqs
from homeport.adapters.aws.sqs_queue import Queue
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock
from homeport.domain.errors import TooLarge, Unavailable
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery
from homeport.testing import MessageQueueContract
from homeport.testing.queue_support import Worker
from tests.aws.queues import bodies_in, create_queue, delete_queue, follow, url_of


def queue_at(
    clients: Clients, clock: Clock, retry: Retry | None = None, **options: Any
) -> SQSMessageQueue:
    names = {"queue": create_queue(clients), "dead_queue": create_queue(clients, "dead")}
    return SQSMessageQueue(clients, clock, retry or Retry(), **{"wait": 0, **names, **options})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def clients(
    moto_session: boto3.Session, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Clients:
    follow(monkeypatch, clock)
    return Clients(session=moto_session)


class TestSQSMessageQueue(MessageQueueContract):
    tells_when_due = False  # SQS knows how many wait, not until when

    @pytest.fixture
    def queue(
        self, moto_session: boto3.Session, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> SQSMessageQueue:
        follow(monkeypatch, clock)
        return queue_at(Clients(session=moto_session), clock, self.retry)


@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\x7f\0@?ef"))))
def test_every_text_has_a_body_that_sqs_takes(text: str) -> None:
    body = to_sqs(text)
    assert from_sqs(body) == text
    assert body
    for char in body:
        # What SQS documents: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | and beyond.
        code = ord(char)
        assert code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xFFFD or code >= 0x10000
    assert len(body.encode()) <= max(1, 2 * len(text.encode()))


def test_ordinary_bodies_stand_in_the_queue_as_they_are() -> None:
    for text in ('{"sender": "anna", "message": "ü𝄞"}', "line\n\ttab\r", "x" * 1000):
        assert to_sqs(text) == text
    assert from_sqs("of somebody else: \x7f!") == "of somebody else: \x7f!"


def test_a_url_will_do_for_a_name(clients: Clients, clock: ManualClock) -> None:
    name = create_queue(clients)
    by_url = queue_at(clients, clock, queue=url_of(clients, name))
    by_url.enqueue("a")
    assert bodies_in(clients, name) == ["a"]


def test_nothing_is_asked_of_aws_before_the_first_call(clock: ManualClock) -> None:
    class Nobody:
        def get(self, service: str) -> Any:
            raise AssertionError(f"{service} was not asked for yet")

    nobody: Any = Nobody()
    SQSMessageQueue(nobody, clock, Retry(), queue="a", dead_queue="b")


def test_a_queue_that_is_not_there_is_told(clients: Clients, clock: ManualClock) -> None:
    queue = queue_at(clients, clock, queue="none")
    with pytest.raises(Unavailable, match=r"aws\.messages_queue"):
        queue.enqueue("a")
    queue = queue_at(clients, clock, dead_queue="none")
    with pytest.raises(Unavailable, match=r"aws\.messages_dead_queue"):
        queue.dead_letters()


def test_what_the_queue_was_not_made_for_is_refused(clients: Clients, clock: ManualClock) -> None:
    small = create_queue(clients, MaximumMessageSize="262144")
    queue = queue_at(clients, clock, queue=small)
    queue.enqueue("x" * 256 * 1024)
    with pytest.raises(TooLarge, match="MaximumMessageSize"):
        queue.enqueue("\0" * 256 * 1024)


@pytest.mark.parametrize("char", ['"', "\\", "\n", "\0", "\x7f", "ü", "\ufffe"])
def test_the_largest_bodies_can_be_delivered_and_buried(
    clients: Clients, clock: ManualClock, char: str
) -> None:
    queue = queue_at(clients, clock, Retry(attempts=1))
    body = char * (256 * 1024 // len(char.encode()))
    queue.enqueue(body)
    worker = Worker(body)
    assert queue.deliver(worker) == 1
    assert worker.bodies == [body]
    (letter,) = queue.dead_letters()
    assert letter.body == body


def test_many_are_delivered_at_once_where_many_are_asked_for(
    clients: Clients, clock: ManualClock
) -> None:
    queue = queue_at(clients, clock)
    for number in range(25):
        queue.enqueue(str(number))
    worker = Worker()
    assert queue.deliver(worker, 23) == 23
    assert queue.deliver(worker, 100) == 2
    assert len({one.id for one in worker.got}) == 25


def test_when_to_look_again_is_all_that_is_known_of_what_waits(
    clients: Clients, clock: ManualClock
) -> None:
    queue = queue_at(clients, clock)
    queue.enqueue("later", 600)
    assert queue.next_due() == LOOK_AGAIN_SECONDS
    queue.enqueue("now")
    assert queue.next_due() == 0
    queue.deliver(Worker("now"))
    assert queue.next_due() == LOOK_AGAIN_SECONDS
    clock.advance(600)
    assert queue.next_due() == 0


def test_a_wait_is_never_shorter_than_the_retry_says(clients: Clients, clock: ManualClock) -> None:
    queue = queue_at(clients, clock, Retry(first_wait=1.2))
    queue.enqueue("bad")
    queue.deliver(Worker("bad"))
    clock.advance(1.3)
    assert queue.deliver(Worker()) == 0
    clock.advance(0.7)
    assert queue.deliver(Worker()) == 1


def test_long_work_is_not_given_to_others(clients: Clients, clock: ManualClock) -> None:
    """The thread beside it has hidden the body anew before the first time is over."""
    queue = queue_at(clients, clock, hidden=1)
    queue.enqueue("slow")
    extended = threading.Event()

    def told(**_: Any) -> None:
        extended.set()

    def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        for _ in range(3):
            clock.advance(0.9)
            extended.clear()
            assert extended.wait(10)
            assert queue.deliver(Worker()) == 0
        return {}

    events = clients.get("sqs").meta.events
    events.register("after-call.sqs.ChangeMessageVisibilityBatch", told)
    assert queue.deliver(work) == 1
    events.unregister("after-call.sqs.ChangeMessageVisibilityBatch", told)
    clock.advance(3600)
    assert queue.next_due() is None
    assert not [one for one in threading.enumerate() if one.name == "homeport-sqs-hidden"]


def test_work_goes_on_where_it_cannot_be_hidden_for_longer(
    clients: Clients, clock: ManualClock
) -> None:
    """Others get it once more then, as after a crash. What is told is that nothing was settled."""
    name = create_queue(clients)
    queue = queue_at(clients, clock, queue=name, hidden=1)
    queue.enqueue("slow")
    ended = False

    def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        nonlocal ended
        (beside,) = (one for one in threading.enumerate() if one.name == "homeport-sqs-hidden")
        delete_queue(clients, name)
        beside.join(10)
        ended = not beside.is_alive()
        return {}

    with pytest.raises(Unavailable, match=r"aws\.messages_queue"):
        queue.deliver(work)
    assert ended


def test_what_sqs_gave_up_by_itself_is_a_letter_too(clients: Clients, clock: ManualClock) -> None:
    """A redrive policy is for a function that does not even start: nobody tells a cause."""
    dead = create_queue(clients, "dead")
    attributes = clients.get("sqs").get_queue_attributes(
        QueueUrl=url_of(clients, dead), AttributeNames=["QueueArn"]
    )
    policy = {"deadLetterTargetArn": attributes["Attributes"]["QueueArn"], "maxReceiveCount": 2}
    name = create_queue(clients, RedrivePolicy=json.dumps(policy), VisibilityTimeout="1")
    queue = queue_at(clients, clock, queue=name, dead_queue=dead)
    queue.enqueue('{"nul": "\0"}')
    for _ in range(3):
        bodies_in(clients, name)
        clock.advance(2)
    (letter,) = queue.dead_letters()
    assert (letter.body, letter.source) == ('{"nul": "\0"}', "queue:messages")
    assert "SQS gave it up" in letter.cause
    assert queue.redrive([letter.id]) == 1
    worker = Worker()
    queue.deliver(worker)
    assert worker.bodies == ['{"nul": "\0"}']


def test_looking_at_letters_twice_shows_the_same(clients: Clients, clock: ManualClock) -> None:
    queue = queue_at(clients, clock, Retry(attempts=1))
    for number in range(23):
        queue.enqueue(str(number))
        queue.deliver(Worker(str(number)))
        clock.advance(1)
    letters = queue.dead_letters()
    assert [one.body for one in letters] == [str(number) for number in range(23)]
    assert queue.dead_letters() == letters


def test_a_letter_whose_redriving_fails_stays(clients: Clients, clock: ManualClock) -> None:
    name = create_queue(clients)
    queue = queue_at(clients, clock, Retry(attempts=1), queue=name)
    queue.enqueue("bad")
    queue.deliver(Worker("bad"))
    letters = queue.dead_letters()
    delete_queue(clients, name)
    with pytest.raises(Unavailable):
        queue.redrive([one.id for one in letters])
    assert queue.dead_letters() == letters


class Unfinished:
    """Answers of a batch operation in which SQS did not get to some entries."""

    def __init__(self, clients: Clients, operation: str, times: int, fault: bool = False) -> None:
        self.asked: list[int] = []
        self._times = times
        self._fault = fault
        events: Any = clients.get("sqs").meta.events
        events.register(f"provide-client-params.sqs.{operation}", self._withhold)
        events.register(f"after-call.sqs.{operation}", self._answer)
        self._withheld: list[dict[str, Any]] = []

    def _withhold(self, params: dict[str, Any], **_: Any) -> None:
        entries = params["Entries"]
        self.asked.append(len(entries))
        self._withheld = []
        if self._times:
            self._times -= 1
            self._withheld = entries[1:]
            params["Entries"] = entries[:1]

    def _answer(self, parsed: dict[str, Any], **_: Any) -> None:
        parsed.setdefault("Failed", []).extend(
            {"Id": one["Id"], "SenderFault": self._fault, "Code": "InternalError"}
            for one in self._withheld
        )


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def plain(clients: Clients, pauses: list[float]) -> Queue:
    """A queue with five bodies in it."""
    queue = Queue(clients, create_queue(clients), "aws.some", wait=0, sleep=pauses.append)
    queue.send_all("abcde")
    return queue


def test_what_a_batch_left_unfinished_is_tried_again(
    clients: Clients, plain: Queue, pauses: list[float]
) -> None:
    unfinished = Unfinished(clients, "DeleteMessageBatch", 2)
    plain.delete(plain.receive(10, 30))
    assert unfinished.asked == [5, 4, 3]
    assert plain.counts() == (0, 0)
    assert pauses == sorted(pauses)
    assert len(pauses) == 2


def test_what_is_never_finished_is_told(
    clients: Clients, plain: Queue, pauses: list[float]
) -> None:
    unfinished = Unfinished(clients, "SendMessageBatch", 9)
    with pytest.raises(Unavailable, match="did not finish"):
        plain.send_all("abcdefghij")
    assert unfinished.asked == [10, 9, 8, 7]
    assert len(pauses) == 3


def test_a_message_that_sqs_refuses_is_told(clients: Clients, plain: Queue) -> None:
    Unfinished(clients, "SendMessageBatch", 1, fault=True)
    with pytest.raises(Unavailable, match="refuses a message"):
        plain.send_all("abc")


def test_what_others_have_by_now_is_passed_over(
    clients: Clients, plain: Queue, pauses: list[float]
) -> None:
    messages = plain.receive(10, 30)
    Unfinished(clients, "DeleteMessageBatch", 1, fault=True)
    Unfinished(clients, "ChangeMessageVisibilityBatch", 1, fault=True)
    plain.delete(messages)
    plain.hide([(one, 0) for one in messages[1:]])
    assert pauses == []


def test_large_bodies_go_in_several_batches(clients: Clients, plain: Queue) -> None:
    counted = Unfinished(clients, "SendMessageBatch", 0)
    large = "x" * 100 * 1024
    plain.send_all([large, large, large, "small", "x" * 300 * 1024, "small", *"0123456789"])
    assert counted.asked == [2, 2, 1, 10, 1]
    found = 0
    while some := plain.receive(10, 30):
        found += len(some)
    assert found == 5 + 16


class TestInRealTime:
    """ministack, or SQS itself: real time, requests side by side."""

    retry = Retry(attempts=2, first_wait=1, longest_wait=1)

    @pytest.fixture
    def clients(self, in_real_time: Clients) -> Clients:
        return in_real_time

    @pytest.fixture
    def queue(self, clients: Clients) -> SQSMessageQueue:
        return queue_at(clients, SystemClock(), self.retry)

    def test_bodies_come_out_as_they_went_in(self, queue: SQSMessageQueue) -> None:
        bodies = ["", '{"a": "ü𝄞"}', "line\nline\0", "\x7f", "x" * 256 * 1024]
        for body in bodies:
            queue.enqueue(body)
        worker = Worker()
        while queue.deliver(worker):
            pass
        assert worker.bodies == sorted(bodies)
        assert queue.next_due() is None

    def test_what_fails_comes_again_and_dies(self, queue: SQSMessageQueue) -> None:
        queue.enqueue("bad")
        queue.enqueue("good")
        worker = Worker("bad")
        assert queue.deliver(worker) == 2
        assert queue.deliver(worker) == 0
        assert queue.next_due() == LOOK_AGAIN_SECONDS
        _wait_until(lambda: queue.deliver(worker))
        assert [(one.body, one.attempt) for one in worker.got[2:]] == [("bad", 2)]
        (letter,) = queue.dead_letters()
        assert (letter.body, letter.cause, letter.attempts) == ("bad", "no bad", 2)
        assert queue.dead_letters() == [letter]
        assert queue.redrive([letter.id]) == 1
        assert queue.dead_letters() == []
        worker = Worker()
        queue.deliver(worker)
        assert [(one.body, one.attempt) for one in worker.got] == [("bad", 1)]

    def test_several_workers_lose_nothing(self, queue: SQSMessageQueue) -> None:
        bodies = sorted(f"body {number}" for number in range(40))
        for body in bodies:
            queue.enqueue(body)
        workers = [Worker() for _ in range(4)]

        def drain(worker: Worker) -> None:
            while queue.deliver(worker, 3):
                pass

        threads = [threading.Thread(target=drain, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(body for worker in workers for body in worker.bodies) == bodies

    def test_an_event_of_lambda_is_answered(self, clients: Clients) -> None:
        name = create_queue(clients)
        queue = queue_at(clients, SystemClock(), self.retry, queue=name)
        queue.enqueue("bad")
        found: Any = clients.get("sqs").receive_message(
            QueueUrl=url_of(clients, name), MessageSystemAttributeNames=["All"]
        )
        (one,) = found["Messages"]
        event = {
            "Records": [
                {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": one["Attributes"],
                    "eventSource": "aws:sqs",
                }
            ]
        }
        answer = queue.answer(event, Worker("bad"))
        assert answer == {"batchItemFailures": [{"itemIdentifier": one["MessageId"]}]}
        worker = Worker()
        _wait_until(lambda: queue.deliver(worker))  # long before the queue's own 30 seconds
        assert [one.attempt for one in worker.got] == [2]


def _wait_until(happens: Any) -> None:
    deadline = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)
