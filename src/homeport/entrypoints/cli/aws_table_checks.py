"""What `homeport doctor` finds of the table. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws import table as layout
from homeport.adapters.aws.errors import code_of
from homeport.definition import Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.aws_checks import told, unseen
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

_SETTING: Final = "aws.table"
_ANEW: Final = (
    "This cannot be changed in a table that is there: export the records, create the table anew "
    "as Homeport's, and import them."
)
_ON: Final = frozenset({"ENABLED", "ENABLING"})
_USABLE: Final = frozenset({"ACTIVE", "UPDATING"})


def table(clients: Clients, found: Definition, *, streamed: bool) -> Iterator[Finding]:
    """Whether the table is there and made for what stands in it. `streamed`: consumers read
    its stream."""
    name = found.aws.table
    try:
        there = clients.get("dynamodb").describe_table(TableName=name)["Table"]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) == "ResourceNotFoundException":
            cure = f"Create it, or set {_SETTING} and aws.region to where it stands."
            yield fault("table", f"There is no table {name}.", cure)
        else:
            yield unseen("table", error, "looking at the table", _SETTING)
        return
    status = there.get("TableStatus", "")
    if status not in _USABLE:
        yield fault("table", f"{name} is not ready: it is {status}.", "Wait until it is ACTIVE.")
        return
    faults = [
        *_keys(name, there),
        *_index(name, there),
        *(_stream(name, there) if streamed else ()),
        *_time_to_live(clients, name),
        *_recovery(clients, name),
    ]
    yield from faults
    if not faults:
        items = there.get("ItemCount", 0)
        yield ok("table", f"{name} is {status}; some {items:,} items, as of hours ago")


def shards(clients: Clients, found: Definition) -> Iterator[Finding]:
    """Whether the table can be read, and keeps collections in the shards that are declared."""
    from homeport.container import build

    store: Any = build(found, clients=clients).store
    try:
        store.check()
    except HomeportError as error:
        yield told("shards", error)
    else:
        yield ok("shards", "those of the definition")


def _keys(name: str, there: Mapping[str, Any]) -> Iterator[Finding]:
    wanted = layout.definition(name)
    if _schema(there) != _schema(wanted):
        detail = f"{name} has the keys {_shown(there)}; Homeport's has {_shown(wanted)}."
        yield fault("table", detail, f"Set {_SETTING} to a table of Homeport's, or: {_ANEW}")
        return
    types = {one["AttributeName"]: one["AttributeType"] for one in there["AttributeDefinitions"]}
    wrong = [
        f"{one['AttributeName']} ({types[one['AttributeName']]})"
        for one in wanted.get("AttributeDefinitions", ())
        if types.get(one["AttributeName"], "S") != one["AttributeType"]
    ]
    if wrong:
        yield fault("table", f"Keys of {name} are no strings: {', '.join(wrong)}.", _ANEW)


def _index(name: str, there: Mapping[str, Any]) -> Iterator[Finding]:
    """The one local index: its keys, and that it has the mark of tombstones."""
    wanted = next(iter(layout.definition(name).get("LocalSecondaryIndexes", ())))
    held = {one["IndexName"]: one for one in there.get("LocalSecondaryIndexes", ())}
    index = held.get(layout.INDEX)
    if index is None:
        detail = f"{name} has no local index {layout.INDEX}, by which changes and lists are read."
        yield fault("table", detail, _ANEW)
        return
    if _schema(index) != _schema(wanted):
        detail = f"The local index {layout.INDEX} has the keys {_shown(index)}, not"
        yield fault("table", f"{detail} {_shown(wanted)}.", _ANEW)
    projection = index.get("Projection", {})
    if projection.get("ProjectionType") == "ALL":
        detail = f"The local index {layout.INDEX} holds every record once more."
        yield warning("table", detail, f"Each write costs twice as much. {_ANEW}")
    elif not set(wanted["Projection"].get("NonKeyAttributes", ())) <= set(
        projection.get("NonKeyAttributes", ())
    ):
        detail = f"The local index {layout.INDEX} does not tell tombstones from records."
        yield fault("table", detail, _ANEW)


def _stream(name: str, there: Mapping[str, Any]) -> Iterator[Finding]:
    stream = there.get("StreamSpecification", {})
    if not stream.get("StreamEnabled"):
        detail = f"{name} has no stream: nothing is indexed, and nobody hears of changes."
        yield fault("table", detail, f"Switch its stream on, with {layout.STREAM}.")
    elif stream.get("StreamViewType") != layout.STREAM:
        detail = f"The stream of {name} shows {stream.get('StreamViewType')} alone."
        cure = f"Switch it off, and on again with {layout.STREAM}; then connect the functions."
        yield fault("table", detail, cure)


def _time_to_live(clients: Clients, name: str) -> Iterator[Finding]:
    try:
        answer = clients.get("dynamodb").describe_time_to_live(TableName=name)
    except (ClientError, BotoCoreError) as error:
        yield unseen("table", error, "looking at the table's time to live", _SETTING)
        return
    found = answer["TimeToLiveDescription"]
    enabled = found.get("TimeToLiveStatus") in _ON
    if not enabled or found.get("AttributeName") != layout.TTL:
        detail = f"Time to live is not on in {name}: what is over, as tombstones, stays for good."
        yield fault("table", detail, f"Switch it on, for the attribute {layout.TTL}.")


def _recovery(clients: Clients, name: str) -> Iterator[Finding]:
    try:
        answer = clients.get("dynamodb").describe_continuous_backups(TableName=name)
    except (ClientError, BotoCoreError) as error:
        yield unseen("table", error, "looking at the table's backups", _SETTING)
        return
    found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        detail = f"Point-in-time recovery is off: what is lost in {name} is lost."
        yield warning("table", detail, "Switch it on; it is the backup of this data.")


def _schema(of: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["AttributeName"], one["KeyType"]) for one in of["KeySchema"]]


def _shown(of: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} ({kind})" for name, kind in _schema(of))
