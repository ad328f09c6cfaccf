"""Writes of records as DynamoDB's expressions.

One UpdateItem says "create, or replace, or go on where a tombstone is", because what a living
record has and a tombstone has not (its author, the version of its creation, the digest of its
first data) is set only where it is not there. What must hold beforehand says the same as
`writes.resolve`, as the contract suite proves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeport.adapters.aws.items import Attribute, attribute_of, escaped, size_bound
from homeport.adapters.aws.table import index_key, primary_key
from homeport.domain import limits
from homeport.domain.model import versions
from homeport.domain.model.data import Data, stored_size
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import (
    Delete,
    Expect,
    Expectation,
    Patch,
    Put,
    Write,
    room_for_data,
)

WRITE_IDS: Final = ("w1", "w2", "w3", "w4")
"""The last writes of a record, the newest first: by them a write whose answer was lost is
known again."""
_PATCHED_NAMES: Final = 100
_PATCHED_BYTES: Final = limits.RECORD_BYTES // 2
_KEPT: Final = {"a": "ta", "c": "tc", "f": "tf"}
"""What a tombstone keeps, and the names under which it does."""


class Update:
    """An update of one record's item, and what must hold for it.

    Names always go through placeholders: many everyday words are reserved.
    """

    def __init__(self, key: Key, shards: int) -> None:
        self._key = primary_key(key, shards)
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Attribute] = {}

    def request(self) -> dict[str, Any]:
        """What UpdateItem takes, and an update within a transaction, besides the table."""
        expression = f"SET {', '.join(self._sets)}"
        if self._removes:
            expression += f" REMOVE {', '.join(self._removes)}"
        return {
            "Key": self._key,
            "UpdateExpression": expression,
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {short: name for name, short in self._names.items()},
            "ExpressionAttributeValues": self._values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def set(self, name: str, attribute: Attribute) -> None:
        self._sets.append(f"{self._path(name)} = {self._value(attribute)}")

    def set_inner(self, name: str, inner: str, attribute: Attribute) -> None:
        path = f"{self._path(name)}.{self._path(inner)}"
        self._sets.append(f"{path} = {self._value(attribute)}")

    def set_if_new(self, name: str, attribute: Attribute) -> None:
        path = self._path(name)
        self._sets.append(f"{path} = if_not_exists({path}, {self._value(attribute)})")

    def copy(self, name: str, source: str) -> None:
        self._sets.append(f"{self._path(name)} = {self._path(source)}")

    def copy_or(self, name: str, source: str, otherwise: Attribute) -> None:
        fallback = f"if_not_exists({self._path(source)}, {self._value(otherwise)})"
        self._sets.append(f"{self._path(name)} = {fallback}")

    def add(self, name: str, number: int) -> None:
        path = self._path(name)
        self._sets.append(f"{path} = {path} + {self._value(_number(number))}")

    def remove(self, *names: str) -> None:
        self._removes += [self._path(name) for name in names]

    def remove_inner(self, name: str, inner: str) -> None:
        self._removes.append(f"{self._path(name)}.{self._path(inner)}")

    def require(self, template: str, *names: str, **values: Attribute) -> None:
        """Add a condition; in `template` stand `{name}` and `{value}`."""
        fill = {name: self._path(name) for name in names}
        fill |= {name: self._value(attribute) for name, attribute in values.items()}
        self._conditions.append(template.format_map(fill))

    def _path(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def _value(self, attribute: Attribute) -> str:
        short = f":{len(self._values)}"
        self._values[short] = attribute
        return short

    # What every write of a record does

    def stamp(self, key: Key, version: int, write_id: str) -> None:
        """Give the record a version that must be greater than its last, and remember the write."""
        self.set("v", _number(version))
        self.set("lk", {"S": index_key(key.collection, version, key.id)})
        # The oldest first: so it comes out the same where an engine takes them one by one.
        for older, newer in zip(WRITE_IDS[:0:-1], WRITE_IDS[-2::-1], strict=True):
            self.copy_or(older, newer, {"S": ""})
        self.set("w1", {"S": write_id})
        self.require("(attribute_not_exists({v}) OR {v} < {new})", "v", new=_number(version))

    def require_no_write_of(self, base: str) -> None:
        """None of the record's last writes may be an earlier attempt of the same call."""
        for name in WRITE_IDS:
            self.require(f"NOT begins_with({{{name}}}, {{base}})", name, base={"S": base})

    def hold_to(self, known: Record | None) -> None:
        """The record must still be the one that was read: of the same creation, or none."""
        if known is None or known.data is None:
            self.require("attribute_not_exists({a})", "a")
        else:
            self.require("{c} = {created}", "c", created=_number(known.created))


