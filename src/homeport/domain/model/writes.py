"""What a store can be asked to write, and what each request does to a record.

`resolve` is the whole meaning of a conditional write in one pure function. A store that can
run it inside its transaction does so; one that cannot (DynamoDB) says the same in its own
condition expressions, and the contract suite holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from homeport.domain import limits
from homeport.domain.errors import TooLarge
from homeport.domain.model.data import Data, encode, stored_size
from homeport.domain.model.membership import Role
from homeport.domain.model.merge_patch import merge
from homeport.domain.model.record import Key, Record


class Expect(Enum):
    """What must be true of the record before a write, where no certain version is expected."""

    ANYTHING = "anything"
    PRESENT = "present"
    """It exists and is no tombstone."""
    ABSENT = "absent"
    """It does not exist, or is a tombstone, whose version the write continues."""
    NEVER = "never"
    """It does not exist and is no tombstone: a redelivery cannot resurrect what was deleted."""


Expectation: TypeAlias = Expect | int
"""One of the above, or the very version that the record must have (and be no tombstone)."""


@dataclass(frozen=True, slots=True)
class Put:
    """Create or replace. The author of an existing record stays; `author` is for a new one.

    With `by_author_only` the write is refused where the record, or its tombstone, is another's.
    `first` is kept with a new record (see Record).
    """

    key: Key
    author: str
    data: Data
    expect: Expectation = Expect.ANYTHING
    by_author_only: bool = False
    first: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """Lay a merge patch (RFC 7396) over the data of an existing record."""

    key: Key
    author: str
    patch: Mapping[str, Any]
    expect: Expectation = Expect.PRESENT
    by_author_only: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Leave a tombstone of an existing record."""

    key: Key
    author: str
    expect: Expectation = Expect.PRESENT
    by_author_only: bool = False


Write: TypeAlias = Put | Patch | Delete


@dataclass(frozen=True, slots=True)
class Guard:
    """Only for members of `space` with one of `roles`.

    A store checks it with the read or write itself, in one transaction, so that nobody who was
    removed a moment ago gets through.
    """

    space: str
    identity: str
    roles: frozenset[Role]


class Reason(Enum):
    """Why a write was refused."""

    EXISTS = "it exists already"
    MISSING = "it does not exist"
    VERSION = "it is at another version"
    AUTHOR = "it is another's"


class WriteRefused(Exception):
    """A condition did not hold; nothing of the batch was written.

    `index` is the write's place in the batch, `current` the record as it is: a tombstone
    where it was deleted, None where there never was one.
    """

    def __init__(self, index: int, reason: Reason, current: Record | None) -> None:
        super().__init__(index, reason, current)
        self.index = index
        self.reason = reason
        self.current = current


class GuardFailed(Exception):
    """The guard's identity is no member of the space (`role` None), or in another role."""

    def __init__(self, role: Role | None) -> None:
        super().__init__(role)
        self.role = role


def resolve(write: Write, current: Record | None, version: int, index: int = 0) -> Record:
    """The record that `write` makes of `current` (a record, a tombstone or None) at `version`.

    Raises WriteRefused where a condition does not hold and TooLarge where the result is over
    400 KB; `version` is greater than that of `current`.
    """
    reason = _refusal(write, current)
    if reason is not None:
        raise WriteRefused(index, reason, current)
    alive = current is not None and current.data is not None
    author = current.author if alive and current is not None else write.author
    created = current.created if alive and current is not None else version
    first = current.first if alive and current is not None else ""
    data: Data | None
    if isinstance(write, Put):
        data = write.data
        first = first if alive else write.first
        check_size(write.key, data)
    elif isinstance(write, Patch):
        assert current is not None and current.data is not None
        value = merge(current.data.value, write.patch)
        data = Data(encode(value), value)
        check_size(write.key, data)
    else:
        data = None
    return Record(write.key, author, version, created, data, first)


def _refusal(write: Write, current: Record | None) -> Reason | None:
    expect = write.expect
    alive = current is not None and current.data is not None
    if write.by_author_only and current is not None and current.author != write.author:
        return Reason.AUTHOR
    if alive:
        if expect is Expect.ABSENT or expect is Expect.NEVER:
            return Reason.EXISTS
        if isinstance(expect, int) and current is not None and current.version != expect:
            return Reason.VERSION
        return None
    if expect is Expect.NEVER and current is not None:
        return Reason.EXISTS
    if isinstance(expect, int) or expect is Expect.PRESENT or not isinstance(write, Put):
        return Reason.MISSING
    return None


def check_size(key: Key, data: Data) -> None:
    """Raise TooLarge if the record would not fit DynamoDB's 400 KB."""
    text = data.text
    # DynamoDB counts at most 1.5 bytes for a byte of compact JSON: most records need no count.
    if len(text) * 6 < limits.RECORD_BYTES:
        return
    size, room = stored_size(data.value), room_for_data(key)
    if size > room:
        taken = limits.RECORD_BYTES - room
        raise TooLarge(
            f"The record would take {size + taken:,} bytes; {limits.RECORD_BYTES:,} is the most."
        )


def room_for_data(key: Key) -> int:
    """The bytes that a record's data may take: DynamoDB counts the key as well, in the table
    and in its local index, and the attributes beside the data."""
    return limits.RECORD_BYTES - 4 * sum(map(len, key)) - _OVERHEAD_BYTES


_OVERHEAD_BYTES = 1024
"""Room for the attributes beside the data (author, versions, write ids, times), and for what
DynamoDB counts for the clauses of the update that writes them."""
