"""The records service: stores and retrieves what users keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from homeport.domain import access, checkpoints, limits
from homeport.domain.errors import (
    Conflict,
    Fault,
    Gone,
    HomeportError,
    Invalid,
    Mismatched,
    NotFound,
)
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Principal
from homeport.domain.model.membership import Role
from homeport.domain.model.opaque import digest, seal, unseal
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import (
    Expect,
    Expectation,
    Guard,
    GuardFailed,
    Put,
    Write,
    WriteRefused,
)
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.record_store import Order, RecordStore
from homeport.domain.record_writes import (
    BatchWrite,
    Op,
    both,
    only_services_create,
    pointing_at,
    prepare,
    refusal,
)
from homeport.domain.schemas import DataRefused, Schemas

__all__ = ["BatchWrite", "Changes", "Op", "Page", "Records"]


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` is None on the last page."""

    records: tuple[Record, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """`checkpoint` is where to go on; `more` says that changes are waiting right now."""

    records: tuple[Record, ...]
    checkpoint: str
    more: bool


class Records:
    """Every method decides access first and lets the store check it with the read or write.

    `space` may be `me`. All raise Invalid for names outside their alphabet, and NotFound for
    what the caller may not read; those that write raise Forbidden for what the caller may read
    but not write, TooLarge, and Invalid for data that its collection's schema refuses.
    """

    def __init__(
        self,
        store: RecordStore,
        catalog: Catalog,
        schemas: Schemas,
        ids: IdFactory,
        clock: Clock,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._schemas = schemas
        self._ids = ids
        self._clock = clock

    def create(
        self,
        principal: Principal,
        space: str,
        collection: str,
        data: Mapping[str, Any],
        idempotency_key: str | None = None,
    ) -> Record:
        """Store a new record. With `idempotency_key`, a UUID that becomes its id, the same
        call may be repeated: it answers with the record as it is by then, or, where the caller
        may not read it, once more as it was created; whatever the schema has become since.

        Raises Mismatched where the key came before with other data, Conflict where the id is
        another author's, Gone where the record was deleted since.
        """
        space = _space(principal, space)
        names.check_collection(collection)
        only_services_create(collection)
        id = self._ids.record_id() if idempotency_key is None else names.id_of_key(idempotency_key)
        grant = access.creating(principal, space, collection, self._catalog)
        data = Data.of(data)
        first = data.digest() if idempotency_key is not None else ""
        key = Key(space, collection, id)
        write = Put(key, principal.id, data, Expect.NEVER, first=first)
        try:
            return self._write(principal, write, grant.guard)
        except DataRefused as refused:
            # It may have fitted when it came first.
            there = None if idempotency_key is None else self._read(principal, key, grant.guard)
            if there is None:
                raise refused.invalid() from refused
        except WriteRefused as refused:
            there = refused.current
        return self._again(principal, there, write, grant.guard)

    def get(self, principal: Principal, space: str, collection: str, id: str) -> Record:
        """The record as it is."""
        key = _key(principal, space, collection, id)
        grant = access.reading(principal, key.space, collection, self._catalog)
        try:
            record = self._store.get(key, grant.guard)
        except GuardFailed:
            raise NotFound from None
        if record is None or record.data is None:
            raise NotFound
        return record

    def put(
        self,
        principal: Principal,
        space: str,
        collection: str,
        id: str,
        data: Mapping[str, Any],
        expect: Expectation | None = None,
    ) -> Record:
        """Create or replace; it was created where `created` is the record's version."""
        return self._one(
            principal, space, BatchWrite(Op.PUT, collection, id, Data.of(data), expect)
        )

    def patch(
        self,
        principal: Principal,
        space: str,
        collection: str,
        id: str,
        data: Mapping[str, Any],
        expect: Expectation | None = None,
    ) -> Record:
        """Lay a merge patch over the data."""
        return self._one(
            principal, space, BatchWrite(Op.PATCH, collection, id, Data.of(data), expect)
        )

    def delete(
        self,
        principal: Principal,
        space: str,
        collection: str,
        id: str,
        expect: Expectation | None = None,
    ) -> Record:
        """Delete; returns the tombstone."""
        return self._one(principal, space, BatchWrite(Op.DELETE, collection, id, None, expect))

    def batch(self, principal: Principal, space: str, writes: Sequence[BatchWrite]) -> list[Record]:
        """Do 1 to 90 writes of different records in one space, all or none.

        Errors name the write: their faults point to `/writes/N`.
        """
        space = _space(principal, space)
        if not 1 <= len(writes) <= limits.BATCH_WRITES:
            raise Invalid(
                "A batch holds 1 to 90 writes.", (Fault("/writes", f"{len(writes)} writes"),)
            )
        prepared: list[Write] = []
        guards: list[Guard | None] = []
        seen: set[Key] = set()
        for index, one in enumerate(writes):
            try:
                write, needed = prepare(principal, space, one, self._catalog, self._ids)
            except HomeportError as exc:
                raise pointing_at(exc, index) from exc
            if write.key in seen:
                raise Invalid(
                    "A batch writes a record once.",
                    (Fault(f"/writes/{index}", "the same record stands earlier in the batch"),),
                )
            seen.add(write.key)
            prepared.append(write)
            guards.append(needed)
        try:
            return self._schemas.write(self._store, prepared, reduce(both, guards))
        except GuardFailed as failed:
            # What one write needs is not what the next one does: the first that this role may
            # not do is the one that is refused.
            index = next(
                index
                for index, needed in enumerate(guards)
                if needed is not None and failed.role not in needed.roles
            )
            error = self._refused(failed, principal, prepared[index].key)
            raise pointing_at(error, index) from None
        except DataRefused as refused:
            raise pointing_at(refused.invalid("/data"), refused.index) from refused
        except WriteRefused as refused:
            creates = writes[refused.index].op is Op.CREATE
            error = refusal(prepared[refused.index], refused, creates=creates)
            raise pointing_at(error, refused.index) from refused

    def page(
        self,
        principal: Principal,
        space: str,
        collection: str,
        order: Order = Order.ID,
        limit: int = limits.PAGE_ITEMS_DEFAULT,
        cursor: str | None = None,
    ) -> Page:
        """A page of a collection. It may hold fewer than `limit` while a cursor is present."""
        space = _space(principal, space)
        names.check_collection(collection)
        _check_limit(limit)
        grant = access.reading(principal, space, collection, self._catalog)
        after = None
        of = ""
        if cursor is not None:
            of = digest("page", space, collection, order)
            parts = unseal(of, cursor, int, str, str)
            if parts is None:
                raise Invalid(
                    "This cursor cannot be used here.",
                    (Fault("cursor", "not a cursor of this collection and order"),),
                )
            after = Position(*parts)
        try:
            page = self._store.page(space, collection, order, limit, after, grant.guard)
        except GuardFailed:
            raise NotFound from None
        if page.next is None:
            return Page(page.records, None)
        of = of or digest("page", space, collection, order)
        return Page(page.records, seal(of, list(page.next)))

    def changes(
        self,
        principal: Principal,
        space: str,
        since: str | None = None,
        limit: int = limits.PAGE_ITEMS,
        collection: str | None = None,
    ) -> Changes:
        """What changed in a space, or in one of its collections, since a checkpoint.

        Raises Invalid for one of another space or collection, and Gone where changes would be
        missed: after 30 days, or where the caller may read more than before.
        """
        space = _space(principal, space)
        _check_limit(limit)
        now = self._clock.now()
        declared_only = not access.takes_undeclared(space, self._catalog)
        shown = checkpoints.EVERYTHING
        besides: frozenset[str] = frozenset()
        if collection is None:
            own = space in (principal.id, names.PUBLIC)
            role = None if own else self._role(space, principal)
            guard = None if role is None else Guard(space, principal.id, frozenset({role}))
            besides = access.unreadable(principal, space, role, self._catalog)
            if declared_only:
                known = {one.name for one in self._catalog.known()}
                shown = checkpoints.Shown.only(known - besides)
            else:
                shown = checkpoints.Shown.all_but(besides)
        else:
            names.check_collection(collection)
            guard = access.reading(principal, space, collection, self._catalog).guard
        at = checkpoints.Checkpoint(at=now)
        if since is not None:
            at = checkpoints.from_text(since, space, collection, shown, now)
        try:
            pulled = checkpoints.pull(self._store, space, collection, at, limit, guard, besides)
        except GuardFailed:
            raise NotFound from None
        records = pulled.records
        if declared_only:
            # Left over from collections that are no longer declared.
            declared = self._catalog.find
            records = tuple(one for one in records if declared(one.key.collection) is not None)
        text = checkpoints.to_text(pulled, space, collection, shown, now)
        return Changes(records, text, pulled.more)

    def _role(self, space: str, principal: Principal) -> Role:
        membership = self._store.membership(space, principal.id)
        if membership is None:
            raise NotFound
        return membership.role

    def _one(self, principal: Principal, space: str, one: BatchWrite) -> Record:
        write, guard = prepare(principal, _space(principal, space), one, self._catalog, self._ids)
        try:
            return self._write(principal, write, guard)
        except DataRefused as refused:
            raise refused.invalid() from refused
        except WriteRefused as refused:
            raise refusal(write, refused) from refused

    def _write(self, principal: Principal, write: Write, guard: Guard | None) -> Record:
        try:
            return self._schemas.write(self._store, [write], guard)[0]
        except GuardFailed as failed:
            raise self._refused(failed, principal, write.key) from None

    def _read(self, principal: Principal, key: Key, guard: Guard | None) -> Record | None:
        """What is there for somebody who may write it, a tombstone as well."""
        try:
            return self._store.get(key, guard)
        except GuardFailed as failed:
            raise self._refused(failed, principal, key) from None

    def _again(
        self, principal: Principal, there: Record | None, write: Put, held: Guard | None
    ) -> Record:
        """The answer to a repeated creation, whose guard held as `there` was read."""
        record = _repeated(there, principal, write.first)
        key = write.key
        try:
            needed = access.reading(principal, key.space, key.collection, self._catalog).guard
            if needed is None or (held is not None and held.roles <= needed.roles):
                return record
            there = self._store.get(key, needed)
        except (NotFound, GuardFailed):
            # Others may have written into it what its author is not to see.
            return record._replace(version=record.created, data=write.data)
        return _repeated(there, principal, write.first)

    def _refused(self, failed: GuardFailed, principal: Principal, key: Key) -> HomeportError:
        return access.refusal(failed, principal, key.space, key.collection, self._catalog)


def _space(principal: Principal, space: str) -> str:
    return principal.id if space == names.ME else names.check_id("space", space)


def _key(principal: Principal, space: str, collection: str, id: str) -> Key:
    names.check_collection(collection)
    return Key(_space(principal, space), collection, names.check_id("id", id))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= limits.PAGE_ITEMS:
        raise Invalid("The limit is out of range.", (Fault("limit", "1 to 100"),))


def _repeated(current: Record | None, principal: Principal, first: str) -> Record:
    """What a creation whose id was there already comes to."""
    if current is None or current.author != principal.id:
        raise Conflict("This id is taken.")
    if current.data is None:
        raise Gone("This record was created before, and has been deleted since.")
    if not first or current.first != first:
        raise Mismatched("This Idempotency-Key came before with another body.")
    return current
