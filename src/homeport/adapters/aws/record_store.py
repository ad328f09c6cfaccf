"""Records and memberships in one DynamoDB table (see `table` for how it is cut)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.items import found_record
from homeport.adapters.aws.record_store_members import Memberships, check_role
from homeport.adapters.aws.record_store_reads import RecordReads
from homeport.adapters.aws.record_store_writes import RecordWrites
from homeport.adapters.aws.table import member_key, primary_key
from homeport.adapters.aws.table_calls import Table
from homeport.adapters.aws.table_layout import Layout, Settled
from homeport.domain import limits
from homeport.domain.errors import Invalid
from homeport.domain.model import versions
from homeport.domain.model.collection import Catalog
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.store_rules import check_count
from homeport.domain.model.writes import Guard, Write
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.record_store import ChangePage, Order, RecordPage

if TYPE_CHECKING:
    from homeport.adapters.aws.table_sizes import Size

WINDOW: Final = 10.0
"""W, in seconds: how late a write may appear after its stamp. It bounds one attempt, of four
seconds at most (see `clients`), and what two machines' clocks may differ by."""
_SEGMENTS: Final = 1_000_000


class DynamoDBRecordStore:
    """Every read is consistent, every write is certain or says that it is not.

    It keeps nothing between calls but the client and the layout of the shards, so that any
    number of processes share the table. The stream tells of its changes.
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        ids: IdFactory,
        catalog: Catalog,
        *,
        table: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`sleep` takes the seconds between two attempts."""
        self._clock = clock
        self._sleep = sleep
        self._table = Table(clients, table, sleep)
        self._layout = Layout(self._table, catalog, clock)
        self._writes = RecordWrites(self._table, clock, ids, self._layout)
        self._reads = RecordReads(self._table, self._layout)
        self._members = Memberships(self._table, ids)

    def check(self) -> None:
        """Raise Unavailable, saying what to do, where the table cannot be read, was laid out for
        other shards than the catalog says, or has older records of a collection that is to be
        spread over several."""
        self._layout.check()

    def settle_shards(self, advance: Callable[[int], None]) -> list[Settled]:
        """Look through the whole table for records that stand in another shard than the catalog
        has them in, and note in the table what it says of collections that have none. `advance`
        is told each megabyte of the index, by several threads."""
        return self._layout.settle(advance)

    def count_sizes(self, advance: Callable[[int], None], rate: float) -> list[Size]:
        """Read the whole table, at `rate` read units a second of 8 KB each, and note in it how
        large its largest partition is. Returns the largest ones. `advance` is told each page, of
        a megabyte."""
        from homeport.adapters.aws.table_sizes import count

        return count(self._table, self._clock.now(), advance, rate, self._sleep)

    # Reading

    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        if guard is None:
            return found_record(self._table.get(self._keys(key)[0]))
        member = member_key(guard.space, guard.identity)
        item, membership = self._table.get_many([*self._keys(key), member])
        check_role(guard, membership)
        return found_record(item)

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        check_count("keys", len(keys), limits.GET_KEYS)
        return [found_record(item) for item in self._table.get_many(self._keys(*keys))]

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
        found = self._reads.page(space, collection, order, limit, after)
        # Last: whoever was removed meanwhile shall not see what came after that.
        self._members.check_guard(guard)
        return RecordPage(found.records, found.next)

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
        # First: what appears while the table is read may be as old as the window allows.
        horizon = versions.earliest(self._clock.now() - round(WINDOW * 1_000_000))
        found = self._reads.changes(space, collection, after, limit, through, besides)
        self._members.check_guard(guard)
        return ChangePage(found.records, horizon, found.next is not None)

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        check_count("segments", segments, _SEGMENTS)
        if not 0 <= segment < segments:
            raise Invalid("There is no such segment.")
        return self._reads.scan(segment, segments, limit, after)

    # Writing

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        check_count("writes", len(writes), limits.BATCH_WRITES)
        if len(writes) > 1 and len({write.key for write in writes}) < len(writes):
            raise Invalid("A batch writes each record once.")
        return self._writes.write(writes, guard)

    def restamp(self, key: Key, version: int, since: int = 0) -> Record | None:
        """Give a record a new version if it is still at `version`: one that appeared later than
        the window allows has to be read again by those who are past it. The new stamp is not
        from before `since`, in microseconds since 1970. None where the record has moved on by
        itself."""
        return self._writes.restamp(key, version, since)

    # Memberships

    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        self._members.put(membership, guard)

    def remove_membership(self, space: str, identity: str, guard: Guard | None = None) -> None:
        self._members.remove(space, identity, guard)

    def membership(self, space: str, identity: str) -> Membership | None:
        return self._members.get(space, identity)

    def members(self, space: str) -> list[Membership]:
        return self._members.of_space(space)

    def memberships(self, identity: str) -> list[Membership]:
        return self._members.of_identity(identity)

    def _keys(self, *keys: Key) -> list[dict[str, dict[str, str]]]:
        shards = self._layout.shards(*{key.collection for key in keys})
        return [primary_key(key, shards.of(key.collection)) for key in keys]
