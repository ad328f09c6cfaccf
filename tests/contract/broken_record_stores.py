"""Record stores that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import HomeportError
from homeport.domain.model import versions
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import (
    Expect,
    Guard,
    Patch,
    Put,
    Write,
    WriteRefused,
)
from homeport.domain.ports.record_store import ChangePage, Order, RecordPage, RecordStore
from homeport.testing.record_batches import BatchesContract
from homeport.testing.record_changes import ChangesContract
from homeport.testing.record_members import MembersContract
from homeport.testing.record_pages import PagesContract
from homeport.testing.record_support import RecordStoreSupport
from homeport.testing.record_writes import WritesContract
from tests.contract.late_commits import WINDOW, LateCommitStore
from tests.contract.mutants import breaks

# Stores that write wrongly


class ForgetsTombstones(MemoryRecordStore):
    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        record = super().get(key, guard)
        return None if record is None or record.deleted else record


class GetsManyInAnyOrder(MemoryRecordStore):
    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        return super().get_many(sorted(keys))


class GetsOnlyWhatIsThere(MemoryRecordStore):
    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        return [record for record in super().get_many(keys) if record is not None]


class WritesHalfABatch(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        return [
            record for one in writes for record in super(WritesHalfABatch, self).write([one], guard)
        ]


@breaks(RecordStore.write)
class StampsFromTheClockAlone(MemoryRecordStore):
    def _stamp(self, writes: Sequence[Write]) -> int:
        return versions.stamp(self._clock.now(), self._ids.tail())


@breaks(RecordStore.write)
class LeavesGapsInABatch(MemoryRecordStore):
    def _resolve(self, writes: Sequence[Write], version: int) -> list[Record]:
        return [
            record._replace(version=version + 2 * place)
            for place, record in enumerate(super()._resolve(writes, version))
        ]


@breaks(RecordStore.write)
class _ChangesWrites(MemoryRecordStore):
    """Does another write than it was asked for."""

    def change(self, write: Write) -> Write:
        raise NotImplementedError

    def _resolve(self, writes: Sequence[Write], version: int) -> list[Record]:
        return super()._resolve([self.change(write) for write in writes], version)


class LetsTheLastWriterWin(_ChangesWrites):
    def change(self, write: Write) -> Write:
        if isinstance(write.expect, int):
            return replace(write, expect=Expect.PRESENT)
        return write


class Resurrects(_ChangesWrites):
    def change(self, write: Write) -> Write:
        return replace(write, expect=Expect.ABSENT) if write.expect is Expect.NEVER else write


class LetsStrangersWrite(_ChangesWrites):
    def change(self, write: Write) -> Write:
        return replace(write, by_author_only=False)


class ReplacesForAPatch(_ChangesWrites):
    def change(self, write: Write) -> Write:
        if isinstance(write, Patch):
            return Put(write.key, write.author, Data.of(write.patch), write.expect)
        return write


class RoundsNumbers(_ChangesWrites):
    def change(self, write: Write) -> Write:
        if isinstance(write, Put):
            rounded = {
                name: float(value) if isinstance(value, Decimal) else value
                for name, value in write.data.items()
            }
            return replace(write, data=Data.of(rounded))
        return write


@breaks(RecordStore.write)
class _ChangesRecords(MemoryRecordStore):
    """Makes another record of a write than it should."""

    def make(self, record: Record, write: Write, current: Record | None) -> Record:
        raise NotImplementedError

    def _resolve(self, writes: Sequence[Write], version: int) -> list[Record]:
        made = super()._resolve(writes, version)
        pairs = zip(made, writes, strict=True)
        return [self.make(record, write, self._records.get(write.key)) for record, write in pairs]


class GivesRecordsAway(_ChangesRecords):
    def make(self, record: Record, write: Write, current: Record | None) -> Record:
        return record._replace(author=write.author)


class CreatesAtEachWrite(_ChangesRecords):
    def make(self, record: Record, write: Write, current: Record | None) -> Record:
        return record._replace(created=record.version)


class KeepsDeletedAuthors(_ChangesRecords):
    def make(self, record: Record, write: Write, current: Record | None) -> Record:
        return record if current is None else record._replace(author=current.author)


class ForgetsTheFirstData(_ChangesRecords):
    def make(self, record: Record, write: Write, current: Record | None) -> Record:
        return record._replace(first=write.first if isinstance(write, Put) else "")


class HidesWhatIsThere(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        try:
            return super().write(writes, guard)
        except WriteRefused as exc:
            raise WriteRefused(exc.index, exc.reason, None) from exc


class LosesConcurrentPatches(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        if len(writes) == 1 and isinstance(writes[0], Patch) and writes[0].patch:
            asked = writes[0]
            current = self.get(asked.key)
            time.sleep(0)
            if current is not None and current.data is not None and asked.expect is Expect.PRESENT:
                merged = MemoryRecordStore(self._clock, self._ids)
                merged.write([Put(asked.key, asked.author, current.data)])
                (record,) = merged.write(writes)
                assert record.data is not None
                time.sleep(0.0005)
                write = Put(
                    asked.key, asked.author, record.data, by_author_only=asked.by_author_only
                )
                return super().write([write], guard)
        return super().write(writes, guard)


@breaks(RecordStore.write)
class LetsTwoWin(MemoryRecordStore):
    def _resolve(self, writes: Sequence[Write], version: int) -> list[Record]:
        records = super()._resolve(writes, version)
        # As if the check and the write were two transactions.
        self._lock.release()
        time.sleep(0.0005)
        self._lock.acquire()
        return records


class TakesAnySize(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        small: list[Write] = [
            replace(one, data=Data.of({})) if isinstance(one, Put) and _is_large(one) else one
            for one in writes
        ]
        return super().write(small, guard)


def _is_large(write: Put) -> bool:
    return len(write.data.text) > 405_000


class TakesAnyBatch(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        if len(writes) <= 90:
            return super().write(writes, guard)
        return super().write(writes[:90], guard) + super().write(writes[90:], guard)


# Stores that read wrongly


class ListsTombstones(MemoryRecordStore):
    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        with self._lock:
            found = list(self._in_order(space, collection, order, after))
        page = super().page(space, collection, order, limit, after, guard)
        return page if len(found) > limit else RecordPage(tuple(found), None)


class _ChangesPages(MemoryRecordStore):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        raise NotImplementedError

    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        page = super().page(space, collection, order, limit, after, guard)
        return self.change(page, order, limit)


class EndsEarly(_ChangesPages):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        return replace(page, next=page.next if len(page.records) == limit else None)


class GivesUpAmongTombstones(_ChangesPages):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        return page if page.records else replace(page, next=None)


class SkipsARecordBetweenPages(_ChangesPages):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        if page.next is None or order is not Order.UPDATED:
            return page
        return replace(page, next=page.next._replace(version=page.next.version + 1))


class GivesOneTooMany(_ChangesPages):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        if page.next is None or not page.records:
            return page
        return replace(page, records=(*page.records, page.records[-1]))


class RepeatsTheLastOfAPage(MemoryRecordStore):
    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        page = super().page(space, collection, order, limit, after, guard)
        if page.next is None or len(page.records) < 2:
            return page
        return replace(page, next=page.records[-2].position)


class IgnoresCase(_ChangesPages):
    def change(self, page: RecordPage, order: Order, limit: int) -> RecordPage:
        if order is not Order.ID:
            return page
        records = sorted(page.records, key=lambda record: record.key.id.lower())
        return replace(page, records=tuple(records))


class ListsByIdAlways(MemoryRecordStore):
    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        order = Order.ID_DESCENDING if order.startswith("-") else Order.ID
        return super().page(space, collection, order, limit, after, guard)


class _ChangesChanges(MemoryRecordStore):
    """Asks for other changes than it should, or makes others of what it gets."""

    def ask(self, query: dict[str, Any]) -> None:
        pass

    def change(self, page: ChangePage) -> ChangePage:
        return page

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
        query: dict[str, Any] = {"collection": collection, "after": after, "limit": limit}
        query |= {"through": through, "guard": guard, "besides": besides}
        self.ask(query)
        return self.change(super().changes(space, **query))


class ForgetsDeletions(_ChangesChanges):
    def change(self, page: ChangePage) -> ChangePage:
        alive = tuple(record for record in page.records if not record.deleted)
        return replace(page, records=alive)


class NeverSaysMore(_ChangesChanges):
    def change(self, page: ChangePage) -> ChangePage:
        return replace(page, more=False)


class AlwaysSaysMore(_ChangesChanges):
    def change(self, page: ChangePage) -> ChangePage:
        return replace(page, more=bool(page.records))


class IgnoresThrough(_ChangesChanges):
    def ask(self, query: dict[str, Any]) -> None:
        query["through"] = None


class MixesCollections(_ChangesChanges):
    def ask(self, query: dict[str, Any]) -> None:
        query["collection"] = None


class LeavesNoCollectionOut(_ChangesChanges):
    def ask(self, query: dict[str, Any]) -> None:
        query["besides"] = frozenset()


@breaks(RecordStore.changes)
class TakesTheHorizonFromTheClock(MemoryRecordStore):
    def _horizon(self) -> int:
        return versions.earliest(self._clock.now())


@breaks(RecordStore.changes)
class HasNoHorizon(MemoryRecordStore):
    def _horizon(self) -> int:
        return versions.NEVER


class ScansWithoutHiddenSpaces(MemoryRecordStore):
    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        found = super().scan(segment, segments, limit, after)
        return [record for record in found if not record.key.space.startswith(".")]


class ScansOneSegmentTwice(MemoryRecordStore):
    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        return super().scan(max(segment - 1, 0), segments, limit, after)


class ScansWithoutTombstones(MemoryRecordStore):
    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        found = super().scan(segment, segments, limit, after)
        return [record for record in found if not record.deleted]


# Stores that guard wrongly


@breaks(RecordStore.get, RecordStore.write, RecordStore.page)
class GuardsNothing(MemoryRecordStore):
    def _check_guard(self, guard: Guard | None) -> None:
        pass


@breaks(RecordStore.get, RecordStore.write, RecordStore.page)
class AsksForMembershipOnly(MemoryRecordStore):
    def _check_guard(self, guard: Guard | None) -> None:
        if guard is None or self.membership(guard.space, guard.identity) is None:
            super()._check_guard(guard)


class ForgetsToGuardChanges(_ChangesChanges):
    def ask(self, query: dict[str, Any]) -> None:
        query["guard"] = None


@breaks(RecordStore.get, RecordStore.write, RecordStore.page)
class RemembersRoles(MemoryRecordStore):
    """Caches who got through."""

    def __init__(self, clock: ManualClock, ids: SequentialIds) -> None:
        super().__init__(clock, ids)
        self._trusted: set[Guard] = set()

    def _check_guard(self, guard: Guard | None) -> None:
        if guard is not None and guard not in self._trusted:
            super()._check_guard(guard)
            self._trusted.add(guard)


class TellsStrangers(MemoryRecordStore):
    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        self._resolve(writes, self._last + 1)
        return super().write(writes, guard)


class LeavesOneSideOfAMembership(MemoryRecordStore):
    def remove_membership(self, space: str, identity: str, guard: Guard | None = None) -> None:
        kept = self._memberships.get(identity, {}).get(space)
        super().remove_membership(space, identity, guard)
        if kept is not None:
            self._memberships[identity][space] = kept


class KnowsMembersOfOtherSpaces(MemoryRecordStore):
    def membership(self, space: str, identity: str) -> Membership | None:
        found = self.memberships(identity)
        return super().membership(space, identity) or (found[0] if found else None)


class ListsAPageOfMembers(MemoryRecordStore):
    def members(self, space: str) -> list[Membership]:
        return super().members(space)[:100]


class ListsMembersAsTheyCame(MemoryRecordStore):
    def members(self, space: str) -> list[Membership]:
        return list(self._members.get(space, {}).values())


class ListsSpacesAsTheyCame(MemoryRecordStore):
    def memberships(self, identity: str) -> list[Membership]:
        return list(self._memberships.get(identity, {}).values())


class KeepsTheFirstRole(MemoryRecordStore):
    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        self._check_guard(guard)
        if self.membership(membership.space, membership.identity) is None:
            super().put_membership(membership)


class TakesAnyNumberOfSpaces(MemoryRecordStore):
    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        try:
            super().put_membership(membership, guard)
        except HomeportError:
            self._memberships[membership.identity][membership.space] = membership


# Stores with late commits that forget so


@breaks(RecordStore.changes)
class IgnoresTheWindow(LateCommitStore):
    def _horizon(self) -> int:
        return versions.earliest(self._clock.now())


@breaks(RecordStore.changes)
class ForgetsHalfTheWindow(LateCommitStore):
    def _horizon(self) -> int:
        return versions.earliest(self._clock.now() - round(WINDOW * 500_000))


class SkipsEqualVersions(_ChangesChanges, LateCommitStore):
    def ask(self, query: dict[str, Any]) -> None:
        if query["after"].id:
            query["after"] = Position(query["after"].version + 1)


STORES: Final[Mapping[type[RecordStoreSupport], Sequence[type[MemoryRecordStore]]]] = {
    WritesContract: (
        ForgetsTombstones,
        StampsFromTheClockAlone,
        LeavesGapsInABatch,
        LetsTheLastWriterWin,
        Resurrects,
        LetsStrangersWrite,
        ReplacesForAPatch,
        RoundsNumbers,
        GivesRecordsAway,
        CreatesAtEachWrite,
        KeepsDeletedAuthors,
        ForgetsTheFirstData,
        HidesWhatIsThere,
        GetsManyInAnyOrder,
        GetsOnlyWhatIsThere,
    ),
    BatchesContract: (
        WritesHalfABatch,
        LosesConcurrentPatches,
        LetsTwoWin,
        TakesAnySize,
        TakesAnyBatch,
    ),
    PagesContract: (
        ListsTombstones,
        EndsEarly,
        GivesUpAmongTombstones,
        SkipsARecordBetweenPages,
        GivesOneTooMany,
        RepeatsTheLastOfAPage,
        IgnoresCase,
        ListsByIdAlways,
        ScansWithoutHiddenSpaces,
        ScansOneSegmentTwice,
        ScansWithoutTombstones,
    ),
    ChangesContract: (
        ForgetsDeletions,
        NeverSaysMore,
        AlwaysSaysMore,
        IgnoresThrough,
        MixesCollections,
        LeavesNoCollectionOut,
        TakesTheHorizonFromTheClock,
        HasNoHorizon,
    ),
    MembersContract: (
        GuardsNothing,
        AsksForMembershipOnly,
        ForgetsToGuardChanges,
        RemembersRoles,
        TellsStrangers,
        LeavesOneSideOfAMembership,
        KnowsMembersOfOtherSpaces,
        ListsAPageOfMembers,
        ListsMembersAsTheyCame,
        ListsSpacesAsTheyCame,
        KeepsTheFirstRole,
        TakesAnyNumberOfSpaces,
    ),
}
"""Part of the contract -> the stores that it must notice."""

LATE_STORES: Final[Sequence[type[LateCommitStore]]] = (
    IgnoresTheWindow,
    ForgetsHalfTheWindow,
    SkipsEqualVersions,
)
