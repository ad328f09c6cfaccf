"""Devices and blocks over the memory adapters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import limits
from homeport.domain.devices import Blocks, Devices, check_target
from homeport.domain.errors import Conflict, Invalid, NotFound, Unavailable
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.record import Position, Record
from homeport.domain.model.writes import Guard, Write
from homeport.domain.ports.push_gateway import Push
from homeport.domain.ports.record_store import Order, RecordPage
from tests.unit.domain.tables import check, pointers

ANN, BOB = Principal("ann", Kind.USER), Principal("bob", Kind.USER)


def phone(number: int) -> PushTarget:
    return PushTarget(Platform.APNS, Environment.PRODUCTION, f"{number:064x}")


class BusyStore(MemoryRecordStore):
    """A store in which somebody else gets in just before each of the next writes."""

    meanwhile: Callable[[], object] | None = None
    writes = 0

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        self.writes += 1
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().write(writes, guard)


class ShortPages(MemoryRecordStore):
    """A store whose pages end early, as one does that has come upon many tombstones."""

    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        page = super().page(space, collection, order, 1, after, guard)
        if after is None and page.records:
            # As if nothing but tombstones stood before the first.
            return RecordPage((), Position(0, collection, "-"))
        return page


class BusyPush(MemoryPushGateway):
    """A gateway at which somebody else gets in once, before or after a call."""

    before_unregister: Callable[[], object] | None = None
    after_register: Callable[[], object] | None = None

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        name = super().register(target, endpoint)
        meanwhile, self.after_register = self.after_register, None
        if meanwhile is not None:
            meanwhile()
        return name

    def unregister(self, endpoint: str) -> None:
        meanwhile, self.before_unregister = self.before_unregister, None
        if meanwhile is not None:
            meanwhile()
        super().unregister(endpoint)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = BusyStore(self.clock, SequentialIds())
        self.push = BusyPush()
        self.devices = Devices(self.store, self.push, self.clock)

    def reached(self, endpoint: str) -> bool:
        return self.push.send(endpoint, Push({})) is PushOutcome.ACCEPTED

    def ids(self, whose: Principal) -> list[str]:
        return [one.id for one in self.devices.list(whose)]


@pytest.fixture
def world() -> World:
    return World()


class TestDevices:
    def test_all_devices_are_seen_where_pages_end_early(self, world: World) -> None:
        world.devices = Devices(ShortPages(world.clock, SequentialIds()), world.push, world.clock)
        for number in range(limits.DEVICES):
            world.devices.put(ANN, f"d{number:02}", phone(number))
        assert len(world.ids(ANN)) == limits.DEVICES
        with pytest.raises(Conflict):
            world.devices.put(ANN, "more", phone(99))

    def test_a_registered_device_is_listed_and_reached(self, world: World) -> None:
        device = world.devices.put(ANN, "phone", phone(1))
        assert device.registered == world.clock.now()
        assert world.devices.list(ANN) == (device,)
        assert world.devices.list(BOB) == ()
        assert world.reached(device.endpoint)

    def test_registering_again_changes_only_the_time(self, world: World) -> None:
        first = world.devices.put(ANN, "phone", phone(1))
        world.clock.advance(60)
        again = world.devices.put(ANN, "phone", phone(1))
        assert (again.endpoint, again.target) == (first.endpoint, first.target)
        assert again.registered > first.registered
        assert world.ids(ANN) == ["phone"]

    def test_a_new_token_takes_the_old_ones_place(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        device = world.devices.put(ANN, "phone", phone(2))
        assert world.devices.list(ANN) == (device,)
        other = world.devices.put(BOB, "phone", phone(1))  # free again
        assert other.endpoint != device.endpoint
        assert world.ids(ANN) == world.ids(BOB) == ["phone"]

    def test_another_platform_takes_the_old_ones_place(self, world: World) -> None:
        before = world.devices.put(ANN, "phone", phone(1))
        target = PushTarget(Platform.FCM, Environment.PRODUCTION, "token")
        after = world.devices.put(ANN, "phone", target)
        assert world.reached(after.endpoint)
        assert not world.reached(before.endpoint)

    def test_a_token_moves_to_whoever_registers_it(self, world: World) -> None:
        before = world.devices.put(ANN, "phone", phone(1))
        after = world.devices.put(BOB, "mobile", phone(1))
        assert world.ids(ANN) == []
        assert world.ids(BOB) == ["mobile"]
        assert world.reached(after.endpoint)
        assert not world.reached(before.endpoint)

    @pytest.mark.parametrize("known", [True, False])
    def test_who_takes_a_token_is_not_shown_what_came_before(
        self, world: World, *, known: bool
    ) -> None:
        if known:
            world.devices.put(BOB, "mobile", phone(2))
        before = world.devices.put(ANN, "phone", phone(1))
        world.push.send(before.endpoint, Push({"for": "ann only"}))
        after = world.devices.put(BOB, "mobile", phone(1))
        # As a worker does that read ANN's devices a moment ago.
        assert world.push.send(before.endpoint, Push({"for": "ann"})) is PushOutcome.STALE
        world.devices.forget(ANN.id, before)
        assert world.push.recent([after.endpoint]) == []
        mine = Push({"for": "bob"})
        world.push.send(after.endpoint, mine)
        assert world.push.recent([after.endpoint]) == [(after.endpoint, phone(1), mine)]
        assert world.devices.list(BOB) == (after,)

    def test_nor_is_who_takes_it_back(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        theirs = world.devices.put(BOB, "mobile", phone(1))
        world.push.send(theirs.endpoint, Push({"for": "bob only"}))
        again = world.devices.put(ANN, "phone", phone(1))
        assert world.push.recent([again.endpoint]) == []
        assert world.reached(again.endpoint)

    def test_who_keeps_a_token_that_another_one_could_not_take_is_reached(
        self, world: World
    ) -> None:
        def register_again() -> None:
            world.devices.put(ANN, "phone", phone(1))
            world.store.meanwhile = fill_up

        def fill_up() -> None:
            for number in range(limits.DEVICES):
                world.devices.put(BOB, f"mobile-{number}", phone(100 + number))

        world.devices.put(ANN, "phone", phone(1))
        world.push.before_unregister = register_again
        with pytest.raises(Conflict):
            world.devices.put(BOB, "one-more", phone(1))
        (device,) = world.devices.list(ANN)
        assert world.reached(device.endpoint)

    def test_a_token_moves_between_ones_own_devices_too(self, world: World) -> None:
        before = world.devices.put(ANN, "old-name", phone(1))
        after = world.devices.put(ANN, "new-name", phone(1))
        assert world.ids(ANN) == ["new-name"]
        assert after.endpoint == before.endpoint
        assert world.reached(after.endpoint)

    def test_a_token_of_apns_is_the_same_in_either_case(self, world: World) -> None:
        upper = PushTarget(Platform.APNS, Environment.PRODUCTION, "AB" * 32)
        lower = PushTarget(Platform.APNS, Environment.PRODUCTION, "ab" * 32)
        world.devices.put(ANN, "phone", upper)
        device = world.devices.put(BOB, "mobile", lower)
        assert world.ids(ANN) == []
        assert world.reached(device.endpoint)
        again = world.devices.put(BOB, "mobile", upper)
        assert (again.endpoint, again.target) == (device.endpoint, lower)

    def test_tokens_of_fcm_that_differ_in_case_are_two(self, world: World) -> None:
        for whose, token in ((ANN, "Token"), (BOB, "token")):
            world.devices.put(
                whose, "phone", PushTarget(Platform.FCM, Environment.PRODUCTION, token)
            )
        found = [
            device.target.token for whose in (ANN, BOB) for device in world.devices.list(whose)
        ]
        assert found == ["Token", "token"]

    def test_swapping_tokens_leaves_each_with_one(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        world.devices.put(BOB, "phone", phone(2))
        device = world.devices.put(ANN, "phone", phone(2))
        assert world.ids(BOB) == []
        assert world.reached(device.endpoint)
        again = world.devices.put(BOB, "phone", phone(1))
        assert world.ids(ANN) == world.ids(BOB) == ["phone"]
        assert world.reached(again.endpoint)

    def test_two_who_register_a_token_at_once_do_not_both_get_it(self, world: World) -> None:
        world.store.meanwhile = lambda: world.devices.put(BOB, "phone", phone(1))
        device = world.devices.put(ANN, "phone", phone(1))
        assert world.ids(ANN) == ["phone"]
        assert world.ids(BOB) == []
        assert world.reached(device.endpoint)

    def test_it_gives_up_where_others_never_let_go(self, world: World) -> None:
        def again() -> None:
            world.devices.put(BOB, "phone", phone(1))
            world.store.meanwhile = again

        world.store.meanwhile = again
        with pytest.raises(Unavailable):
            world.devices.put(ANN, "phone", phone(1))

    def test_20_devices_are_the_most(self, world: World) -> None:
        for number in range(20):
            world.devices.put(ANN, f"phone-{number}", phone(number))
        with pytest.raises(Conflict):
            world.devices.put(ANN, "one-more", phone(20))
        world.devices.put(ANN, "phone-0", phone(21))
        world.devices.put(BOB, "phone", phone(20))
        assert len(world.devices.list(ANN)) == 20

    def test_20_are_the_most_also_of_30_that_come_at_once(self, world: World) -> None:
        refused: list[str] = []

        def put(number: int) -> None:
            """All of them have counted before the first one is written."""
            if number < 30:
                world.store.meanwhile = lambda: put(number + 1)
                try:
                    world.devices.put(ANN, f"phone-{number}", phone(number))
                except Conflict as exc:
                    refused.append(exc.detail)

        put(0)
        assert len(world.devices.list(ANN)) == 20
        assert refused == ["An identity has at most 20 devices."] * 10
        world.devices.delete(ANN, world.ids(ANN)[0])
        world.devices.put(ANN, "one-more", phone(31))
        assert len(world.devices.list(ANN)) == 20

    def test_a_known_device_does_not_stand_in_the_way_of_a_new_one(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        world.store.meanwhile = lambda: world.devices.put(ANN, "phone", phone(1))
        before = world.store.writes
        world.devices.put(ANN, "tablet", phone(2))
        assert world.store.writes == before + 2

    def test_a_deleted_device_is_gone(self, world: World) -> None:
        device = world.devices.put(ANN, "phone", phone(1))
        with pytest.raises(NotFound):
            world.devices.delete(BOB, "phone")
        world.devices.delete(ANN, "phone")
        assert world.devices.list(ANN) == ()
        assert not world.reached(device.endpoint)
        with pytest.raises(NotFound):
            world.devices.delete(ANN, "phone")
        again = world.devices.put(ANN, "phone", phone(1))
        assert world.reached(again.endpoint)

    def test_what_was_registered_since_is_not_forgotten(self, world: World) -> None:
        device = world.devices.put(ANN, "phone", phone(1))
        world.push.disable(device.endpoint)
        world.clock.advance(1)
        again = world.devices.put(ANN, "phone", phone(1))
        world.devices.forget(ANN.id, device)
        assert world.devices.list(ANN) == (again,)
        assert world.reached(again.endpoint)
        world.devices.forget(ANN.id, again)
        assert world.devices.list(ANN) == ()

    def test_who_takes_a_token_while_it_is_deleted_is_reached(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        world.push.before_unregister = lambda: world.devices.put(BOB, "mobile", phone(1))
        with pytest.raises(NotFound):  # it is no longer ANN's
            world.devices.delete(ANN, "phone")
        (device,) = world.devices.list(BOB)
        assert world.reached(device.endpoint)
        assert world.ids(ANN) == []

    def test_who_takes_a_token_just_as_it_is_freed_is_reached(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        world.push.after_register = lambda: world.devices.delete(ANN, "phone")
        device = world.devices.put(BOB, "mobile", phone(1))
        assert world.devices.list(BOB) == (device,)
        assert world.reached(device.endpoint)

    def test_a_device_registered_while_it_is_forgotten_is_reached(self, world: World) -> None:
        device = world.devices.put(ANN, "phone", phone(1))
        world.clock.advance(1)
        world.push.before_unregister = lambda: world.devices.put(ANN, "phone", phone(1))
        world.devices.forget(ANN.id, device)
        (again,) = world.devices.list(ANN)
        assert again.registered > device.registered
        assert world.reached(again.endpoint)

    @pytest.mark.parametrize("hook", ["before_unregister", "after_register"])
    def test_who_takes_a_token_that_another_one_replaces_is_reached(
        self, world: World, hook: str
    ) -> None:
        world.devices.put(ANN, "phone", phone(1))
        other = PushTarget(Platform.FCM, Environment.PRODUCTION, "token")
        setattr(world.push, hook, lambda: world.devices.put(BOB, "mobile", phone(1)))
        world.devices.put(ANN, "phone", other)
        for whose, target in ((ANN, other), (BOB, phone(1))):
            (device,) = world.devices.list(whose)
            assert device.target == target
            assert world.reached(device.endpoint)

    def test_who_takes_a_token_as_another_one_replaces_it_is_reached(self, world: World) -> None:
        world.devices.put(ANN, "phone", phone(1))
        other = PushTarget(Platform.FCM, Environment.PRODUCTION, "token")
        world.push.after_register = lambda: world.devices.put(ANN, "phone", other)
        device = world.devices.put(BOB, "mobile", phone(1))
        assert world.reached(device.endpoint)
        assert world.ids(ANN) == ["phone"]

    def test_it_gives_up_where_the_holder_never_lets_go(self, world: World) -> None:
        def renew_meanwhile() -> None:
            (device,) = world.devices.list(BOB)
            MemoryPushGateway.unregister(world.push, device.endpoint)
            world.store.meanwhile = again

        def again() -> None:
            world.devices.put(BOB, "mobile", phone(1))
            renew_meanwhile()

        world.devices.put(ANN, "phone", phone(1))
        world.push.before_unregister = again
        with pytest.raises(Unavailable):
            world.devices.delete(ANN, "phone")

    def test_bad_devices_are_refused(self, world: World) -> None:
        def put(device: tuple[str, PushTarget]) -> object:
            return world.devices.put(ANN, *device)

        table = [
            ("no/id", phone(1), "device"),
            ("phone", PushTarget(Platform.APNS, Environment.PRODUCTION, "xyz"), "/token"),
            ("phone", PushTarget(Platform.FCM, Environment.PRODUCTION, ""), "/token"),
            ("phone", PushTarget(Platform.FCM, Environment.SANDBOX, "token"), "/environment"),
        ]
        check(pointers(put), [((id, target), [pointer]) for id, target, pointer in table])
        assert world.devices.list(ANN) == ()


class TestBlocks:
    def test_are_listed_sorted_and_can_be_lifted(self, world: World) -> None:
        blocks = Blocks(world.store)
        for one in ("zoe", "bob", "bob"):
            blocks.put(ANN, one)
        assert blocks.list(ANN) == ("bob", "zoe")
        assert blocks.list(BOB) == ()
        blocks.delete(ANN, "zoe")
        assert blocks.list(ANN) == ("bob",)
        with pytest.raises(NotFound):
            blocks.delete(ANN, "zoe")
        blocks.put(ANN, "zoe")
        assert blocks.list(ANN) == ("bob", "zoe")

    def test_need_an_id(self, world: World) -> None:
        with pytest.raises(Invalid):
            Blocks(world.store).put(ANN, "no/id")

    def test_1000_are_the_most(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("homeport.domain.limits.BLOCKS", 3)
        blocks = Blocks(world.store)
        for number in range(3):
            blocks.put(ANN, f"id-{number}")
        with pytest.raises(Conflict):
            blocks.put(ANN, "one-more")
        blocks.put(ANN, "id-0")

    def test_they_are_the_most_also_of_many_that_come_at_once(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("homeport.domain.limits.BLOCKS", 5)
        blocks = Blocks(world.store)
        refused: list[str] = []

        def put(number: int) -> None:
            if number < 20:
                world.store.meanwhile = lambda: put(number + 1)
                try:
                    blocks.put(ANN, f"id-{number}")
                except Conflict as exc:
                    refused.append(exc.detail)

        put(0)
        assert len(blocks.list(ANN)) == 5
        assert len(refused) == 15

    def test_the_same_at_once_is_one(self, world: World) -> None:
        blocks = Blocks(world.store)
        world.store.meanwhile = lambda: blocks.put(ANN, "bob")
        blocks.put(ANN, "bob")
        assert blocks.list(ANN) == ("bob",)

    def test_it_gives_up_where_others_never_let_through(self, world: World) -> None:
        blocks = Blocks(world.store)
        numbers = itertools.count()

        def again() -> None:
            blocks.put(ANN, f"id-{next(numbers)}")
            world.store.meanwhile = again

        world.store.meanwhile = again
        with pytest.raises(Unavailable):
            blocks.put(ANN, "bob")

    def test_an_id_is_named_where_it_is_none(self, world: World) -> None:
        attempts: tuple[tuple[str, Callable[[], object]], ...] = (
            ("identity", lambda: Blocks(world.store).put(ANN, "no/id")),
            ("identity", lambda: Blocks(world.store).delete(ANN, "no/id")),
            ("device", lambda: world.devices.delete(ANN, "no/id")),
        )
        for pointer, attempt in attempts:
            with pytest.raises(Invalid) as caught:
                attempt()
            assert [one.pointer for one in caught.value.faults] == [pointer]


def test_a_token_of_4096_characters_is_the_longest() -> None:
    check_target(PushTarget(Platform.FCM, Environment.PRODUCTION, "x" * 4096))
    with pytest.raises(Invalid):
        check_target(PushTarget(Platform.FCM, Environment.PRODUCTION, "x" * 4097))
