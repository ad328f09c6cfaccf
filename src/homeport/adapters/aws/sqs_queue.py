"""One queue of SQS: calls in batches, unfinished batches finished, errors in the domain's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import code_of, translated
from homeport.adapters.aws.sqs_bodies import from_sqs, to_sqs
from homeport.domain.errors import HomeportError, TooLarge, Unavailable

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

BATCH: Final = 10
"""What one call takes or gives at most."""
_BATCH_BYTES: Final = 256 * 1024
"""What one call sends at most, for queues that were made before the limit was raised."""
LONGEST_HIDDEN: Final = 12 * 3600
"""SQS hides a message for no longer, counted from when it was received."""
_PAUSES: Final = (0.05, 0.2, 0.8)
"""Seconds before what a batch left unfinished is tried again."""
_TOO_LONG: Final = "must be shorter than"
_RECEIVED: Final = ("ApproximateReceiveCount", "SentTimestamp", "MessageGroupId")
_COUNTED: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was handed out. `receives` counts how often, this time included; `sent` is
    in microseconds since 1970; `group` is empty in a queue that keeps no order."""

    id: str
    body: str
    receipt: str
    receives: int
    sent: int
    group: str = ""


class Counts(NamedTuple):
    """How many can be received, and how many are delayed, failed for now or at work."""

    visible: int
    hidden: int


class Queue:
    """`name` is a name or a URL, and `setting` the setting it comes from. Nothing is asked of
    AWS before the first call. With `wait` a receive that finds nothing goes on for so many
    seconds: only then has SQS looked everywhere."""

    def __init__(
        self,
        clients: Clients,
        name: str,
        setting: str,
        *,
        wait: int = 1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clients = clients
        self._name = name
        self._setting = setting
        self._wait = wait
        self._sleep = sleep
        self._url = name if name.startswith(("https://", "http://")) else ""

    def send(self, body: str, delay: int = 0) -> None:
        """Durable once it returns. Raises TooLarge for more than the queue was made for."""
        self._call("send_message", "sending", MessageBody=to_sqs(body), DelaySeconds=delay)

    def send_all(self, bodies: Iterable[str]) -> None:
        """Each of them, in as few calls as possible. Where it raises some may have been sent."""
        for chunk in _chunks([to_sqs(body) for body in bodies]):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(chunk)]
            for fault in self._batch("send_message_batch", "sending", entries):
                raise _refused(fault["Code"], fault.get("Message", ""), self._setting)

    def receive(self, limit: int, hidden: int, *, wait: bool = True) -> list[Received]:
        """Up to `limit`, or 10, hidden from everybody else for `hidden` seconds."""
        answer = self._call(
            "receive_message",
            "receiving",
            MaxNumberOfMessages=min(limit, BATCH),
            VisibilityTimeout=hidden,
            WaitTimeSeconds=self._wait if wait else 0,
            MessageSystemAttributeNames=list(_RECEIVED),
        )
        return [
            received(one["MessageId"], one["ReceiptHandle"], one["Body"], one["Attributes"])
            for one in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Received]) -> None:
        """Forget them. One that is gone already, or handed to somebody else, is passed over."""
        for some in _tens(messages):
            entries = [{"Id": str(n), "ReceiptHandle": one.receipt} for n, one in enumerate(some)]
            self._batch("delete_message_batch", "deleting", entries)

    def hide(self, messages: Sequence[tuple[Received, int]]) -> None:
        """Hand each out again only in so many seconds from now; 0: at once. One that is gone, or
        with somebody else by now, is passed over."""
        for some in _tens(messages):
            entries = [
                {
                    "Id": str(n),
                    "ReceiptHandle": one.receipt,
                    "VisibilityTimeout": min(seconds, LONGEST_HIDDEN),
                }
                for n, (one, seconds) in enumerate(some)
            ]
            self._batch("change_message_visibility_batch", "keeping back", entries)

    def counts(self) -> Counts:
        """As far as SQS knows: it may be a minute behind."""
        answer = self._call("get_queue_attributes", "counting", AttributeNames=list(_COUNTED))
        visible, *hidden = (int(answer["Attributes"][name]) for name in _COUNTED)
        return Counts(visible, sum(hidden))

    def _batch(
        self, operation: str, doing: str, entries: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Returns what SQS found wrong with entries; what is not the entries' fault is tried
        again, and raises Unavailable in the end."""
        faults: list[dict[str, Any]] = []
        waiting = {entry["Id"]: entry for entry in entries}
        for pause in (*_PAUSES, None):
            answer = self._call(operation, doing, Entries=list(waiting.values()))
            failed = answer.get("Failed", ())
            faults += [one for one in failed if one["SenderFault"]]
            waiting = {one["Id"]: waiting[one["Id"]] for one in failed if not one["SenderFault"]}
            if not waiting:
                return faults
            if pause is not None:
                self._sleep(pause)
        raise Unavailable(f"SQS did not finish {doing} ({len(waiting)} messages are left).")

    def url(self) -> str:
        """Asked for once, where a name was given. Raises as boto3 does."""
        if not self._url:
            found = self._clients.get("sqs").get_queue_url(QueueName=self._name)
            self._url = found["QueueUrl"]
        return self._url

    def _call(self, operation: str, doing: str, **arguments: Any) -> Any:
        client = self._clients.get("sqs")
        try:
            return getattr(client, operation)(QueueUrl=self.url(), **arguments)
        except ClientError as exc:
            message = exc.response.get("Error", {}).get("Message", "")
            if _TOO_LONG in message:
                raise _refused(code_of(exc), message, self._setting) from exc
            raise translated(exc, f"{doing} at a queue", setting=self._setting) from exc
        except BotoCoreError as exc:
            raise translated(exc, f"{doing} at a queue", setting=self._setting) from exc


def received(id: str, receipt: str, body: str, attributes: dict[str, str]) -> Received:
    """A message as SQS and Lambda's events have it alike."""
    return Received(
        id,
        from_sqs(body),
        receipt,
        int(attributes["ApproximateReceiveCount"]),
        int(attributes["SentTimestamp"]) * 1000,
        attributes.get("MessageGroupId", ""),
    )


def _refused(code: str, message: str, setting: str) -> HomeportError:
    if _TOO_LONG in message:
        return TooLarge(
            f"The queue that {setting} names takes no body of this size: "
            "raise its MaximumMessageSize to 1 MiB."
        )
    return Unavailable(f"SQS refuses a message ({code}) at the queue that {setting} names.")


def _tens(messages: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(messages), BATCH):
        yield messages[start : start + BATCH]


def _chunks(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Ten at a time, or fewer where they are large; one that is too large is alone."""
    chunk: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if chunk and (len(chunk) == BATCH or size + length > _BATCH_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(body)
        size += length
    if chunk:
        yield chunk
