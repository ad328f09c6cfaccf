"""Writes of records: stamp, try, and try again with a new stamp until the outcome is certain.

One record without a guard is one UpdateItem. All else is a transaction, whose answer holds no
records: what its writes meet is read before (creations excepted, which meet nothing), and the
transaction holds to what was read. A condition that does not hold comes with the record as it
is, so that it is read but once, however often others come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from homeport.adapters.aws.items import Item, found_record, record_of
from homeport.adapters.aws.record_store_members import check_role, guard_check
from homeport.adapters.aws.table import member_key, primary_key
from homeport.adapters.aws.table_calls import UNTOLD, Busy, Lost, Refused, Table, Untold
from homeport.adapters.aws.table_expressions import (
    WRITE_IDS,
    Update,
    is_flat,
    restamp_of,
    room_for,
    update_for,
    update_patched,
)
from homeport.adapters.aws.table_layout import Layout, Shards
from homeport.domain.errors import HomeportError, Invalid, OutcomeUnknown
from homeport.domain.model import versions
from homeport.domain.model.data import Data, encode
from homeport.domain.model.record import Key, Record
from homeport.domain.model.store_rules import check_key, check_transaction
from homeport.domain.model.writes import (
    Expect,
    Guard,
    Patch,
    Put,
    Write,
    check_size,
    resolve,
)
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory

_BASE_CHARACTERS: Final = 12


class Unread:
    """Of a record about which nothing is known yet."""


UNREAD: Final = Unread()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record as it was when it was last shown, and what bounds the size of its data."""

    record: Record | None
    bound: int

    @classmethod
    def of(cls, item: Item | None) -> _Seen:
        return cls(found_record(item), int(item["s"]["N"]) if item and "s" in item else 0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One write's update, and the record that it makes, where that is known beforehand."""

    update: Update
    record: Record | None


@dataclass
class _Call:
    """One call of `write`, over all its attempts.

    The write id of an attempt is the call's `base` and a version: later on it tells whose write
    it was, and which attempt.
    """

    base: str
    shards: Shards
    lost: dict[int, list[Record] | None] = field(default_factory=dict)
    """The attempts without an answer: the first version, and what they would have made of the
    records, where that is known beforehand."""

    def stamp(self, update: Update, key: Key, version: int) -> Update:
        update.stamp(key, version, self.write_id(version))
        if self.lost:
            update.require_no_write_of(self.base)
        return update

    def primary_key(self, key: Key) -> Item:
        return primary_key(key, self.shards.of(key.collection))

    def write_id(self, version: int) -> str:
        return self.base + versions.to_text(version)

    def own_version(self, item: Item | None) -> int | None:
        """The version that an attempt of this call has given the record."""
        for write_id in _write_ids(item):
            if write_id.startswith(self.base):
                return versions.from_text(write_id.removeprefix(self.base))
        return None

    def would_show(self, item: Item | None) -> bool:
        """Whether the item would still show a lost attempt, had it been carried out."""
        written = _write_ids(item)
        if len(written) < len(WRITE_IDS):
            return True
        oldest = versions.from_text(written[-1][-versions.TEXT_LENGTH :])
        return oldest is not None and oldest < min(self.lost)


class RecordWrites:
    """Writes to the table. What it raises is the port's."""

    def __init__(self, table: Table, clock: Clock, ids: IdFactory, layout: Layout) -> None:
        self._table = table
        self._clock = clock
        self._ids = ids
        self._layout = layout

    def stamp(self, since: int = 0) -> int:
        """A version as of now, or of that time, in microseconds since 1970, if it is to come."""
        return versions.stamp(max(self._clock.now(), since), self._ids.tail())

    def write(
        self, writes: Sequence[Write], guard: Guard | None, stamped: int | None = None
    ) -> list[Record]:
        """As the port's; the first attempt may have been `stamped` before."""
        for one in writes:
            _check_before(one)
        # Before the stamp, which must not grow old: to note a collection's shards takes time.
        shards = self._layout.shards_to_write(*{one.key.collection for one in writes})
        call = self._new_call(shards)
        try:
            return self._until_certain(call, writes, guard, stamped)
        except HomeportError as exc:
            raise _honest(call, exc) from exc

    def restamp(self, key: Key, version: int, since: int) -> Record | None:
        """As the store's."""
        call = self._new_call(self._layout.shards(key.collection))
        try:
            return self._until_restamped(call, key, version, since)
        except HomeportError as exc:
            raise _honest(call, exc) from exc

    def _new_call(self, shards: Shards) -> _Call:
        return _Call(self._ids.secret()[:_BASE_CHARACTERS], shards)

    def _until_certain(
        self, call: _Call, writes: Sequence[Write], guard: Guard | None, stamped: int | None
    ) -> list[Record]:
        alone = len(writes) == 1 and guard is None
        known = self._look_before(call, writes, guard, alone=alone)
        patience = self._table.patience()
        while True:
            version = self._version_after(known, stamped)
            stamped = None
            plans = [
                self._plan(call, one, seen, version + place, place, alone=alone)
                for place, (one, seen) in enumerate(zip(writes, known, strict=True))
            ]
            made = [plan.record for plan in plans if plan.record is not None]
            records = made if len(made) == len(plans) else None
            try:
                if alone:
                    return [record_of(self._table.update(plans[0].update.request()))]
                assert records is not None, "a transaction knows what it makes"
                check_transaction(records)
                self._transact(plans, guard, call.write_id(version))
                return records
            except Refused as refused:
                shown = refused.items if guard is None else refused.items[1:]
                landed = _landed(call, writes, shown)
                if landed is not None:
                    return landed
                if guard is not None and refused.fails(0):
                    check_role(guard, refused.item(0))
                known = [
                    seen if isinstance(item, Untold) else _Seen.of(item)
                    for seen, item in zip(known, shown, strict=True)
                ]
                patience.after_conflict()
            except Lost as lost:
                call.lost[version] = records
                patience.after_trouble(lost.error)
            except Busy as busy:
                patience.after(busy)

    def _look_before(
        self, call: _Call, writes: Sequence[Write], guard: Guard | None, *, alone: bool
    ) -> list[_Seen | Unread]:
        """What has to be known of the records before anything can be written."""
        if alone:
            one = writes[0]
            if not isinstance(one, Patch) or is_flat(one):
                return [UNREAD]
            return [_Seen.of(self._table.get(call.primary_key(one.key)))]
        if all(_creates(one) for one in writes):
            return [UNREAD] * len(writes)
        keys = [call.primary_key(one.key) for one in writes]
        if guard is not None:
            keys.append(member_key(guard.space, guard.identity))
        items = self._table.get_many(keys)
        if guard is not None:
            check_role(guard, items.pop())
        return [_Seen.of(item) for item in items]

    def _version_after(self, known: Sequence[_Seen | Unread], stamped: int | None) -> int:
        """The first version of an attempt: greater than those of all records that are known."""
        lowest = 1 + max(
            one.record.version if isinstance(one, _Seen) and one.record else versions.NEVER
            for one in known
        )
        if stamped is not None and stamped >= lowest:
            return stamped
        return max(self.stamp(), lowest)

    def _plan(
        self,
        call: _Call,
        write: Write,
        seen: _Seen | Unread,
        version: int,
        place: int,
        *,
        alone: bool,
    ) -> _Plan:
        """Raises WriteRefused, or TooLarge, where that is certain by what was seen."""
        shards = call.shards.of(write.key.collection)
        if isinstance(seen, Unread):
            record = _created(write, version)
            update = update_for(write, version, shards)
            return _Plan(call.stamp(update, write.key, version), record)
        record = resolve(write, seen.record, version, place)
        if isinstance(write, Patch) and not (alone and _fits_unseen(write, seen)):
            assert seen.record is not None and record.data is not None
            update = update_patched(write.key, record.data, seen.record.version, shards)
        else:
            update = update_for(write, version, shards)
            if not alone:
                update.hold_to(seen.record)
        return _Plan(call.stamp(update, write.key, version), record)

    def _transact(self, plans: Sequence[_Plan], guard: Guard | None, token: str) -> None:
        items = [] if guard is None else [guard_check(guard)]
        items += [{"Update": plan.update.request()} for plan in plans]
        self._table.transact(items, token)

    def _until_restamped(self, call: _Call, key: Key, known: int, since: int) -> Record | None:
        patience = self._table.patience()
        shards = call.shards.of(key.collection)
        while True:
            version = max(self.stamp(since), known + 1)
            update = call.stamp(restamp_of(key, known, shards), key, version)
            try:
                return record_of(self._table.update(update.request()))
            except Refused as refused:
                item = refused.item(0)
                record = found_record(item)
                own = call.own_version(item)
                return record if record is not None and record.version == own else None
            except Lost as lost:
                call.lost[version] = None
                patience.after_trouble(lost.error)
            except Busy as busy:
                patience.after(busy)


def _check_before(write: Write) -> None:
    """Refuse what DynamoDB would refuse, before any call."""
    check_key(write.key)
    if isinstance(write, Put):
        check_size(write.key, write.data)
    elif isinstance(write, Patch):
        brought = {name: value for name, value in write.patch.items() if value is not None}
        check_size(write.key, Data(encode(brought), brought))


def _creates(write: Write) -> bool:
    return isinstance(write, Put) and write.expect in (Expect.ABSENT, Expect.NEVER)


def _created(write: Write, version: int) -> Record | None:
    """What a creation makes of a record that is not there."""
    if not isinstance(write, Put) or not _creates(write):
        return None
    return Record(write.key, write.author, version, version, write.data, write.first)


def _fits_unseen(write: Patch, seen: _Seen) -> bool:
    """Whether one update can do it, without the record being read."""
    return is_flat(write) and seen.bound <= room_for(write)


def _landed(
    call: _Call, writes: Sequence[Write], items: Sequence[Item | None | Untold]
) -> list[Record] | None:
    """What an attempt has made whose answer was lost; None where none was carried out.

    Raises OutcomeUnknown where the records do not tell.
    """
    if not call.lost:
        return None
    decided = False
    for place, item in enumerate(items):
        if isinstance(item, Untold):
            # Where it held, its condition says that no attempt of this call wrote it.
            decided = decided or item is UNTOLD
            continue
        own = call.own_version(item)
        if own is not None and item is not None:
            return call.lost.get(own - place) or [_as_landed(writes[place], item, own)]
        decided = decided or call.would_show(item)
    if not decided:
        raise OutcomeUnknown(_UNKNOWN)
    return None


def _as_landed(write: Write, item: Item, version: int) -> Record:
    """What a single write made, which has been overwritten since, perhaps."""
    record = record_of(item)
    if record.version == version:
        return record
    if isinstance(write, Put) and record.created <= version:
        return Record(write.key, record.author, version, record.created, write.data, record.first)
    raise OutcomeUnknown("The write was done, and its record has been changed since: read it.")


def _honest(call: _Call, error: HomeportError) -> HomeportError:
    """Nothing is certain any more once an answer was lost and no later one decided."""
    if not call.lost or isinstance(error, Invalid | OutcomeUnknown):
        return error
    return OutcomeUnknown(_UNKNOWN)


def _write_ids(item: Item | None) -> list[str]:
    found = [(item or {}).get(name, {}).get("S", "") for name in WRITE_IDS]
    return [write_id for write_id in found if write_id]


_UNKNOWN: Final = (
    "The table's answer was lost: the write may have happened. Read before trying again."
)
