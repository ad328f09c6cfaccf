"""What `homeport doctor` finds of the queues, and of where batches go that failed.
Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import code_of
from homeport.adapters.aws.sqs_queue import Queue
from homeport.definition import Definition
from homeport.definition.aws import AwsSettings
from homeport.domain.ports.deliveries import Retry
from homeport.entrypoints.cli.aws_checks import unseen
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

_HIDDEN_SECONDS: Final = 720
"""Six times the time-out that docs/lambda.md has for the functions behind a queue."""
_RECEIVES: Final = 2 * Retry().attempts
_LARGEST: Final = 1024 * 1024
_LONGEST: Final = 14 * 24 * 3600
"""Seconds for which SQS keeps a message at most."""
_MISSING: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "404"})
_COUNTED: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A queue as the backend needs it. `buries_in` is the queue (its setting and its name) that
    holds what this one's redrive policy gives up; without it this is where things end."""

    setting: str
    name: str
    fifo: bool = False
    large: bool = True
    """Whether bodies may come near to the limit of 1 MiB."""
    buries_in: tuple[str, str] | None = None
    ends_here: bool = False


def wanted(found: Definition, used: Mapping[str, str]) -> Iterator[Wanted]:
    """The queues of the ports that are `used`."""
    aws = found.aws
    parked = ("aws.parked_queue", aws.parked_queue)
    if "message_queue" in used:
        dead = ("aws.messages_dead_queue", aws.messages_dead_queue)
        yield Wanted("aws.messages_queue", aws.messages_queue, buries_in=dead)
        yield Wanted(*dead, ends_here=True)
    if "change_feed" in used:
        yield Wanted(*parked, ends_here=True)
        yield Wanted("aws.redriven_queue", aws.redriven_queue, large=False, buries_in=parked)
        if found.subscribers:
            yield Wanted("aws.subscribers_queue", aws.subscribers_queue, fifo=True, large=False)


def queue(clients: Clients, one: Wanted) -> Iterator[Finding]:
    """Whether a queue is there and does what it is for."""
    try:
        url = Queue(clients, one.name, one.setting).url()
        answer = clients.get("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in _MISSING:
            cure = f"Create it, or set {one.setting} and aws.region to where it stands."
            yield fault("queue", f"There is no queue {one.name}.", cure)
        else:
            yield unseen("queue", error, f"looking at the queue {one.name}", one.setting)
        return
    # The stubs know the names of attributes, which are read from a table here.
    attributes: dict[str, str] = dict(answer.get("Attributes", {}))  # type: ignore[arg-type]
    faults = [*_kind(one, attributes), *_times(one, attributes), *_burial(one, attributes)]
    yield from faults
    count = sum(int(attributes.get(name, 0)) for name in _COUNTED)
    if one.ends_here and count:
        cure = "See why, and redrive or drop them: homeport dead-letters list"
        yield warning("dead letters", f"Some {count:,} in {one.name}.", cure)
    if not faults:
        yield ok("queue", f"{one.name} is there; some {count:,} wait in it")


def failed_batches(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Whether the bucket is there, and whether batches lie in it."""
    bucket, setting = settings.failed_batches or "", "aws.failed_batches"
    try:
        answer = clients.get("s3").list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in _NO_BUCKET:
            cure = f"Create it, or set {setting} to the one that the stream's batches go to."
            yield fault("failed batches", f"There is no bucket {bucket}.", cure)
        else:
            yield unseen("failed batches", error, "looking into the bucket", setting)
        return
    if answer.get("KeyCount"):
        cure = "See why, and redrive or drop them: homeport dead-letters list --source indexing"
        yield warning("dead letters", f"There are failed batches in {bucket}.", cure)
    else:
        yield ok("failed batches", f"{bucket} is there, and holds none")


def _kind(one: Wanted, attributes: Mapping[str, str]) -> Iterator[Finding]:
    is_fifo = attributes.get("FifoQueue") == "true"
    if one.fifo and not is_fifo:
        detail = f"{one.name} keeps no order: subscribers would see old changes after new ones."
        yield fault("queue", detail, f"Create a FIFO queue, and set {one.setting} to it.")
    if is_fifo and not one.fifo:
        detail = f"{one.name} is a FIFO queue, which takes no message without a group."
        yield fault("queue", detail, f"Create a standard queue, and set {one.setting} to it.")
    if one.large and int(attributes.get("MaximumMessageSize", _LARGEST)) < _LARGEST:
        detail = f"{one.name} takes {attributes['MaximumMessageSize']} bytes a message."
        yield warning("queue", detail, f"Raise its MaximumMessageSize to {_LARGEST}.")


def _times(one: Wanted, attributes: Mapping[str, str]) -> Iterator[Finding]:
    if one.ends_here:
        kept = int(attributes.get("MessageRetentionPeriod", _LONGEST))
        if kept < _LONGEST:
            days = kept / (24 * 3600)
            detail = f"{one.name} forgets dead letters after {days:.2g} days."
            yield warning("queue", detail, f"Raise its MessageRetentionPeriod to {_LONGEST}.")
        return
    hidden = int(attributes.get("VisibilityTimeout", _HIDDEN_SECONDS))
    if hidden < _HIDDEN_SECONDS:
        detail = (
            f"{one.name} hands a message out again after {hidden} seconds, while a function may "
            "still be at work on it."
        )
        cure = (
            f"Raise its VisibilityTimeout to {_HIDDEN_SECONDS} or more: six times the function's "
            "time-out, which may be 120 seconds."
        )
        yield warning("queue", detail, cure)


def _burial(one: Wanted, attributes: Mapping[str, str]) -> Iterator[Finding]:
    """The redrive policy is a last resort: the backend itself buries what has had its attempts,
    with the cause, which SQS does not know."""
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    if one.ends_here and policy:
        detail = f"{one.name} has a redrive policy: dead letters leave it when looked at often."
        yield fault("queue", detail, "Take its redrive policy away.")
    if one.ends_here or not policy:
        return
    receives = int(policy["maxReceiveCount"])
    if receives < _RECEIVES:
        detail = (
            f"{one.name} gives up after {receives} receives, which may be before all "
            f"{Retry().attempts} attempts."
        )
        cure = f"Raise maxReceiveCount in its redrive policy to {_RECEIVES} or more."
        yield warning("queue", detail, cure)
    if one.buries_in is None:
        return
    setting, name = one.buries_in
    target = str(policy["deadLetterTargetArn"]).rpartition(":")[2]
    if target != name.rpartition("/")[2]:
        detail = f"What {one.name} gives up goes to {target}, which nobody looks at."
        yield warning("queue", detail, f"Let its redrive policy name {name}, or set {setting}.")
