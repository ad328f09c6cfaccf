"""Messages to several people, and while others change the same records."""

from __future__ import annotations

from typing import Any

import pytest

from homeport.domain import errors
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Principal
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Patch, Put
from homeport.domain.ports.record_store import Order
from tests.unit.domain.messaging_world import PHONE, TABLET, World
from tests.unit.domain.tables import check, pointers


@pytest.fixture
def world() -> World:
    return World()


def texts(world: World, whose: Principal) -> list[str]:
    return [one["text"] for one in world.inbox(whose)]


class TestSeveralRecipients:
    def test_who_gets_nothing_does_not_keep_it_from_the_next(self, world: World) -> None:
        world.blocks.put(world.bob, world.ann.id)
        third = world.somebody()
        world.send(world.bob, third, text="Hi")
        world.run()
        assert (texts(world, world.bob), texts(world, third)) == ([], ["Hi"])

    def test_an_edit_passes_over_a_copy_that_was_deleted(self, world: World) -> None:
        third = world.somebody()
        sent = world.send(world.bob, third, text="Hi")
        world.run()
        world.store.write([Delete(world.copy_of(world.bob).key, world.bob.id)])
        world.messages.patch(world.ann, sent.key.id, {"text": "Ho"})
        world.run()
        assert (texts(world, world.bob), texts(world, third)) == ([], ["Ho"])

    def test_so_does_taking_it_back(self, world: World) -> None:
        third = world.somebody()
        sent = world.send(world.bob, third, text="Hi")
        world.run()
        world.store.write([Delete(world.copy_of(world.bob).key, world.bob.id)])
        world.messages.delete(world.ann, sent.key.id)
        world.run()
        assert texts(world, third) == []

    def test_an_edit_passes_over_who_never_got_it(self, world: World) -> None:
        world.blocks.put(world.bob, world.ann.id)
        third = world.somebody()
        sent = world.send(world.bob, third, text="Hi")
        world.run()
        world.blocks.delete(world.bob, world.ann.id)
        world.messages.patch(world.ann, sent.key.id, {"text": "Ho"})
        world.run()
        assert (texts(world, world.bob), texts(world, third)) == ([], ["Ho"])

    def test_a_device_that_was_reached_does_not_keep_it_from_the_next(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, text="Hi")

        def edit_and_add_a_device() -> None:
            if len(world.push.outbox) == 1 and len(world.devices.list(world.bob)) == 1:
                world.messages.patch(world.ann, sent.key.id, {"title": "New"})
                world.devices.put(world.bob, "tablet", TABLET)

        # The worker looks at the message once more after the last push.
        world.push.after_send = edit_and_add_a_device
        world.run()
        assert [target for _, target, _ in world.push.outbox] == [PHONE, TABLET]

    def test_a_hundred_recipients_are_the_most(self, world: World) -> None:
        with pytest.raises(errors.Invalid):
            world.messages.send(world.ann, [f"n{n}" for n in range(101)], text="Hi")
        assert world.messages.send(world.ann, [f"n{n}" for n in range(100)], text="Hi").data


class TestOthersGetInBetween:
    """`before_write` lets somebody in just before the next write."""

    def sent(self, world: World) -> Record:
        record = world.send(world.bob, title="One", text="Hi")
        world.run()
        return record

    def edit(self, world: World, sent: Record, **patch: Any) -> Any:
        return lambda _: world.messages.patch(world.ann, sent.key.id, patch)

    def test_two_edits_at_once_both_count(self, world: World) -> None:
        sent = self.sent(world)
        world.store.before_write.append(self.edit(world, sent, title="Two"))
        edited = world.messages.patch(world.ann, sent.key.id, {"text": "Ho"})
        assert edited.data is not None
        assert (edited.data["title"], edited.data["text"]) == ("Two", "Ho")

    def test_taking_back_wins_over_an_edit(self, world: World) -> None:
        sent = self.sent(world)
        world.store.before_write.append(self.edit(world, sent, title="Two"))
        world.messages.delete(world.ann, sent.key.id)
        with pytest.raises(errors.NotFound):
            world.messages.get(world.ann, sent.key.id)
        world.run()
        assert world.inbox(world.bob) == []

    def test_an_edit_does_not_undo_that_the_copy_was_read(self, world: World) -> None:
        sent = self.sent(world)
        copy = world.copy_of(world.bob).key
        world.messages.patch(world.ann, sent.key.id, {"text": "Ho"})
        reading = Patch(copy, world.bob.id, {"read": True})
        world.store.before_write.append(lambda _: world.store.write([reading]))
        world.run()
        (kept,) = world.inbox(world.bob)
        assert (kept["text"], kept["read"]) == ("Ho", True)
        assert world.state(sent) == "accepted"

    def test_another_worker_that_was_faster_changes_nothing(self, world: World) -> None:
        sent = world.send(world.bob, text="Hi")
        accepting = Patch(sent.key, world.ann.id, {"state": "accepted"})
        world.store.before_write += [lambda _: world.store.write([accepting])]
        world.run()
        assert texts(world, world.bob) == ["Hi"]
        assert world.state(sent) == "accepted"

    def test_a_second_job_leaves_a_copy_as_it_is(self, world: World) -> None:
        sent = self.sent(world)
        before = world.copy_of(world.bob)
        world.store.write([Patch(sent.key, world.ann.id, {"state": "queued"})])
        world.watch()
        world.clock.advance(60)
        world.run()
        assert world.copy_of(world.bob) == before


