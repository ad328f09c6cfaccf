"""What the functions that are called by a stream or a queue share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

STREAM: Final = "aws:dynamodb"
QUEUE: Final = "aws:sqs"
"""What `eventSource` says of an event's records."""

Failures: TypeAlias = dict[str, list[dict[str, str]]]
"""`batchItemFailures`: which records of an event are to come again."""


class UnknownEvent(ValueError):
    """An event that this function was not made for: the wrong trigger is connected to it."""


def records_of(event: Any, *sources: str) -> tuple[str, list[Any]]:
    """Where an event comes from, one of `sources`, and its records.

    Raises UnknownEvent for any other event, so that whoever connected it learns of it.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise UnknownEvent("this event has no `Records`: it is not of a stream or a queue")
    found = {one.get("eventSource") if isinstance(one, Mapping) else None for one in records}
    if len(found) != 1 or not found <= set(sources):
        named = ", ".join(sorted(map(str, found)))
        raise UnknownEvent(f"this function takes events of {' or '.join(sources)}, not of {named}")
    source = str(found.pop())
    if source == QUEUE and not all(_is_message(one) for one in records):
        raise UnknownEvent("this event has a message without id, body or attributes")
    return source, records


def _is_message(record: Mapping[str, Any]) -> bool:
    texts = (record.get(name) for name in ("messageId", "receiptHandle", "body"))
    return all(isinstance(one, str) for one in texts) and isinstance(
        record.get("attributes"), Mapping
    )


def failing(identifiers: list[str]) -> Failures:
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}
