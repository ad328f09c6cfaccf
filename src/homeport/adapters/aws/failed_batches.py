"""The batches of the stream that Lambda gave up, as its on-failure destination on S3 keeps them.

An object is a whole invocation record: why and after how many attempts, and the event itself.
Each object is one dead letter, with its key as id. So a letter can be dropped as a whole,
which S3 does in one step; taking one event out of a batch it could not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import code_of, translated
from homeport.adapters.aws.stream_events import NotAStreamRecord, change_fields, change_in
from homeport.domain.ports.deliveries import DeadLetter

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

CONSUMER: Final = "indexing"
"""The one function that reads the stream with this destination."""
_SETTING: Final = "aws.failed_batches"
_MOST: Final = 1_000
"""How many objects one look reads."""
_KEY_BYTES: Final = 1024
"""S3's limit."""
_FOLDER: Final = "/"
"""Stands in every key that Lambda makes, and in no id of a queue's letter."""


class FailedBatches:
    """Needs to list, read and delete the objects of `bucket`."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket

    def letters(self) -> list[DeadLetter]:
        """All that there are, in the order of their keys."""
        return [one for key in self._keys() if (one := self._read(key)) is not None]

    def find(self, ids: Iterable[str]) -> list[DeadLetter]:
        """Those of these ids that there are."""
        keys = [id for id in dict.fromkeys(ids) if _FOLDER in id and len(id.encode()) <= _KEY_BYTES]
        return [one for key in keys if (one := self._read(key)) is not None]

    def remove(self, ids: Iterable[str]) -> None:
        """Nothing happens where there is none."""
        for id in ids:
            try:
                self._clients.get("s3").delete_object(Bucket=self._bucket, Key=id)
            except (ClientError, BotoCoreError) as exc:
                raise translated(exc, "deleting a failed batch", setting=_SETTING) from exc

    def _keys(self) -> Iterator[str]:
        try:
            pages = self._clients.get("s3").get_paginator("list_objects_v2")
            keys = (
                found.get("Key", "")
                for page in pages.paginate(Bucket=self._bucket)
                for found in page.get("Contents", ())
            )
            yield from islice((key for key in keys if _FOLDER in key), _MOST)
        except (ClientError, BotoCoreError) as exc:
            raise translated(exc, "listing the failed batches", setting=_SETTING) from exc

    def _read(self, key: str) -> DeadLetter | None:
        try:
            found = self._clients.get("s3").get_object(Bucket=self._bucket, Key=key)
            content, modified = found["Body"].read(), found["LastModified"]
        except ClientError as exc:
            if code_of(exc) == "NoSuchKey":
                return None
            raise translated(exc, "reading a failed batch", setting=_SETTING) from exc
        except BotoCoreError as exc:
            raise translated(exc, "reading a failed batch", setting=_SETTING) from exc
        return _letter(key, content, modified)


def _letter(key: str, content: bytes, modified: datetime) -> DeadLetter:
    """The letter of an object. What cannot be read is one too: its cause says so."""
    try:
        record = json.loads(content)
        context = record["requestContext"]
        error = record.get("responseContext", {}).get("functionError")
        cause = ": ".join(filter(None, (context["condition"], error)))
        died = datetime.fromisoformat(record["timestamp"]).astimezone(UTC)
        attempts = int(context["approximateInvokeCount"])
        body = json.dumps({"events": list(_events(record["payload"]))})
    except (ValueError, KeyError, TypeError, AttributeError, NotAStreamRecord) as exc:
        unread = f"This is no batch of the stream that Lambda gave up: {exc!r}."
        return DeadLetter(key, CONSUMER, "{}", unread, 0, _microseconds(modified))
    return DeadLetter(key, CONSUMER, body, cause, attempts, _microseconds(died))


def _events(payload: Any) -> Iterator[Mapping[str, Any]]:
    """The changes in the event that the function was called with, as JSON objects: each with
    how late the table took it, which nothing but the stream tells."""
    event = json.loads(payload) if isinstance(payload, str) else payload
    for record in event["Records"]:
        change = change_in(record)
        if change is not None:
            yield change_fields(change)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