class TestPushes:
    def test_say_from_whom_and_which_and_end_a_day_after_sending(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, text="Hi")
        assert sent.author == world.ann.id
        world.clock.advance(3_600.5)
        world.run()
        ((_, _, push),) = world.push.outbox
        assert push.payload["message"] == sent.key.id
        assert push.payload["sender"] == world.ann.id
        assert push.collapse_id == world.copy_of(world.bob).key.id
        assert push.time_to_live == 86_400 - 3_600


class TestWatching:
    def test_every_message_on_its_way_gets_one_job(self, world: World) -> None:
        for number in range(120):
            world.send(world.bob, text=str(number))
        world.queue.deliver(lambda batch: {}, limit=1_000)
        events = world.store.events_from(0, 1_000)
        messages = [one for one in events if one.key.collection == "sent"]
        assert world.messages.watch([*events, *messages[:5]]) == {}
        assert world.queue.next_due() is not None
        world.clock.advance(60)
        assert world.queue.deliver(lambda batch: {}, limit=1_000) == 120

    def test_a_deleted_one_and_one_in_a_hidden_space_get_none(self, world: World) -> None:
        body = Data.of({"state": "queued", "to": [], "title": "", "text": "x", "data": {}})
        events = []
        for space, deleted in ((f".{world.ann.id}", False), (world.ann.id, True)):
            key = Key(space, "sent", "m")
            (record,) = world.store.write([Put(key, world.ann.id, body)])
            events.append(RecordChanged(key, record.version, None, "ann", deleted))
        key = Key(world.ann.id, "notes", "m")
        (record,) = world.store.write([Put(key, world.ann.id, body)])
        events.append(RecordChanged(key, record.version, None, "ann", False))
        assert world.messages.watch(events) == {}
        assert world.queue.next_due() is None

    def test_a_queue_that_is_down_is_the_cause(self, world: World) -> None:
        world.send(world.bob, text="Hi")
        world.queue.down = True
        with pytest.raises(errors.Unavailable, match="The queue does not answer"):
            world.watch()


class TestContent:
    def test_a_title_of_256_characters_is_the_longest(self, world: World) -> None:
        assert world.send(world.bob, title="x" * 256, text="Hi").data
        with pytest.raises(errors.Invalid):
            world.send(world.bob, title="x" * 257, text="Hi")

    def test_every_wrong_place_is_told(self, world: World) -> None:
        def send(message: dict[str, Any]) -> Record:
            return world.send(world.bob, **message)

        table: list[tuple[dict[str, Any], list[str]]] = [
            ({"text": 7}, ["/text"]),
            ({"text": "Hi", "data": [1]}, ["/data"]),
            ({"title": 7, "text": "Hi", "data": {"a": int("1" * 50)}}, ["/title", "/data/a"]),
        ]
        check(pointers(send), table)

    def test_what_a_patch_removes_becomes_empty(self, world: World) -> None:
        sent = world.send(world.bob, title="Hi", text="Ho", data={"a": 1})
        edits: list[tuple[dict[str, Any], tuple[str, str, dict[str, Any]]]] = [
            ({"title": None}, ("", "Ho", {"a": 1})),
            ({"title": "New"}, ("New", "Ho", {"a": 1})),
            ({"text": None}, ("New", "", {"a": 1})),
            ({"text": "Ho", "data": None}, ("New", "Ho", {})),
        ]
        for patch, expected in edits:
            data = world.messages.patch(world.ann, sent.key.id, patch).data
            assert data is not None
            assert (data["title"], data["text"], data["data"]) == expected

    def test_the_id_is_named_where_it_is_none(self, world: World) -> None:
        with pytest.raises(errors.Invalid) as caught:
            world.messages.get(world.ann, ".no")
        assert [one.pointer for one in caught.value.faults] == ["id"]

    def test_nothing_of_a_message_is_stored_that_is_refused(self, world: World) -> None:
        with pytest.raises(errors.Invalid):
            world.send(world.bob)
        assert world.store.page(world.ann.id, "sent", Order.ID, 1).records == ()

    def test_the_data_may_be_32_levels_deep(self, world: World) -> None:
        data: dict[str, Any] = {}
        for _ in range(31):
            data = {"a": data}
        assert world.send(world.bob, data=data).data
        world.run()
        assert world.inbox(world.bob)[0]["data"] == data
        with pytest.raises(errors.Invalid) as caught:
            world.send(world.bob, data={"a": data})
        assert [one.pointer for one in caught.value.faults] == ["/data"]
