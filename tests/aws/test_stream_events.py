"""What each kind of record of the table's stream means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from homeport.adapters.aws import table
from homeport.adapters.aws.stream_events import NotAStreamRecord, change_in
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.record import Key

KEY = Key("ann", "notes", "soup")
SECOND = 1_000_000
NOW = 1_790_000_000
OLD, NEW = (versions.stamp((NOW + one) * SECOND, 0) for one in (-60, 0))
SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
"""As Lambda has it, in DynamoDB's documentation of time to live."""
SERVICE_IN_API = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
"""As the Streams API has it."""


def image(version: int, **attributes: Any) -> dict[str, Any]:
    return {
        **table.primary_key(KEY, 1),
        "lk": {"S": table.index_key(KEY.collection, version, KEY.id)},
        "v": {"N": str(version)},
        "a": {"S": "ann"},
        **attributes,
    }


def tombstone(version: int) -> dict[str, Any]:
    found = {**image(version), "t": {"BOOL": True}, "ta": {"S": "ann"}, "ttl": {"N": "1"}}
    del found["a"]
    return found


def record(kind: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ApproximateCreationDateTime": float(NOW),
        "Keys": table.primary_key(KEY, 1),
        "SequenceNumber": "7",
    }
    if old is not None:
        told["OldImage"] = old
    if new is not None:
        told["NewImage"] = new
    return {"eventName": kind, "dynamodb": told, **more}


def event_in(one: dict[str, Any]) -> RecordChanged | None:
    found = change_in(one)
    return None if found is None else found.event


def test_a_record_comes_to_be_changes_and_is_deleted() -> None:
    created = event_in(record("INSERT", new=image(OLD)))
    assert created == RecordChanged(KEY, OLD, None, "ann", deleted=False)
    changed = event_in(record("MODIFY", image(OLD), image(NEW)))
    assert changed == RecordChanged(KEY, NEW, OLD, "ann", deleted=False)
    deleted = event_in(record("MODIFY", image(OLD), tombstone(NEW)))
    assert deleted == RecordChanged(KEY, NEW, OLD, "ann", deleted=True)


@pytest.mark.parametrize("service", [SERVICE, SERVICE_IN_API])
def test_a_tombstone_whose_time_has_come_is_nobodys_business(service: dict[str, str]) -> None:
    """It was a deletion to everybody when it was made; and a removal that comes days later must
    not meet what stands there by then."""
    assert change_in(record("REMOVE", tombstone(OLD), userIdentity=service)) is None


def test_what_somebody_took_out_of_the_table_has_to_be_forgotten() -> None:
    gone = RecordChanged(KEY, OLD + 1, OLD, "ann", deleted=True)
    assert event_in(record("REMOVE", image(OLD))) == gone
    assert event_in(record("REMOVE", tombstone(OLD))) == gone
    for person in ({"type": "User", "principalId": "somebody"}, {"PrincipalId": "somebody"}, None):
        assert event_in(record("REMOVE", image(OLD), userIdentity=person)) == gone


@pytest.mark.parametrize(
    ("kind", "images"),
    [("INSERT", ("new",)), ("MODIFY", ("old", "new")), ("REMOVE", ("old",))],
)
def test_an_item_that_is_no_record_is_skipped(kind: str, images: tuple[str, ...]) -> None:
    member: dict[str, Any] = {"pk": {"S": "ann#members"}, "sk": {"S": "ben"}}
    assert change_in(record(kind, **dict.fromkeys(images, member))) is None


@pytest.mark.parametrize("seconds", [0, 1, 9, 12])
@pytest.mark.parametrize("as_datetime", [False, True])
def test_how_late_a_change_is(seconds: int, as_datetime: bool) -> None:
    """Lambda has the time in seconds, boto3 as a datetime."""
    one = record("INSERT", new=image(NEW))
    when: Any = float(NOW + seconds)
    one["dynamodb"]["ApproximateCreationDateTime"] = (
        datetime.fromtimestamp(when, UTC) if as_datetime else when
    )
    found = change_in(one)
    assert found is not None and found.behind == seconds * SECOND


def test_a_stamp_ahead_of_the_commit_is_not_late() -> None:
    ahead = versions.stamp((NOW + 5) * SECOND, 0)
    found = change_in(record("INSERT", new=image(ahead)))
    assert found is not None and found.behind == 0


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"eventName": "INSERT", "dynamodb": None},
        record("RENAME", new=image(NEW)),
        record("INSERT", old=image(OLD)),
        record("MODIFY", old=image(OLD)),
        record("REMOVE", new=image(NEW)),
        record("REMOVE", userIdentity=SERVICE),
        record("REMOVE", image(OLD), userIdentity="somebody"),
        record("INSERT", new=[]),
        record("INSERT", new="image"),
        record("INSERT", new={**image(NEW), "v": {"S": "1"}}),
        record("INSERT", new={**image(NEW), "v": {"N": "one"}}),
        record("INSERT", new={**tombstone(NEW), "ta": None}),
        {"eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": "1"}}, "SequenceNumber": "1"}},
    ],
)
def test_a_stream_of_another_kind_is_refused(one: dict[str, Any]) -> None:
    with pytest.raises(NotAStreamRecord):
        change_in(one)
