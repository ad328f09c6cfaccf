"""Does what Lambda's event source mapping does with a queue: calls a function with its messages,
and deletes those that the answer does not name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from homeport.adapters.aws.clients import Clients

VISIBILITY = 60
"""Seconds for which a message in work is hidden, and then comes again."""


class QueueMapping:
    def __init__(
        self, clients: Clients, queue: str, function: Callable[[Any, object], Any], batch: int = 10
    ) -> None:
        self._sqs = clients.get("sqs")
        self._url = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        self._function = function
        self._batch = batch

    def poll(self) -> int:
        """One call of the function. Returns how many messages it got: 0 where none was due."""
        answer: Any = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch,
            VisibilityTimeout=VISIBILITY,
            MessageSystemAttributeNames=["All"],
        )
        received = answer.get("Messages", [])
        if not received:
            return 0
        # Through JSON, as on the way to Lambda.
        event = json.loads(json.dumps({"Records": [_record(one) for one in received]}))
        answer = self._function(event, None)
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        for one in received:
            if one["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])
        return len(received)

    def drain(self) -> None:
        for _ in range(1000):
            if not self.poll():
                return
        raise AssertionError("the queue never comes to an end")


def received_event(clients: Clients, queue: str) -> dict[str, Any]:
    """What a function would get now of a queue's messages, up to ten; they are hidden then."""
    sqs = clients.get("sqs")
    messages = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
        MaxNumberOfMessages=10,
        VisibilityTimeout=VISIBILITY,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["All"],
    ).get("Messages", [])
    event: dict[str, Any] = json.loads(json.dumps({"Records": [_record(one) for one in messages]}))
    return event


def _record(message: Any) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:queue",
        "awsRegion": "eu-west-1",
    }
