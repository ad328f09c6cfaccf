"""The lines of an export: one JSON object each, the first a header, the last an end.

    {"type":"homeport-export","format":1,"homeport":"0.1.0","made":"2026-01-31T09:00:00Z"}
    {"type":"membership","space":"...","identity":"...","role":"writer"}
    {"type":"record","space":"...","collection":"...","id":"...","author":"...",
     "version":"...","created":"...","updated":"...","data":{...}}
    {"type":"end","records":1,"memberships":1}

The header also has `spaces` and `collections` where the export was narrowed to some. A record's
`version`, `created` and `updated` are for readers: a store stamps what it writes itself. `first`
is there where the record was created with an idempotency key (see Record).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from homeport.domain import limits
from homeport.domain.dates import format_date, parse_date
from homeport.domain.devices import BLOCKS
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model import names, versions
from homeport.domain.model.data import Data, encode, parse_json
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Expect, Put

FORMAT: Final = 1
LINE_BYTES: Final = 8 * limits.RECORD_BYTES
"""No record within the limits takes a longer line: a byte of it is at most six bytes of JSON."""

_HEADER: Final = "homeport-export"
_MESSAGES: Final = frozenset({names.INBOX, names.SENT})
_DIGEST: Final = 32
"""Characters in a digest of data."""


class NewerFormat(Invalid):
    """A newer program has made the export."""


@dataclass(frozen=True, slots=True)
class Header:
    """`made` is in microseconds since 1970. Empty `spaces` or `collections` stand for all."""

    homeport: str
    made: int
    spaces: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()

    def wants(self, key: Key) -> bool:
        """Whether the record belongs into the export. Of hidden spaces only the blocks do:
        devices are registered anew when their apps start."""
        space = key.space
        if names.is_hidden(space):
            if key.collection != BLOCKS:
                return False
            space = space.removeprefix(".")
        return (not self.spaces or space in self.spaces) and (
            not self.collections or key.collection in self.collections
        )


@dataclass(frozen=True, slots=True)
class End:
    """The last line: what the ones before it should have been."""

    records: int
    memberships: int


Line: TypeAlias = Header | Membership | Put | End
"""A record that was read is the write that would restore it, where it is not there yet."""


def render(line: Header | Membership | Record | End) -> str:
    """The line, without its line feed. A record is no tombstone."""
    return encode(_OBJECTS[type(line)](line))


def parse(text: str | bytes) -> Line:
    """What a line says. Raises Invalid with a pointer to each fault, and NewerFormat."""
    try:
        decoded = text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as exc:
        raise _wrong(Fault("", "not UTF-8")) from exc
    try:
        value = parse_json(decoded, around=2)
    except Invalid as exc:
        raise _wrong(*exc.faults) from exc
    if not isinstance(value, dict):
        raise _wrong(Fault("", "not an object"))
    reader = _READERS.get(str(value.get("type")))
    if reader is None:
        kinds = ", ".join(_READERS)
        raise _wrong(Fault("/type", f"one of: {kinds}"))
    return reader(value)


def _header_object(header: Header) -> dict[str, Any]:
    narrowed = {"spaces": header.spaces, "collections": header.collections}
    return {
        "type": _HEADER,
        "format": FORMAT,
        "homeport": header.homeport,
        "made": format_date(header.made),
        **{name: sorted(chosen) for name, chosen in narrowed.items() if chosen},
    }


def _record_object(record: Record) -> dict[str, Any]:
    assert record.data is not None
    return {
        "type": "record",
        **record.key._asdict(),
        "author": record.author,
        "version": versions.to_text(record.version),
        "created": format_date(versions.time_of(record.created)),
        "updated": format_date(versions.time_of(record.version)),
        **({"first": record.first} if record.first else {}),
        "data": record.data.value,
    }


def _membership_object(one: Membership) -> dict[str, Any]:
    return {
        "type": "membership",
        "space": one.space,
        "identity": one.identity,
        "role": one.role.value,
    }


def _end_object(end: End) -> dict[str, Any]:
    return {"type": "end", "records": end.records, "memberships": end.memberships}


_OBJECTS: Final[Mapping[type, Callable[[Any], dict[str, Any]]]] = {
    Header: _header_object,
    Record: _record_object,
    Membership: _membership_object,
    End: _end_object,
}


def _header(value: Mapping[str, Any]) -> Header:
    found = value.get("format")
    if type(found) is int and found > FORMAT:
        raise NewerFormat(
            f"The export is of format {found}; this program knows formats up to {FORMAT}. "
            "Install the newer version of homeport that made it."
        )
    _check(
        value,
        {"format": int, "homeport": str, "made": str},
        {"spaces": list, "collections": list},
    )
    made = parse_date(value["made"])
    if found != FORMAT or made is None:
        raise _wrong(Fault("/made" if made is None else "/format", "not what an export has"))
    chosen = [value.get(name, []) for name in ("spaces", "collections")]
    if any(type(one) is not str for one in (*chosen[0], *chosen[1])):
        raise _wrong(Fault("", "spaces and collections are lists of names"))
    return Header(value["homeport"], made.start, *(frozenset(one) for one in chosen))


def _record(value: Mapping[str, Any]) -> Put:
    """Raises Invalid for what no store would hold, wherever it is to be imported."""
    _check(
        value,
        {"space": str, "collection": str, "id": str, "author": str, "data": dict},
        {"version": str, "created": str, "updated": str, "first": str},
    )
    key = Key(value["space"], value["collection"], value["id"])
    hidden = names.is_hidden(key.space)
    _name("space", key.space.removeprefix("."))
    try:
        names.check_collection(key.collection)
    except Invalid as exc:
        raise _wrong(Fault("/collection", names.COLLECTION_ALPHABET)) from exc
    _name("id", key.id)
    _name("author", value["author"])
    if hidden and key.collection != BLOCKS:
        raise _wrong(Fault("/space", "of hidden spaces only the blocks are imported"))
    if len(value.get("first", "")) > _DIGEST:
        raise _wrong(Fault("/first", "not a digest"))
    # What the sender of a message gave as its data stands one level deep in the record.
    around = 1 if key.collection in _MESSAGES else 0
    try:
        data = Data.of(value["data"], around)
    except Invalid as exc:
        faults = (Fault(f"/data{one.pointer}", one.detail) for one in exc.faults)
        raise Invalid(exc.detail, tuple(faults)) from exc
    return Put(key, value["author"], data, Expect.NEVER, first=value.get("first", ""))


def _membership(value: Mapping[str, Any]) -> Membership:
    _check(value, {"space": str, "identity": str, "role": str}, {})
    space, identity, role = value["space"], value["identity"], value["role"]
    _name("space", space)
    _name("identity", identity)
    if role not in list(Role):
        raise _wrong(Fault("/role", f"one of: {', '.join(Role)}"))
    return Membership(space, identity, Role(role))


def _end(value: Mapping[str, Any]) -> End:
    _check(value, {"records": int, "memberships": int}, {})
    return End(value["records"], value["memberships"])


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Line]]] = {
    _HEADER: _header,
    "record": _record,
    "membership": _membership,
    "end": _end,
}
_KINDS: Final = {str: "a string", int: "a whole number", dict: "an object", list: "a list"}


def _check(
    value: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]
) -> None:
    """Raise Invalid unless `value` has these names, and no others, of these types."""
    kinds = {**required, **optional}
    faults = [Fault(f"/{name}", "missing") for name in required if name not in value]
    faults += [
        Fault(f"/{name}", f"should be {_KINDS[kinds[name]]}")
        for name in kinds
        if name in value and type(value[name]) is not kinds[name]
    ]
    unknown: Collection[str] = value.keys() - kinds.keys() - {"type"}
    faults += [Fault(f"/{name[:64]}", "there is no such name") for name in sorted(unknown)]
    if faults:
        raise _wrong(*faults)


def _name(name: str, value: str) -> None:
    try:
        names.check_id(name, value)
    except Invalid as exc:
        raise _wrong(Fault(f"/{name}", names.ID_ALPHABET)) from exc


def _wrong(*faults: Fault) -> Invalid:
    return Invalid("This line is not one of an export.", faults)
