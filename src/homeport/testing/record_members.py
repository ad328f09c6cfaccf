"""The record store's contract: memberships, and guards on every path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import pytest

from homeport.domain import limits
from homeport.domain.errors import Conflict
from homeport.domain.model.membership import OWNERS, READERS, WRITERS, Membership, Role
from homeport.domain.model.writes import Expect, Guard, GuardFailed
from homeport.domain.ports.record_store import Order, RecordStore
from homeport.testing.record_support import (
    ANNA,
    BEN,
    NOTES,
    START,
    RecordStoreSupport,
    by_position,
    changed,
    do,
    fill,
    key,
    put,
)

GuardedCall = Callable[[RecordStore, str, Guard], object]
"""Takes the store, a space in which the record `r` stands, and the guard."""

_GUARDED: Final[dict[str, GuardedCall]] = {
    "get": lambda store, space, guard: store.get(key(space), guard),
    "write": lambda store, space, guard: store.write([put(key(space, "new"))], guard),
    "page": lambda store, space, guard: store.page(space, NOTES, Order.ID, 1, guard=guard),
    "changes": lambda store, space, guard: store.changes(space, None, START, 1, guard=guard),
    "changes of one collection": lambda store, space, guard: store.changes(
        space, NOTES, START, 1, guard=guard
    ),
    "put_membership": lambda store, space, guard: store.put_membership(
        Membership(space, "new", Role.READER), guard
    ),
    "remove_membership": lambda store, space, guard: store.remove_membership(space, "third", guard),
}
_CROWD: Final = 250
_EVERY_CALL: Final = pytest.mark.parametrize("call", _GUARDED.values(), ids=_GUARDED)


class MembersContract(RecordStoreSupport):
    """Memberships and guards."""

    @final
    def test_a_membership_is_found_from_both_sides(self, store: RecordStore, space: str) -> None:
        anna, ben = f"{space}-anna", f"{space}-ben"
        other = f"{space}-other"
        store.put_membership(Membership(space, ben, Role.READER))
        store.put_membership(Membership(other, anna, Role.WRITER))
        store.put_membership(Membership(space, anna, Role.OWNER))
        assert store.membership(space, anna) == Membership(space, anna, Role.OWNER)
        assert store.membership(other, ben) is None
        assert store.members(space) == [
            Membership(space, anna, Role.OWNER),
            Membership(space, ben, Role.READER),
        ]
        assert store.memberships(anna) == [
            Membership(space, anna, Role.OWNER),
            Membership(other, anna, Role.WRITER),
        ]
        assert store.memberships(ben) == [Membership(space, ben, Role.READER)]

    @final
    def test_a_role_can_change(self, store: RecordStore, space: str) -> None:
        anna = f"{space}-anna"
        for role in (Role.READER, Role.OWNER, Role.WRITER, Role.WRITER):
            membership = Membership(space, anna, role)
            store.put_membership(membership)
            assert store.membership(space, anna) == membership
            assert store.members(space) == [membership]
            assert store.memberships(anna) == [membership]

    @final
    def test_a_membership_can_end(self, store: RecordStore, space: str) -> None:
        anna, ben = f"{space}-anna", f"{space}-ben"
        kept = Membership(space, ben, Role.OWNER)
        store.put_membership(kept)
        store.put_membership(Membership(space, anna, Role.OWNER))
        for _ in range(2):
            store.remove_membership(space, anna)
            assert store.membership(space, anna) is None
            assert store.memberships(anna) == []
            assert store.members(space) == [kept]
        store.remove_membership(f"{space}-unknown", anna)

    @final
    def test_nobody_is_in_more_than_two_hundred_spaces(
        self, store: RecordStore, space: str
    ) -> None:
        anna = f"{space}-anna"
        for n in range(limits.SPACES):
            store.put_membership(Membership(f"{space}-{n:03}", anna, Role.READER))
        one_more = Membership(f"{space}-more", anna, Role.READER)
        with pytest.raises(Conflict):
            store.put_membership(one_more)
        assert store.membership(one_more.space, anna) is None
        assert store.members(one_more.space) == []
        assert len(store.memberships(anna)) == limits.SPACES
        store.put_membership(Membership(f"{space}-007", anna, Role.OWNER))
        store.remove_membership(f"{space}-000", anna)
        store.put_membership(one_more)
        assert len(store.memberships(anna)) == limits.SPACES

    @final
    def test_a_space_lists_all_of_its_members(self, store: RecordStore, space: str) -> None:
        """More than engines like to give at once; exports and backups read this list."""
        crowd = [Membership(space, f"{space}-{n:03}", Role.READER) for n in range(_CROWD)]
        for membership in crowd:
            store.put_membership(membership)
        assert store.members(space) == crowd

    @final
    def test_memberships_are_no_records(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space)))
        store.put_membership(Membership(space, ANNA, Role.OWNER))
        assert changed(store, space) == [record]
        after = None
        while found := store.scan(0, 1, 100, after):
            after = found[-1].key
            for one in found:
                assert one.key.space != space or one == record

    # Guards

    @final
    @_EVERY_CALL
    def test_a_stranger_is_stopped(self, store: RecordStore, space: str, call: GuardedCall) -> None:
        fill(store, [key(space)])
        store.put_membership(Membership(space, "third", Role.OWNER))
        store.put_membership(Membership(f"{space}-other", ANNA, Role.OWNER))
        with pytest.raises(GuardFailed) as failed:
            call(store, space, Guard(space, ANNA, READERS))
        assert failed.value.role is None
        self._nothing_happened(store, space)

    @final
    @_EVERY_CALL
    @pytest.mark.parametrize(
        ("role", "roles"),
        [(Role.READER, WRITERS), (Role.READER, OWNERS), (Role.WRITER, OWNERS)],
    )
    def test_a_member_in_another_role_is_stopped(
        self,
        store: RecordStore,
        space: str,
        call: GuardedCall,
        role: Role,
        roles: frozenset[Role],
    ) -> None:
        fill(store, [key(space)])
        store.put_membership(Membership(space, "third", Role.OWNER))
        store.put_membership(Membership(space, ANNA, role))
        with pytest.raises(GuardFailed) as failed:
            call(store, space, Guard(space, ANNA, roles))
        assert failed.value.role is role
        self._nothing_happened(store, space)

    @final
    @_EVERY_CALL
    def test_a_member_gets_through_until_the_role_is_gone(
        self, store: RecordStore, space: str, call: GuardedCall
    ) -> None:
        fill(store, [key(space)])
        store.put_membership(Membership(space, "third", Role.OWNER))
        guard = Guard(space, ANNA, WRITERS)
        for role in (Role.OWNER, Role.WRITER):
            store.put_membership(Membership(space, ANNA, role))
            call(store, space, guard)
        store.put_membership(Membership(space, ANNA, Role.READER))
        with pytest.raises(GuardFailed):
            call(store, space, guard)
        store.put_membership(Membership(space, ANNA, Role.WRITER))
        call(store, space, guard)
        store.remove_membership(space, ANNA)
        with pytest.raises(GuardFailed):
            call(store, space, guard)

    @final
    def test_what_gets_through_is_what_is_there(self, store: RecordStore, space: str) -> None:
        records = fill(store, [key(space), key(space, "s")])
        store.put_membership(Membership(space, BEN, Role.READER))
        guard = Guard(space, BEN, READERS)
        assert store.get(key(space), guard) == records[0]
        assert store.get(key(space, "none"), guard) is None
        assert list(store.page(space, NOTES, Order.ID, 9, guard=guard).records) == records
        page = store.changes(space, None, START, 9, guard=guard)
        assert list(page.records) == by_position(records)

    @final
    def test_a_guard_may_be_of_another_space_than_the_write(
        self, store: RecordStore, space: str
    ) -> None:
        guard = Guard(f"{space}-shared", ANNA, WRITERS)
        with pytest.raises(GuardFailed):
            store.write([put(key(space))], guard)
        store.put_membership(Membership(f"{space}-shared", ANNA, Role.WRITER))
        (record,) = store.write([put(key(space))], guard)
        assert store.get(key(space)) == record

    @final
    def test_a_stranger_does_not_learn_what_is_there(self, store: RecordStore, space: str) -> None:
        fill(store, [key(space)])
        with pytest.raises(GuardFailed):
            store.write([put(key(space), expect=Expect.NEVER)], Guard(space, ANNA, WRITERS))

    def _nothing_happened(self, store: RecordStore, space: str) -> None:
        assert store.get(key(space, "new")) is None
        assert store.membership(space, "new") is None
        assert store.membership(space, "third") is not None
