"""What a record of the table's stream says happened.

The stream has an image of the item before and after each change. Items that are no records
(memberships, counters, identities) are nobody's business here, and neither is DynamoDB's own
deletion of a tombstone whose time has come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.record import Key

SOURCE: Final = "aws:dynamodb"
"""What `eventSource` is in a Lambda event of a stream."""
_KINDS: Final = frozenset({"INSERT", "MODIFY", "REMOVE"})
_SERVICE: Final = "dynamodb.amazonaws.com"


class NotAStreamRecord(ValueError):
    """This is not what a stream of our table holds: the wrong stream, or without images."""


class Change(NamedTuple):
    """`behind` is how long after its stamp the table took the change, in microseconds: 0 where
    no stamp is new. The stream tells the time of a commit to the second, rounded down."""

    sequence: str
    event: RecordChanged
    behind: int

    @property
    def committed(self) -> int:
        """When the table took it, in microseconds since 1970, where `behind` is not 0."""
        return versions.time_of(self.event.version) + self.behind


def change_in(record: Mapping[str, Any]) -> Change | None:
    """The change that a stream record tells of; None where it is none of a record of ours.

    Raises NotAStreamRecord for what is no record of a stream with new and old images.
    """
    try:
        return _change_in(record)
    except NotAStreamRecord:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise NotAStreamRecord(f"no record of the table's stream: {exc!r}") from exc


def _change_in(record: Mapping[str, Any]) -> Change | None:
    kind, told = record["eventName"], record["dynamodb"]
    sequence, keys = told["SequenceNumber"], told["Keys"]
    partition, sort = keys["pk"]["S"], keys["sk"]["S"]
    if kind not in _KINDS:
        raise NotAStreamRecord(f"a stream record of the unknown kind {kind!r}")
    old, new = told.get("OldImage"), told.get("NewImage")
    if (old if kind == "REMOVE" else new) is None:
        raise NotAStreamRecord("a stream without images: its view type is not NEW_AND_OLD_IMAGES")
    if not isinstance(new or old, Mapping):
        raise NotAStreamRecord("a stream record whose image is none")
    if "lk" not in (new or old):
        return None
    if kind == "REMOVE" and _is_of_the_service(record.get("userIdentity") or {}):
        return None
    key = _key(partition, sort)
    if new is None:
        return Change(sequence, _removed(key, old), 0)
    event = _moved(key, old, new)
    committed = _microseconds(told["ApproximateCreationDateTime"])
    return Change(sequence, event, max(0, committed - versions.time_of(event.version)))


def change_fields(change: Change) -> dict[str, Any]:
    """A change as a dead letter keeps it: its event, and `behind` where it is not 0."""
    fields: dict[str, Any] = json.loads(change.event.to_json())
    return {**fields, "behind": change.behind} if change.behind else fields


def change_of(text: str) -> Change:
    """The change that a dead letter keeps, which has no place in the stream any more. Raises
    ValueError, KeyError or TypeError for what is none."""
    return Change("", RecordChanged.from_json(text), int(json.loads(text).get("behind", 0)))


def current_of(item: Mapping[str, Any]) -> RecordChanged:
    """A record of the table as an event: that it came to be as it is."""
    return _moved(_key(item["pk"]["S"], item["sk"]["S"]), None, item)


def _is_of_the_service(who: Mapping[str, Any]) -> bool:
    """Whether time to live has removed the item: a Lambda event says so by `principalId`, the
    Streams API by `PrincipalId`."""
    return _SERVICE in (who.get("principalId"), who.get("PrincipalId"))


def _moved(key: Key, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> RecordChanged:
    previous = None if old is None or "v" not in old else int(old["v"]["N"])
    deleted = "t" in new
    author = new["ta" if deleted else "a"]["S"]
    return RecordChanged(key, int(new["v"]["N"]), previous, author, deleted)


def _removed(key: Key, old: Mapping[str, Any]) -> RecordChanged:
    """Somebody took the item away behind the store's back: what knew it has to forget it."""
    version = int(old["v"]["N"])
    author = (old.get("a") or old["ta"])["S"]
    return RecordChanged(key, version + 1, version, author, deleted=True)


def _key(partition: str, sort: str) -> Key:
    collection, _, id = sort.partition("#")
    return Key(partition.rpartition("#")[0], collection, id)


def _microseconds(created: Any) -> int:
    """Seconds since 1970 in a Lambda event; a datetime where boto3 has read it."""
    seconds = created.timestamp() if hasattr(created, "timestamp") else float(created)
    return round(seconds * 1_000_000)
