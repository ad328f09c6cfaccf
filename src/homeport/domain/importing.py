"""Restores the records and memberships of an export, as often as one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from homeport.domain import limits
from homeport.domain.errors import Fault, HomeportError, Invalid, Unavailable
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership
from homeport.domain.model.message import CONTENT, State
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Expect, Expectation, Put, WriteRefused, check_size
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.schemas import Schemas

_ATTEMPTS: Final = 5
"""How often a batch is tried that others keep getting in the way of."""
_LISTED: Final = 100
"""How many conflicts are named; all are counted."""


@dataclass(slots=True)
class Tally:
    """What became of the lines. `conflicts` were there with other content, and stayed."""

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class Imported:
    """What was done so far; `conflicting` names the first records that stayed as they were."""

    records: Tally = field(default_factory=Tally)
    memberships: Tally = field(default_factory=Tally)
    conflicting: list[Key] = field(default_factory=list)


class Importing:
    """Writes records in batches, each of them once `flush` has returned or it is full.

    What is there with the same content is left alone, so that everything may be done again. What
    is there with other content, or was deleted, stays, unless `replace` is set; but a record of
    another author stays always, since an author is fixed. The store stamps what is written, and
    its change feed tells of it, as of any write.
    """

    def __init__(
        self,
        store: RecordStore,
        catalog: Catalog,
        schemas: Schemas,
        identities: IdentityProvider,
        *,
        replace: bool = False,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._schemas = schemas
        self._identities = identities
        self._replace = replace
        self._shared = ""
        """The space of the last good membership: an export has those of a space together."""
        self._waiting: dict[Key, Put] = {}
        self._characters = 0
        self.done: Final = Imported()

    def check(self, one: Put | Membership) -> None:
        """Raise Invalid for what nobody could have stored, whatever they are allowed to, and
        Unavailable where the identity provider, whom memberships need, does not answer."""
        if isinstance(one, Membership):
            self._check_shared(one)
            return
        space, name, _ = one.key
        collection = self._catalog.find(name)
        closed = self._catalog.refuse_undeclared or space == names.PUBLIC
        if collection is None and closed and not names.is_hidden(space):
            raise _wrong(Fault("/collection", f"the definition does not declare {name}"))
        if space == names.ME:
            raise _wrong(Fault("/space", "no space has this name"))
        if name in names.RESERVED:
            _check_message(name, one.data)
        check_size(one.key, one.data)
        schema = self._schemas.of(name)
        faults = [] if schema is None else schema.faults(one.data)
        if faults:
            pointed = tuple(Fault(f"/data{fault.pointer}", fault.detail) for fault in faults)
            raise Invalid(f"The data does not fit the schema of {name}.", pointed)

    def add(self, one: Put | Membership) -> None:
        """Take what `check` found good. Raises Conflict for a membership in one space too many,
        and for the records that waited what the store raises."""
        if isinstance(one, Membership):
            self._put_membership(one)
            return
        characters = len(one.data.text)
        full = len(self._waiting) == limits.BATCH_WRITES
        if full or one.key in self._waiting or self._characters + characters > _BATCH_CHARACTERS:
            self.flush()
        self._waiting[one.key] = one
        self._characters += characters

    def flush(self) -> None:
        """Write what waits, durably."""
        waiting = list(self._waiting.values())
        for _ in range(_ATTEMPTS if waiting else 0):
            there = self._store.get_many([one.key for one in waiting])
            fates = [self._fate(put, record) for put, record in zip(waiting, there, strict=True)]
            writes = [
                Put(put.key, put.author, put.data, expect, first=put.first)
                for put, (_, expect) in zip(waiting, fates, strict=True)
                if expect is not None
            ]
            try:
                if writes:
                    self._store.write(writes)
            except WriteRefused:
                continue  # somebody else writes beside this
            self._count([name for name, _ in fates], waiting)
            self._waiting.clear()
            self._characters = 0
            return
        if waiting:
            raise Unavailable("These records are being changed elsewhere. Import them again.")

    def _check_shared(self, one: Membership) -> None:
        """A membership of somebody's private space would let its member in, for good. Only the
        provider can tell such a space, which has its owner's id, from a shared one; an id that
        it does not know it will not give to anybody either."""
        if one.space == self._shared:
            return
        if one.space in (names.ME, names.PUBLIC, one.identity) or self._identities.find(one.space):
            raise _wrong(Fault("/space", "not a shared space"))
        self._shared = one.space

    def _count(self, fates: Sequence[str], waiting: Sequence[Put]) -> None:
        tally = self.done.records
        for fate, put in zip(fates, waiting, strict=True):
            setattr(tally, fate, getattr(tally, fate) + 1)
            if fate == "conflicts" and len(self.done.conflicting) < _LISTED:
                self.done.conflicting.append(put.key)

    def _fate(self, put: Put, there: Record | None) -> tuple[str, Expectation | None]:
        """How it is counted, and what the write expects, None where there is none."""
        if there is None:
            return "created", Expect.NEVER
        if there.data is not None:
            if there.author == put.author and there.data == put.data:
                return "unchanged", None
            if self._replace and there.author == put.author:
                return "replaced", there.version
            return "conflicts", None
        return ("replaced", Expect.ABSENT) if self._replace else ("conflicts", None)

    def _put_membership(self, one: Membership) -> None:
        there = self._store.membership(one.space, one.identity)
        tally = self.done.memberships
        if there == one:
            tally.unchanged += 1
        elif there is not None and not self._replace:
            tally.conflicts += 1
        else:
            self._store.put_membership(one)
            if there is None:
                tally.created += 1
            else:
                tally.replaced += 1


_BATCH_CHARACTERS: Final = limits.TRANSACTION_BYTES // 6
"""A character of JSON takes at most four bytes, and each counts for at most 1.5."""

_SHAPES: Final[Mapping[str, Mapping[str, type]]] = {
    names.INBOX: {"from": str, "message": str, "read": bool},
    names.SENT: {"to": list, "state": str},
}
_CONTENT: Final = {"title": str, "text": str, "data": dict}
assert tuple(_CONTENT) == CONTENT


def _check_message(collection: str, data: Data) -> None:
    """Raise Invalid unless the worker, and readers, can trust the message to be one."""
    shape = _SHAPES.get(collection)
    if shape is None:
        raise _wrong(Fault("/collection", f"only the backend itself creates in {collection}"))
    faults = [
        Fault(f"/data/{name}", "not what a message has")
        for name, kind in {**shape, **_CONTENT}.items()
        if type(data.get(name)) is not kind
    ]
    if not faults and collection == names.SENT:
        if data["state"] not in list(State):
            faults.append(Fault("/data/state", f"one of: {', '.join(State)}"))
        try:
            for recipient in data["to"]:
                names.check_id("to", recipient)
        except (HomeportError, TypeError):
            faults.append(Fault("/data/to", "not a list of identities"))
    if faults:
        raise _wrong(*faults)


def _wrong(*faults: Fault) -> Invalid:
    return Invalid("This cannot be imported.", faults)
