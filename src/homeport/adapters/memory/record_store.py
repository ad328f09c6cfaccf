"""Records and memberships in dictionaries: the reference for what a record store means."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from homeport.adapters.memory.sorted_keys import SortedKeys
from homeport.domain import limits
from homeport.domain.errors import Conflict, Invalid
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.store_rules import check_count, check_key, check_transaction
from homeport.domain.model.writes import Delete, Guard, GuardFailed, Write, resolve
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.record_store import ChangePage, Order, RecordPage

_SCANNED: Final = 1_000
"""Records that one page looks at: as real engines, it gives up on a long row of tombstones."""
_NO_LIMIT: Final = 1 << 63


class _Collection:
    """The two orders of one collection, tombstones included."""

    __slots__ = ("ids", "updates")

    def __init__(self) -> None:
        self.ids: SortedKeys[str] = SortedKeys()
        self.updates: SortedKeys[tuple[int, str, str]] = SortedKeys()


class MemoryRecordStore:
    """Everything stands under one lock, so each call sees one moment of the whole store.

    It refuses what the strictest real engine would refuse, and raises Invalid for a call that
    breaks the port's own limits.
    """

    def __init__(self, clock: Clock, ids: IdFactory) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = threading.RLock()
        self._last = versions.NEVER
        self._records: dict[Key, Record] = {}
        self._spaces: dict[str, dict[str, _Collection]] = {}
        self._updates: dict[str, SortedKeys[tuple[int, str, str]]] = {}
        self._members: dict[str, dict[str, Membership]] = {}
        self._memberships: dict[str, dict[str, Membership]] = {}
        self._log: list[RecordChanged] = []

    # Reading

    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        if guard is None:
            return self._records.get(key)
        with self._lock:
            self._check_guard(guard)
            return self._records.get(key)

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        check_count("keys", len(keys), limits.GET_KEYS)
        return [self._records.get(key) for key in keys]

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
        with self._lock:
            self._check_guard(guard)
            return _alive_page(self._in_order(space, collection, order, after), limit)

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
        end = _NO_LIMIT if through is None else through
        with self._lock:
            self._check_guard(guard)
            order = self._update_order(space, collection)
            changes = order.after(after) if order is not None else iter(())
            asked_for = itertools.takewhile(lambda changed: changed[0] <= end, changes)
            wanted = (changed for changed in asked_for if changed[1] not in besides)
            found = (self._records[Key(space, *changed[1:])] for changed in wanted)
            records, more = _cut(found, limit)
            return ChangePage(tuple(records), self._horizon(), more)

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        if not 0 <= segment < segments:
            raise Invalid("There is no such segment.")
        check_count("limit", limit, _NO_LIMIT)
        with self._lock:
            mine = (
                self._records[key]
                for key in self._keys_after(after)
                if zlib.crc32(key.id.encode()) % segments == segment
            )
            return _cut(mine, limit)[0]

    def _update_order(
        self, space: str, collection: str | None
    ) -> SortedKeys[tuple[int, str, str]] | None:
        if collection is None:
            return self._updates.get(space)
        found = self._spaces.get(space, {}).get(collection)
        return None if found is None else found.updates

    def _horizon(self) -> int:
        """There is one writer at a time, so nothing appears behind what is there."""
        return self._last

    def _in_order(
        self, space: str, collection: str, order: Order, after: Position | None
    ) -> Iterator[Record]:
        found = self._spaces.get(space, {}).get(collection)
        if found is None:
            return
        if order in (Order.ID, Order.ID_DESCENDING):
            start = None if after is None else after.id
            ids = found.ids.after(start) if order is Order.ID else found.ids.before(start)
        else:
            updates = found.updates
            changed = updates.after(after) if order is Order.UPDATED else updates.before(after)
            ids = (record_id for _, _, record_id in changed)
        for record_id in ids:
            yield self._records[Key(space, collection, record_id)]

    def _keys_after(self, after: Key | None) -> Iterator[Key]:
        """Every key of the store in order."""
        for space in sorted(self._spaces):
            collections = self._spaces[space]
            for collection in sorted(collections):
                start = None
                if after is not None:
                    if (space, collection) < after[:2]:
                        continue
                    if (space, collection) == after[:2]:
                        start = after.id
                for record_id in collections[collection].ids.after(start):
                    yield Key(space, collection, record_id)

    # Writing

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        check_count("writes", len(writes), limits.BATCH_WRITES)
        if len(writes) > 1 and len({write.key for write in writes}) < len(writes):
            raise Invalid("A batch writes each record once.")
        with self._lock:
            self._check_guard(guard)
            records = self._resolve(writes, self._stamp(writes))
            for record in records:
                self._keep(record)
        return records

    def _stamp(self, writes: Sequence[Write]) -> int:
        """The version of the first of `writes`: later than all that the store holds."""
        return max(versions.stamp(self._clock.now(), self._ids.tail()), self._last + 1)

    def _resolve(self, writes: Sequence[Write], version: int) -> list[Record]:
        records = []
        for index, write in enumerate(writes):
            current = self._records.get(write.key)
            if current is None and not isinstance(write, Delete):
                check_key(write.key)
            records.append(resolve(write, current, version + index, index))
        check_transaction(records)
        return records

    def _keep(self, record: Record) -> None:
        key = record.key
        current = self._records.get(key)
        self._records[key] = record
        collections = self._spaces.setdefault(key.space, {})
        collection = collections.get(key.collection)
        if collection is None:
            collection = collections[key.collection] = _Collection()
        updates = self._updates.setdefault(key.space, SortedKeys())
        if current is None:
            collection.ids.add(key.id)
        else:
            former = (current.version, key.collection, key.id)
            collection.updates.remove(former)
            updates.remove(former)
        latest = (record.version, key.collection, key.id)
        collection.updates.add(latest)
        updates.add(latest)
        self._last = max(self._last, record.version)
        previous = None if current is None else current.version
        self._log.append(
            RecordChanged(key, record.version, previous, record.author, record.data is None)
        )

    # Memberships

    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        space, identity = membership.space, membership.identity
        with self._lock:
            self._check_guard(guard)
            spaces = self._memberships.setdefault(identity, {})
            if space not in spaces and len(spaces) >= limits.SPACES:
                raise Conflict(f"An identity can be in {limits.SPACES} shared spaces.")
            spaces[space] = membership
            self._members.setdefault(space, {})[identity] = membership

    def remove_membership(self, space: str, identity: str, guard: Guard | None = None) -> None:
        with self._lock:
            self._check_guard(guard)
            self._members.get(space, {}).pop(identity, None)
            self._memberships.get(identity, {}).pop(space, None)

    def membership(self, space: str, identity: str) -> Membership | None:
        return self._members.get(space, {}).get(identity)

    def members(self, space: str) -> list[Membership]:
        with self._lock:
            members = self._members.get(space, {})
            return [members[identity] for identity in sorted(members)]

    def memberships(self, identity: str) -> list[Membership]:
        with self._lock:
            memberships = self._memberships.get(identity, {})
            return [memberships[space] for space in sorted(memberships)]

    def _check_guard(self, guard: Guard | None) -> None:
        if guard is None:
            return
        membership = self.membership(guard.space, guard.identity)
        role = None if membership is None else membership.role
        if role not in guard.roles:
            raise GuardFailed(role)

    # What happened, for the change feed

    def events_from(self, place: int, limit: int) -> list[RecordChanged]:
        """Up to `limit` of all changes since the store was made, the first being at place 0."""
        with self._lock:
            return self._log[place : place + limit]


def _alive_page(records: Iterable[Record], limit: int) -> RecordPage:
    """The first `limit` that are no tombstones, or fewer after a megabyte or many records."""
    taken: list[Record] = []
    size = 0
    last: Position | None = None
    for looked_at, record in enumerate(records):
        full = len(taken) == limit or size >= limits.STORE_PAGE_BYTES
        if looked_at == _SCANNED or (full and not record.deleted):
            return RecordPage(tuple(taken), last)
        last = record.position
        if not record.deleted:
            taken.append(record)
            size += _bytes(record)
    return RecordPage(tuple(taken), None)


def _cut(records: Iterable[Record], limit: int) -> tuple[list[Record], bool]:
    """The first `limit` records, or fewer once they hold a megabyte, and whether more follow."""
    taken: list[Record] = []
    size = 0
    for record in records:
        if len(taken) == limit or size >= limits.STORE_PAGE_BYTES:
            return taken, True
        taken.append(record)
        size += _bytes(record)
    return taken, False


def _bytes(record: Record) -> int:
    if record.data is None:
        return sum(map(len, record.key))
    text = record.data.text
    return len(text) if text.isascii() else len(text.encode())