def update_for(write: Write, version: int, shards: int) -> Update:
    """What `write` does to a record of which nothing is known; a patch must be flat."""
    update = Update(write.key, shards)
    _expect(update, write)
    if isinstance(write, Put):
        set_data(update, write.data)
        update.set_if_new("a", {"S": write.author})
        update.set_if_new("c", _number(version))
        update.set_if_new("f", {"S": write.first})
        update.remove("t", "ttl", *_KEPT.values())
    elif isinstance(write, Patch):
        _lay_over(update, write)
    else:
        update.set("t", _number(1))
        expires = versions.time_of(version) // 1_000_000 + limits.RETENTION_SECONDS
        update.set("ttl", _number(expires))
        for name, kept in _KEPT.items():
            update.copy(kept, name)
        update.remove(*_KEPT, "d", "s")
    return update


def update_patched(key: Key, data: Data, known: int, shards: int) -> Update:
    """Write back the whole of a patched record that was read at version `known`."""
    update = Update(key, shards)
    update.require("attribute_exists({a})", "a")
    update.require("{v} = {known}", "v", known=_number(known))
    set_data(update, data)
    return update


def restamp_of(key: Key, known: int, shards: int) -> Update:
    """Nothing but a new version of what is still at version `known`."""
    update = Update(key, shards)
    update.require("{v} = {known}", "v", known=_number(known))
    return update


def set_data(update: Update, data: Data) -> None:
    update.set("d", attribute_of(data.value))
    update.set("s", _number(size_bound(data)))


def is_flat(write: Patch) -> bool:
    """Whether one update can lay the patch over a record: an object within it would have to be
    merged with one that may not be there, and what DynamoDB counts for many clauses, or for
    large ones, could be too much though the record is not."""
    patch = write.patch
    return (
        len(patch) <= _PATCHED_NAMES
        and not any(isinstance(value, Mapping) for value in patch.values())
        and _added(write) <= _PATCHED_BYTES
    )


def room_for(patch: Patch) -> int:
    """The most that the data of a record may be bounded by so that a flat patch surely fits:
    it can only add what it brings."""
    return room_for_data(patch.key) - _added(patch)


def _added(patch: Patch) -> int:
    return sum(
        2 + stored_size(name) + stored_size(value)
        for name, value in patch.patch.items()
        if value is not None
    )


def _lay_over(update: Update, write: Patch) -> None:
    for name, value in write.patch.items():
        if value is None:
            update.remove_inner("d", escaped(name))
        else:
            update.set_inner("d", escaped(name), attribute_of(value, 2))
    update.require("{s} <= {room}", "s", room=_number(room_for(write)))
    update.add("s", _added(write))


def _expect(update: Update, write: Write) -> None:
    expect: Expectation = write.expect
    if isinstance(expect, int):
        update.require("attribute_exists({a})", "a")
        update.require("{v} = {expected}", "v", expected=_number(expect))
    elif expect is Expect.ABSENT:
        update.require("attribute_not_exists({a})", "a")
    elif expect is Expect.NEVER:
        update.require("attribute_not_exists({v})", "v")
    elif expect is Expect.PRESENT or not isinstance(write, Put):
        update.require("attribute_exists({a})", "a")
    if isinstance(write, Delete | Patch) and expect in (Expect.ABSENT, Expect.NEVER):
        update.require("attribute_exists({a})", "a")  # and so it never holds
    if write.by_author_only:
        for name in ("a", "ta"):
            update.require(
                f"(attribute_not_exists({{{name}}}) OR {{{name}}} = {{me}})",
                name,
                me={"S": write.author},
            )


def _number(number: int) -> Attribute:
    return {"N": str(number)}
