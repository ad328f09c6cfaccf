"""The writes of records: what a caller asks for becomes what a store gets, and its refusals
become errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeport.domain import access
from homeport.domain.errors import (
    Conflict,
    Fault,
    Forbidden,
    Gone,
    HomeportError,
    Invalid,
    NotFound,
    VersionMismatch,
)
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Principal
from homeport.domain.model.record import Key
from homeport.domain.model.writes import (
    Delete,
    Expect,
    Expectation,
    Guard,
    Patch,
    Put,
    Reason,
    Write,
    WriteRefused,
    check_size,
)
from homeport.domain.ports.id_factory import IdFactory

_OWNERS_MAY_CHANGE: Mapping[str, frozenset[str]] = {names.INBOX: frozenset({"read"})}
"""In collections where only services create: the fields that their owner may change."""


class Op(StrEnum):
    CREATE = "create"
    PUT = "put"
    PATCH = "patch"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """One write of a batch. `id` may be left out for a creation, `data` is not for a deletion."""

    op: Op
    collection: str
    id: str | None = None
    data: Data | None = None
    expect: Expectation | None = None


def prepare(
    principal: Principal, space: str, one: BatchWrite, catalog: Catalog, ids: IdFactory
) -> tuple[Write, Guard | None]:
    """The write as the store gets it, with what the store must check.

    Raises Invalid, Forbidden, NotFound or TooLarge for what the caller may not do so.
    """
    collection = names.check_collection(one.collection)
    if one.id is not None:
        names.check_id("id", one.id)
    elif one.op is not Op.CREATE:
        raise Invalid("The id is missing.", (Fault("id", "missing"),))
    if one.data is None and one.op is not Op.DELETE:
        raise Invalid("The data is missing.", (Fault("data", "missing"),))
    if one.data is not None and one.op is Op.DELETE:
        raise Invalid("A deletion has no data.", (Fault("data", "not for delete"),))
    creates = one.op is Op.CREATE
    decide = access.creating if creates else access.changing
    grant = decide(principal, space, collection, catalog)
    if collection in names.RESERVED:
        _check_reserved(one)
    if creates and one.expect not in (None, Expect.ABSENT, Expect.NEVER):
        # Whoever may create need not be allowed to see, or to change, what is there.
        raise Invalid("A creation has no If-Match.", (Fault("if_match", "not for create"),))
    key = Key(space, collection, one.id or ids.record_id())
    author, mine = principal.id, grant.by_author_only
    write: Write
    if one.op is Op.DELETE or one.data is None:
        write = Delete(key, author, _or(one.expect, Expect.PRESENT), mine)
    elif one.op is Op.PATCH:
        write = Patch(key, author, one.data, _or(one.expect, Expect.PRESENT), mine)
    else:
        default = Expect.NEVER if creates else Expect.ANYTHING
        check_size(key, one.data)
        write = Put(key, author, one.data, _or(one.expect, default), mine)
    return write, grant.guard


def _or(expect: Expectation | None, default: Expect) -> Expectation:
    return default if expect is None else expect


def only_services_create(collection: str) -> None:
    """Raise Forbidden for the collections that are the backend's own."""
    if collection in names.RESERVED:
        raise Forbidden(f"Only the backend itself creates in {collection}.")


def _check_reserved(one: BatchWrite) -> None:
    if one.op is Op.DELETE or one.collection not in names.RESERVED:
        return
    allowed = _OWNERS_MAY_CHANGE.get(one.collection, frozenset())
    if one.op is not Op.PATCH or one.data is None:
        only_services_create(one.collection)
    elif not allowed:
        raise Forbidden(f"Only the backend itself changes what is in {one.collection}.")
    elif not allowed.issuperset(one.data):
        raise Forbidden(f"In {one.collection} you may change only: {', '.join(sorted(allowed))}.")
    elif any(type(value) is not bool for value in one.data.values()):
        raise Invalid("This is not a mark.", (Fault("/read", "true or false"),))


def both(one: Guard | None, other: Guard | None) -> Guard | None:
    """What holds where both hold: they are of one space and one identity."""
    if one is None or other is None:
        return one or other
    return Guard(one.space, one.identity, one.roles & other.roles)


def refusal(write: Write, refused: WriteRefused, *, creates: bool = False) -> HomeportError:
    """What the caller is told where a write was refused; `creates` where it was a creation."""
    current = refused.current
    if refused.reason is Reason.AUTHOR:
        # Whoever creates need not be allowed to see what is there.
        taken, others = "This id is taken.", "This record is another author's."
        return Conflict(taken) if creates else Forbidden(others)
    if refused.reason is Reason.MISSING and not isinstance(write, Put):
        return NotFound()
    if refused.reason is Reason.EXISTS and (creates or write.expect is Expect.NEVER):
        # That something was there and is gone is for its author alone.
        gone = current is not None and current.data is None and current.author == write.author
        return Gone("This record has been deleted.") if gone else Conflict("This id is taken.")
    return VersionMismatch(f"The record is not as you expect: {refused.reason.value}.", current)


def pointing_at(error: HomeportError, index: int) -> HomeportError:
    """The same error, with its faults pointing into the batch."""
    where = f"/writes/{index}"
    faults = tuple(
        Fault(f"{where}/{fault.pointer.lstrip('/')}", fault.detail) for fault in error.faults
    )
    error.faults = faults or (Fault(where, error.detail),)
    return error
