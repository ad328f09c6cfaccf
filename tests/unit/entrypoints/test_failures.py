"""What fails in the background is told in the log, once and at the end, without contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.failure_lines import LINES, without_contents
from homeport.domain.model.record import Key
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery
from homeport.entrypoints.failures import FailureLog

EVENTS = [
    RecordChanged(Key("s", "notes", str(number)), number, None, "a", deleted=False)
    for number in range(1, 4)
]


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def failures(timer: Timer) -> FailureLog:
    return FailureLog(Retry(attempts=3), timer)


def test_the_first_failure_of_an_event_is_told_and_its_last(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    cause = "ValueError: a secret\nof two lines (app.py:7)"
    told = failures.consumer("subscriber:app", lambda _: {1: cause})
    for _ in range(3):
        assert told(EVENTS) == {1: cause}
    assert caplog.messages == [
        "subscriber:app: s/notes/2 failed and will be tried again: ValueError (app.py:7)",
        "subscriber:app: s/notes/2 failed 3 times and is a dead letter: ValueError (app.py:7)",
    ]
    told(EVENTS)
    assert len(caplog.messages) == 3, "it was redriven"


def test_what_succeeded_meanwhile_begins_anew(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        failures.consumer("indexing", lambda _: {0: "The index refuses it."})(EVENTS)
        failures.consumer("indexing", lambda _: {})(EVENTS)
    assert (
        caplog.messages
        == ["indexing: s/notes/1 failed and will be tried again: The index refuses it."] * 4
    )


def test_an_error_of_a_whole_batch_and_of_one_event(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
        raise ValueError("a secret")

    for some in (EVENTS, EVENTS[:1]):
        with pytest.raises(ValueError, match="a secret"):
            failures.consumer("messaging", consume)(some)
    batch, single = caplog.messages
    assert batch.startswith("messaging: a batch of 3 failed: ValueError (")
    assert single.startswith("messaging: s/notes/1 failed and will be tried again: ValueError (")
    assert "secret" not in caplog.text


def test_an_outage_is_told(failures: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
    def down(_: object) -> Mapping[int, str]:
        raise Unavailable("The store does not answer.")

    with pytest.raises(Unavailable):
        failures.consumer("messaging", down)(EVENTS)
    assert caplog.messages == ["messaging: 3 wait until it answers: The store does not answer."]
    assert failures.is_down("messaging")
    assert not failures.is_down("queue")
    failures.consumer("messaging", lambda _: {})(EVENTS)
    assert not failures.is_down("messaging")


def test_jobs_are_told_by_their_numbers(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    told = failures.worker("queue", lambda jobs: {one.id: "TypeError: a token" for one in jobs})
    for attempt in (1, 2, 3):
        told([Delivery("7", "a body", attempt)])
    assert caplog.messages == [
        "queue: 7 failed and will be tried again: TypeError",
        "queue: 7 failed 3 times and is a dead letter: TypeError",
    ]


def test_a_flood_is_counted(
    failures: FailureLog, timer: Timer, caplog: pytest.LogCaptureFixture
) -> None:
    told = failures.worker("queue", lambda jobs: {one.id: "No." for one in jobs})
    told([Delivery(str(number), "", 1) for number in range(LINES + 5)])
    assert len(caplog.messages) == LINES
    timer.now = 60.0
    told([Delivery("last", "", 1)])
    assert caplog.messages[LINES:] == [
        "5 more failures were not told.",
        "queue: last failed and will be tried again: No.",
    ]


def test_a_single_job_that_raises(failures: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
    def work(_: object) -> Mapping[str, str]:
        raise TypeError("a secret")

    for attempt in (1, 2, 3):
        with pytest.raises(TypeError):
            failures.worker("queue", work)([Delivery("7", "a body", attempt)])
    first, last = caplog.messages
    assert first.startswith("queue: 7 failed and will be tried again: TypeError (")
    assert last.startswith("queue: 7 failed 3 times and is a dead letter: TypeError (")


def test_who_tells_of_its_dead_letters_is_left_to_it(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    told = failures.consumer("indexing", lambda _: {0: "No."}, last=False)
    for _ in range(3):
        told(EVENTS)
    assert caplog.messages == ["indexing: s/notes/1 failed and will be tried again: No."]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("ValueError: bad (ann@example.com, tel:4711)", "ValueError"),
        ("ValueError: bad (tel:4711) (/app/notes.py:7)", "ValueError (/app/notes.py:7)"),
        ("The index refuses it.", "The index refuses it."),
    ],
)
def test_contents_are_left_out(cause: str, told: str) -> None:
    assert without_contents(cause) == told
