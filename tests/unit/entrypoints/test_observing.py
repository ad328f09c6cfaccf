"""What a function logs of an error, and what it leaves out."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from homeport.domain.errors import Unavailable
from homeport.entrypoints.lambdas.deadline import OutOfTime, deadline
from homeport.entrypoints.lambdas.observing import Observed, told
from homeport.entrypoints.lambdas.runtime import ANSWER_BYTES, AnswerTooLarge, sendable


def caught(cause: BaseException | None = None) -> BaseException:
    try:
        raise Unavailable("The table does not answer.") from cause
    except Unavailable as error:
        return error


def test_our_own_errors_are_told_in_full_with_what_led_to_them() -> None:
    refused = ClientError(
        {"Error": {"Code": "ValidationException", "Message": "the key ann#secret"}}, "GetItem"
    )
    line = told(caught(refused))
    assert (line["type"], line["detail"]) == ("Unavailable", "The table does not answer.")
    assert line["stack"][-1].endswith(" caught")
    assert line["cause"] == {"type": "ClientError", "detail": "GetItem: ValidationException"}


@pytest.mark.parametrize(
    "error",
    [KeyError("secret"), ValueError("secret"), UnicodeDecodeError("utf-8", b"x", 0, 1, "secret")],
)
def test_of_others_errors_the_text_is_left_out(error: BaseException) -> None:
    assert "secret" not in json.dumps(told(caught(error)))


def test_a_chain_of_errors_is_told_to_a_depth() -> None:
    error: BaseException = KeyError()
    for _ in range(50):
        error = caught(error)
    assert json.dumps(told(error)).count('"type"') == 5


@pytest.mark.parametrize("event", [None, [], {}, {"Records": [7]}, {"requestContext": 1}])
def test_any_event_can_be_told_of(event: Any) -> None:
    line = Observed("records", event, None).line(None, [])
    assert (line["operation"], line["request_id"], line["errors"]) == ("unknown", "", 0)
    json.dumps(line)


def test_calls_are_counted_by_name() -> None:
    calls = ["dynamodb.GetItem", "sqs.SendMessage", "dynamodb.GetItem"]
    line = Observed("records", {}, None).line({"statusCode": 503}, calls)
    assert line["aws_calls"] == 3
    assert line["calls"] == {"dynamodb.GetItem": 2, "sqs.SendMessage": 1}
    assert (line["errors"], line["level"]) == (1, "error")


class Context:
    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def test_a_deadline_interrupts_what_waits() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTime), deadline(Context(50)):
        threading.Event().wait(30)
    assert time.monotonic() - began < 5


def test_a_deadline_that_is_kept_leaves_no_alarm() -> None:
    with deadline(Context(550)):
        pass
    assert not threading.Event().wait(0.1)


def test_where_nothing_can_interrupt_there_is_no_deadline() -> None:
    done: list[bool] = []

    def work() -> None:
        with deadline(Context(1)):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with deadline(None):
        done.append(True)
    assert done == [True, True]


def test_a_small_answer_is_sent_as_it_is() -> None:
    answer = {"statusCode": 200, "headers": {}, "body": "x" * 500_000}
    assert sendable(answer) is answer
    assert sendable({"statusCode": 204}) == {"statusCode": 204}


def test_base64_has_its_limit_too() -> None:
    body = "x" * (ANSWER_BYTES * 3 // 4 - 50_000)
    sent = sendable({"statusCode": 200, "body": body})
    assert sent["isBase64Encoded"] is True and len(json.dumps(sent)) < ANSWER_BYTES
    with pytest.raises(AnswerTooLarge):
        sendable({"statusCode": 200, "body": "x" * (ANSWER_BYTES * 3 // 4)})
