"""Records and memberships in the data file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

import apsw

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_rows import (
    CHANGES,
    GET,
    INSERT,
    INSERT_UNLESS_THERE,
    LOG,
    PAGE,
    SCAN,
    SPACE_CHANGES,
    UPDATE,
    alive_page,
    cut,
    getting_many,
    logged,
    record_at,
    values_of,
)
from homeport.domain import limits
from homeport.domain.errors import Conflict, Invalid, TooLarge
from homeport.domain.model import versions
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.store_rules import check_count, check_key, check_transaction
from homeport.domain.model.writes import Delete, Expect, Guard, GuardFailed, Put, Write, resolve
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.record_store import ChangePage, Order, RecordPage

_BEYOND_IDS: Final = "~"
_BEYOND_VERSIONS: Final = (1 << 63) - 1

_LAST_VERSION: Final = "SELECT max(version) FROM change_log"

_PURGE: Final = """
    DELETE FROM records WHERE rowid IN (
        SELECT rowid FROM records WHERE data IS NULL AND version < ? ORDER BY version LIMIT ?)"""


class EmbeddedRecordStore:
    """One row for each record. Versions are stamped inside the write transaction, above the
    last one of the whole store, so the highest committed version is an exact horizon.

    It keeps the limits of the strictest real engine and raises Invalid for a call that breaks
    the port's own.
    """

    def __init__(self, database: Database, clock: Clock, ids: IdFactory) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    # Reading

    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        if guard is None:
            return _record(key, self._database.read(GET, key))

        def guarded(connection: apsw.Connection) -> Record | None:
            _check_guard(connection, guard)
            return _record(key, connection.execute(GET, key).fetchall())

        return self._database.read_all(guarded)

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        check_count("keys", len(keys), limits.GET_KEYS)
        rows = self._database.read(getting_many(len(keys)), tuple(chain.from_iterable(keys)))
        found = {row[:3]: row[3:] for row in rows}
        return [record_at(key, found.get(key)) for key in keys]

    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        check_count("limit", limit, limits.PAGE_ITEMS)
        start = _start(order, after)

        def read(connection: apsw.Connection) -> RecordPage:
            _check_guard(connection, guard)
            rows = connection.execute(PAGE[order], (space, collection, *start))
            try:
                return alive_page(space, collection, rows, limit)
            finally:
                rows.close()

        return self._database.read_all(read)

    def changes(
        self,
        space: str,
        collection: str | None,
        after: Position,
        limit: int,
        through: int | None = None,
        guard: Guard | None = None,
        besides: frozenset[str] = frozenset(),
    ) -> ChangePage:
        check_count("limit", limit, limits.PAGE_ITEMS)
        end = _BEYOND_VERSIONS if through is None else through
        bindings: tuple[int | str, ...]
        if collection is None:
            statement = SPACE_CHANGES
            bindings = (space, *after, end, json.dumps(sorted(besides)))
        else:
            statement = CHANGES
            bindings = (space, collection, *_after_in(collection, after), end)

        def read(connection: apsw.Connection) -> ChangePage:
            _check_guard(connection, guard)
            horizon = _last_version(connection)
            rows = connection.execute(statement, bindings)
            try:
                records, more = cut(rows, limit)
            finally:
                rows.close()
            return ChangePage(tuple(records), horizon, more)

        return self._database.read_all(read)

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        """Segments go by the last character of the id: each reads the index of all keys, and
        the records of its own alone."""
        if not 0 <= segment < segments:
            raise Invalid("There is no such segment.")
        if limit < 1:
            raise Invalid("A page holds at least one record.")
        start = after if after is not None else ("", "", "")

        def read(connection: apsw.Connection) -> list[Record]:
            rows = connection.execute(SCAN, (*start, segments, segment, limit))
            try:
                return cut(rows, limit)[0]
            finally:
                rows.close()

        return self._database.read_all(read)

    # Writing

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        check_count("writes", len(writes), limits.BATCH_WRITES)
        if len(writes) > 1 and len({write.key for write in writes}) < len(writes):
            raise Invalid("A batch writes each record once.")
        return self._database.write(partial(self._write, writes, guard))

    def _write(
        self, writes: Sequence[Write], guard: Guard | None, connection: apsw.Connection
    ) -> list[Record]:
        _check_guard(connection, guard)
        fresh = versions.stamp(self._clock.now(), self._ids.tail())
        lowest = max(fresh, _last_version(connection) + 1)
        if len(writes) == 1 and isinstance(write := writes[0], Put):
            created = _create(connection, write, lowest)
            if created is not None:
                return [created]
        execute = connection.execute
        # Every condition is checked before the first change: a refusal then costs the other
        # writes of its group commit nothing.
        changes: list[tuple[Record, int | None]] = []
        for index, write in enumerate(writes):
            key = write.key
            current = _record(key, execute(GET, key).fetchall())
            if current is None and not isinstance(write, Delete):
                check_key(key)
            record = resolve(write, current, lowest + index, index)
            changes.append((record, None if current is None else current.version))
        records = [record for record, _ in changes]
        check_transaction(records)
        for record, previous in changes:
            execute(INSERT if previous is None else UPDATE, values_of(record))
            execute(LOG, logged(record, previous))
        return records

    def purge_tombstones(self, limit: int = 500) -> int:
        """Remove up to `limit` tombstones that are older than the retention period, for good.

        Returns how many there were: maintenance calls it until that is 0, a piece at a time,
        so that requests get their turn in between.
        """
        expired = versions.earliest(self._clock.now() - limits.RETENTION_SECONDS * 1_000_000)
        if not self._database.read(
            "SELECT 1 FROM records WHERE data IS NULL AND version < ? LIMIT 1", (expired,)
        ):
            return 0

        def purge(connection: apsw.Connection) -> int:
            connection.execute(_PURGE, (expired, limit))
            return connection.changes()

        return self._database.write(purge)

    # Memberships

    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        space, identity, role = membership.space, membership.identity, membership.role

        def put(connection: apsw.Connection) -> None:
            _check_guard(connection, guard)
            if _role(connection, space, identity) is None:
                count = connection.execute(
                    "SELECT count(*) FROM memberships WHERE identity = ?", (identity,)
                ).get
                if count >= limits.SPACES:
                    raise Conflict(f"An identity can be in {limits.SPACES} shared spaces.")
            connection.execute(
                "INSERT OR REPLACE INTO memberships (space, identity, role) VALUES (?, ?, ?)",
                (space, identity, str(role)),
            )

        self._database.write(put)

    def remove_membership(self, space: str, identity: str, guard: Guard | None = None) -> None:
        def remove(connection: apsw.Connection) -> None:
            _check_guard(connection, guard)
            connection.execute(
                "DELETE FROM memberships WHERE space = ? AND identity = ?", (space, identity)
            )

        self._database.write(remove)

    def membership(self, space: str, identity: str) -> Membership | None:
        rows = self._database.read(_MEMBERSHIP, (space, identity))
        return Membership(space, identity, Role(rows[0][0])) if rows else None

    def members(self, space: str) -> list[Membership]:
        rows = self._database.read(
            "SELECT identity, role FROM memberships WHERE space = ? ORDER BY identity", (space,)
        )
        return [Membership(space, identity, Role(role)) for identity, role in rows]

    def memberships(self, identity: str) -> list[Membership]:
        rows = self._database.read(
            "SELECT space, role FROM memberships WHERE identity = ? ORDER BY space", (identity,)
        )
        return [Membership(space, identity, Role(role)) for space, role in rows]


_MEMBERSHIP: Final = "SELECT role FROM memberships WHERE space = ? AND identity = ?"


def _role(connection: apsw.Connection, space: str, identity: str) -> Role | None:
    role: str | None = connection.execute(_MEMBERSHIP, (space, identity)).get
    return None if role is None else Role(role)


def _create(connection: apsw.Connection, write: Put, version: int) -> Record | None:
    """Insert what must be new without looking for it first, as the insert does that itself.

    Returns None, with nothing changed, where the write allows for a record that is there, or
    where there is one, or where the data are too large, which is told of a new record alone.
    """
    if write.expect is not Expect.NEVER and write.expect is not Expect.ABSENT:
        return None
    check_key(write.key)
    try:
        record = resolve(write, None, version)
    except TooLarge:
        return None
    connection.execute(INSERT_UNLESS_THERE, values_of(record))
    if not connection.changes():
        return None
    connection.execute(LOG, logged(record, None))
    return record


def _check_guard(connection: apsw.Connection, guard: Guard | None) -> None:
    if guard is not None:
        role = _role(connection, guard.space, guard.identity)
        if role not in guard.roles:
            raise GuardFailed(role)


def _last_version(connection: apsw.Connection) -> int:
    """The last version of the whole store. The change log always keeps its newest row, so it
    outlives restarts and the purge of tombstones."""
    last: int | None = connection.execute(_LAST_VERSION).get
    return versions.NEVER if last is None else last


def _start(order: Order, after: Position | None) -> tuple[int | str, ...]:
    if order is Order.ID:
        return ("",) if after is None else (after.id,)
    if order is Order.ID_DESCENDING:
        return (_BEYOND_IDS,) if after is None else (after.id,)
    if after is not None:
        return after.version, after.id
    return (versions.NEVER, "") if order is Order.UPDATED else (_BEYOND_VERSIONS, "")


def _after_in(collection: str, after: Position) -> tuple[int, str]:
    """Where a collection's changes go on after a position in the order of the whole space."""
    if collection == after.collection:
        return after.version, after.id
    return (after.version, "" if collection > after.collection else _BEYOND_IDS)


def _record(key: Key, rows: Sequence[tuple[Any, ...]]) -> Record | None:
    return record_at(key, rows[0] if rows else None)
