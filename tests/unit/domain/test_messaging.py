"""Messages over the memory adapters: what senders see, and what reaches inboxes and devices."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from homeport.domain import limits
from homeport.domain.errors import Gone, Invalid, Mismatched, NotFound, TooLarge, Unavailable
from homeport.domain.message_delivery import AGAIN_SECONDS, GROUP
from homeport.domain.messaging import message_view
from homeport.domain.model.data import Data, encode, stored_size
from homeport.domain.model.device import PushOutcome
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Patch, Write
from homeport.domain.ports.record_store import Order
from tests.unit.domain.messaging_world import PHONE, TABLET, World
from tests.unit.domain.tables import check, pointers


@pytest.fixture
def world() -> World:
    return World()


def pass_over(_: Sequence[Write]) -> None:
    """This write is not the one."""


class TestSending:
    def test_a_message_reaches_inbox_and_devices(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.devices.put(world.bob, "tablet", TABLET)
        sent = world.send(world.bob, title="Hi", text="Lunch?", data={"table": 4})
        assert sent.data == {
            "to": [world.bob.id],
            "title": "Hi",
            "text": "Lunch?",
            "data": {"table": 4},
            "state": "queued",
        }
        assert world.run() == 2
        assert world.inbox(world.bob) == [
            {
                "from": world.ann.id,
                "message": sent.key.id,
                "title": "Hi",
                "text": "Lunch?",
                "data": {"table": 4},
                "read": False,
            }
        ]
        assert world.copy_of(world.bob).author == world.ann.id
        assert [target for _, target, _ in world.push.outbox] == [PHONE, TABLET]
        apns = world.push.outbox[0][2].payload
        assert apns["aps"]["alert"] == {"title": "Hi", "body": "Lunch?"}
        assert apns["record"] == world.copy_of(world.bob).key.id
        assert world.state(sent) == "accepted"
        assert world.queue.next_due() is None

    def test_a_message_to_oneself_arrives(self, world: World) -> None:
        world.send(world.ann, text="Remember the milk")
        world.run()
        assert [one["text"] for one in world.inbox(world.ann)] == ["Remember the milk"]

    def test_the_worker_pauses_before_each_recipient(self, world: World) -> None:
        message = world.send(world.bob, world.somebody(), text="hi")
        world.run()
        assert world.pauses == [0, 1]
        world.messages.delete(world.ann, message.key.id)
        world.run()
        assert world.pauses == [0, 1, 1, 0]

    def test_who_is_unknown_or_blocks_gets_nothing_and_nobody_learns_it(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.blocks.put(world.bob, world.ann.id)
        sent = world.messages.send(world.ann, [world.bob.id, "nobody"], text="Hello?")
        world.run()
        assert world.inbox(world.bob) == []
        assert world.push.outbox == []
        assert world.state(sent) == "accepted"
        world.blocks.delete(world.bob, world.ann.id)
        world.send(world.bob, text="Hello again")
        world.run()
        assert [one["text"] for one in world.inbox(world.bob)] == ["Hello again"]

    def test_a_queue_that_is_down_loses_nothing(self, world: World) -> None:
        world.queue.down = True
        sent = world.send(world.bob, text="Hi")
        with pytest.raises(Unavailable):
            world.watch()
        assert world.queue.next_due() is None
        world.queue.down = False
        assert world.watch() == {}
        assert world.queue.next_due() == 60
        world.clock.advance(60)
        world.run()
        assert len(world.inbox(world.bob)) == 1
        assert world.state(sent) == "accepted"

    def test_the_second_job_of_the_feed_finds_nothing_to_do(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.send(world.bob, text="Hi")
        world.watch()
        world.run()
        world.clock.advance(60)
        assert world.run() == 1
        assert len(world.push.outbox) == len(world.inbox(world.bob)) == 1

    def test_watch_passes_over_what_is_done_and_what_is_hidden(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.send(world.bob, text="Hi")
        world.run()
        world.watch()
        assert world.queue.next_due() is None

    def test_a_view_of_a_message(self, world: World) -> None:
        sent = world.send(world.bob, text="Hi")
        assert message_view(sent) == {
            "id": sent.key.id,
            "from": world.ann.id,
            "to": [world.bob.id],
            "title": "",
            "text": "Hi",
            "data": {},
            "state": "queued",
        }


class TestBadMessages:
    def test_are_refused_with_their_places(self, world: World) -> None:
        table: list[tuple[dict[str, Any], list[str]]] = [
            ({"to": [], "text": "x"}, ["/to"]),
            ({"to": [f"u{n}" for n in range(101)], "text": "x"}, ["/to"]),
            ({"to": ["a", "b/c", "a"], "text": "x"}, ["/to/1", "/to/2"]),
            ({"to": ["a"], "title": "t" * 257, "text": "x"}, ["/title"]),
            ({"to": ["a"], "title": "only a title"}, ["/text"]),
            ({"to": ["a"], "text": "x", "idempotency_key": "soon"}, ["Idempotency-Key"]),
        ]
        check(pointers(lambda message: world.messages.send(world.ann, **message)), table)
        assert world.store.page(world.ann.id, "sent", Order.ID, 10).records == ()

    def test_one_that_would_not_fit_an_inbox_is_refused(self, world: World) -> None:
        with pytest.raises(TooLarge):
            world.send(world.bob, text="x" * (400 * 1024))

    def test_one_of_over_32_kb_is_refused(self, world: World) -> None:
        room = limits.MESSAGE_BYTES - stored_size({"title": "", "text": "", "data": {}})
        sent = world.send(world.bob, text="x" * room)
        for message in ({"text": "x" * (room + 1)}, {"text": "x" * room, "title": "y"}):
            with pytest.raises(TooLarge):
                world.send(world.bob, **message)
            with pytest.raises(TooLarge):
                world.messages.patch(world.ann, sent.key.id, message)


class TestRepeatedSending:
    def test_answers_with_the_message_as_it_is(self, world: World) -> None:
        key = str(uuid.uuid4())
        first = world.send(world.bob, text="Once", idempotency_key=key.upper())
        world.run()
        again = world.send(world.bob, text="Once", idempotency_key=key)
        assert again.key == first.key == Key(world.ann.id, "sent", key)
        assert again.data is not None and again.data["state"] == "accepted"
        world.run()
        assert len(world.inbox(world.bob)) == 1

    def test_brings_what_was_stored_but_never_queued(self, world: World) -> None:
        key = str(uuid.uuid4())
        world.queue.down = True  # as if the process had ended there
        world.send(world.bob, text="Once", idempotency_key=key)
        world.queue.down = False
        assert world.run() == 0
        world.send(world.bob, text="Once", idempotency_key=key)
        assert world.run() == 2
        assert [one["text"] for one in world.inbox(world.bob)] == ["Once"]

    def test_also_after_an_edit(self, world: World) -> None:
        key = str(uuid.uuid4())
        world.send(world.bob, text="Once", idempotency_key=key)
        world.messages.patch(world.ann, key, {"text": "Edited"})
        again = world.send(world.bob, text="Once", idempotency_key=key)
        assert again.data is not None and again.data["text"] == "Edited"

    def test_with_another_body_is_a_mismatch(self, world: World) -> None:
        key = str(uuid.uuid4())
        world.send(world.bob, text="Once", idempotency_key=key)
        with pytest.raises(Mismatched):
            world.send(world.bob, text="Twice", idempotency_key=key)

    def test_of_a_deleted_message_is_gone(self, world: World) -> None:
        key = str(uuid.uuid4())
        world.send(world.bob, text="Once", idempotency_key=key)
        world.messages.delete(world.ann, key)
        with pytest.raises(Gone):
            world.send(world.bob, text="Once", idempotency_key=key)
        world.run()
        with pytest.raises(Gone):
            world.send(world.bob, text="Once", idempotency_key=key)


class TestDelivery:
    def test_what_a_recipient_deleted_stays_deleted(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(PushOutcome.THROTTLED)
        world.send(world.bob, text="Hi")
        world.run()
        world.store.write([Delete(world.copy_of(world.bob).key, world.bob.id)])
        world.clock.advance(2)
        world.run()
        assert world.inbox(world.bob) == []
        assert world.push.outbox == []

    def test_a_throttled_push_is_tried_again_and_the_inbox_stays_single(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(PushOutcome.THROTTLED, Unavailable("The network is away."))
        sent = world.send(world.bob, text="Hi")
        world.run()
        assert world.state(sent) == "accepted", "whatever becomes of its pushes"
        for _ in range(2):
            assert len(world.push.outbox) == 0
            world.clock.advance(5)
            world.run()
        assert len(world.push.outbox) == len(world.inbox(world.bob)) == 1
        assert world.state(sent) == "accepted"

    def test_one_recipients_trouble_does_not_hold_up_the_next(self, world: World) -> None:
        world.devices.put(world.ann, "phone", PHONE)
        world.push.answer_next(PushOutcome.THROTTLED)
        world.send(world.ann, world.bob, text="Hi")
        world.run()
        assert len(world.inbox(world.bob)) == 1

    def test_a_stale_endpoint_is_forgotten(self, world: World) -> None:
        device = world.devices.put(world.bob, "phone", PHONE)
        world.push.disable(device.endpoint)
        sent = world.send(world.bob, text="Hi")
        world.run()
        assert world.devices.list(world.bob) == ()
        assert world.state(sent) == "accepted"

    def test_too_large_is_cut_once_more(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(PushOutcome.TOO_LARGE)
        world.send(world.bob, text="long " * 2000)
        world.run()
        (_, _, push) = world.push.outbox[0]
        assert len(push.payload["aps"]["alert"]["body"]) < 2048
        assert push.payload["aps"]["alert"]["body"].endswith("…")

    def test_still_too_large_leaves_it_to_the_inbox(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(PushOutcome.TOO_LARGE, PushOutcome.TOO_LARGE)
        sent = world.send(world.bob, text="Hi")
        world.run()
        assert world.state(sent) == "accepted"
        assert world.push.outbox == []
        assert len(world.inbox(world.bob)) == 1

    def test_no_push_for_what_was_sent_over_a_day_ago(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.send(world.bob, text="Hi")
        world.clock.advance(86_400)
        world.run()
        assert world.push.outbox == []
        assert len(world.inbox(world.bob)) == 1

    def test_a_job_that_nobody_can_read_becomes_a_dead_letter(self, world: World) -> None:
        world.queue.enqueue("{}")
        for _ in range(5):
            world.run()
            world.clock.advance(60)
        assert [one.body for one in world.queue.dead_letters()] == ["{}"]

    def test_who_was_reached_is_not_pushed_again_for_who_was_not(self, world: World) -> None:
        third = world.somebody()
        for one in (world.bob, third):
            world.devices.put(one, "phone", replace(PHONE, token=one.id.encode().hex()))
        world.push.answer_next(PushOutcome.THROTTLED)
        world.send(world.bob, third, text="Hi")
        world.run()
        world.clock.advance(AGAIN_SECONDS)
        world.run()
        assert [target.token for _, target, _ in world.push.outbox] == [
            one.id.encode().hex() for one in (third, world.bob)
        ]
        assert world.queue.next_due() is None

    def test_who_cannot_be_reached_is_the_dead_letter(self, world: World) -> None:
        third = world.somebody()
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(*[PushOutcome.THROTTLED] * 6)
        world.send(world.bob, third, text="Hi")
        for _ in range(10):
            world.run()
            world.clock.advance(60)
        (letter,) = world.queue.dead_letters()
        assert json.loads(letter.body)["to"] == [world.bob.id]

    def test_what_no_job_can_do_without_is_no_attempt_at_any(self, world: World) -> None:
        def away(_: Sequence[Write]) -> None:
            raise Unavailable("The store does not answer.")

        world.send(world.bob, text="Hi")
        for _ in range(10):
            world.store.before_write = [away]
            world.run()
            world.clock.advance(60)
        world.store.before_write = []
        world.run()
        assert len(world.inbox(world.bob)) == 1
        assert world.queue.dead_letters() == []

    def test_inboxes_do_not_wait_for_pushes(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.push.answer_next(*[Unavailable("The network is away.")] * 5)
        world.send(world.bob, text="Hi")
        for _ in range(10):
            world.run()
            world.clock.advance(60)
        assert len(world.inbox(world.bob)) == 1
        assert len(world.queue.dead_letters()) == 1

    def test_a_message_to_many_is_several_jobs(self, world: World) -> None:
        others = [world.somebody() for _ in range(GROUP)]
        world.send(world.bob, *others, text="Hi")
        assert world.run() == 3
        assert [len(world.inbox(one)) for one in (world.bob, *others)] == [1] * (GROUP + 1)

    def test_who_may_not_sign_in_gets_no_pushes(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        world.identities.disable(world.bob.id)
        world.send(world.bob, text="Hi")
        world.run()
        assert (len(world.inbox(world.bob)), world.push.outbox) == (1, [])

    @pytest.mark.parametrize("write", [0, 1], ids=["accepting", "the-copy"])
    def test_a_message_edited_under_the_workers_hands_ends_up_edited(
        self, world: World, write: int
    ) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, text="First")

        def edit(_: Sequence[Write]) -> None:
            world.messages.patch(world.ann, sent.key.id, {"text": "Second"})

        world.store.before_write = [*[pass_over] * write, edit]
        world.run()
        assert [one["text"] for one in world.inbox(world.bob)] == ["Second"]
        assert len(world.push.outbox) == 1
        assert world.state(sent) == "accepted"

    @pytest.mark.parametrize("write", [0, 1], ids=["accepting", "the-copy"])
    def test_a_message_deleted_under_the_workers_hands_leaves_no_copy(
        self, world: World, write: int
    ) -> None:
        sent = world.send(world.bob, text="Oops")

        def retract(_: Sequence[Write]) -> None:
            world.messages.delete(world.ann, sent.key.id)
            other = [one for one in world.queue._waiting if one not in world.queue._taken]
            assert other, "the deletion makes a job of its own"
            world.queue.deliver(world.messages.work)  # another worker takes it at once

        world.store.before_write = [*[pass_over] * write, retract]
        world.run()
        assert world.inbox(world.bob) == []

    def test_a_worker_that_stops_after_a_deletion_leaves_no_copy_either(self, world: World) -> None:
        sent = world.send(world.bob, text="Oops")

        def stop(_: Sequence[Write]) -> None:
            raise Unavailable("The store does not answer.")

        def retract(_: Sequence[Write]) -> None:
            world.messages.delete(world.ann, sent.key.id)
            world.queue.deliver(world.messages.work)  # another worker takes it at once
            world.store.before_write = [stop]  # after the copy that is about to be written

        world.store.before_write = [pass_over, retract]
        world.run()
        assert len(world.inbox(world.bob)) == 1
        world.clock.advance(60)
        world.run()
        assert world.inbox(world.bob) == []

    def test_a_job_of_an_earlier_release_is_done_too(self, world: World) -> None:
        world.queue.down = True
        sent = world.send(world.bob, text="Hi")
        world.queue.down = False
        job = {"sender": world.ann.id, "message": sent.key.id, "to": [world.bob.id]}
        world.queue.enqueue(encode(job))
        world.run()
        assert len(world.inbox(world.bob)) == 1


class TestEditing:
    def test_copies_follow_without_another_push_and_keep_read(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, title="T", text="First", data={"a": 1, "b": 2})
        world.run()
        world.store.write([Patch(world.copy_of(world.bob).key, world.bob.id, {"read": True})])
        edited = world.messages.patch(
            world.ann, sent.key.id, {"title": None, "text": "Second", "data": {"a": None}}
        )
        assert edited.data is not None and edited.data["state"] == "queued"
        world.run()
        (copy,) = world.inbox(world.bob)
        assert (copy["title"], copy["text"], copy["data"]) == ("", "Second", {"b": 2})
        assert copy["read"] is True
        assert len(world.push.outbox) == 1
        assert world.state(sent) == "accepted"

    def test_an_edit_reaches_nobody_new(self, world: World) -> None:
        world.blocks.put(world.bob, world.ann.id)
        sent = world.send(world.bob, text="First")
        world.run()
        world.blocks.delete(world.bob, world.ann.id)
        world.messages.patch(world.ann, sent.key.id, {"text": "Second"})
        world.run()
        assert world.inbox(world.bob) == []

    def test_an_edit_before_the_first_delivery_still_pushes(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, text="First")
        world.messages.patch(world.ann, sent.key.id, {"text": "Second"})
        world.run()
        assert [one["text"] for one in world.inbox(world.bob)] == ["Second"]
        assert len(world.push.outbox) == 1

    def test_only_the_content_can_be_changed(self, world: World) -> None:
        sent = world.send(world.bob, text="First")
        with pytest.raises(Invalid) as caught:
            world.messages.patch(world.ann, sent.key.id, {"to": [world.ann.id], "state": "x"})
        assert [one.pointer for one in caught.value.faults] == ["/to", "/state"]
        with pytest.raises(Invalid):
            world.messages.patch(world.ann, sent.key.id, {"text": None})

    def test_nothing_changed_writes_nothing(self, world: World) -> None:
        sent = world.send(world.bob, text="First")
        world.run()
        before = world.messages.get(world.ann, sent.key.id)
        assert world.messages.patch(world.ann, sent.key.id, {"text": "First"}) == before

    @pytest.mark.parametrize("flag", [True, 1.0, "1", None, [1]])
    def test_what_only_python_takes_for_the_same_is_changed(self, world: World, flag: Any) -> None:
        sent = world.send(world.bob, data={"flag": 1, "deep": {"flag": 1}})
        world.run()
        patch = {"data": {"deep": {"flag": flag}}}
        edited = world.messages.patch(world.ann, sent.key.id, patch)
        world.run()
        deep = {} if flag is None else {"flag": flag}
        (copy,) = world.inbox(world.bob)
        for one in (edited.data, copy):
            assert one is not None and Data.of(one["data"]) == {"flag": 1, "deep": deep}

    def test_is_for_the_sender_alone(self, world: World) -> None:
        sent = world.send(world.bob, text="First")
        with pytest.raises(NotFound):
            world.messages.get(world.bob, sent.key.id)
        with pytest.raises(NotFound):
            world.messages.patch(world.bob, sent.key.id, {"text": "x"})
        with pytest.raises(NotFound):
            world.messages.delete(world.bob, sent.key.id)


class TestRetracting:
    def test_takes_the_copies_and_then_the_message(self, world: World) -> None:
        sent = world.send(world.ann, world.bob, text="Oops")
        world.run()
        world.messages.delete(world.ann, sent.key.id)
        with pytest.raises(NotFound):
            world.messages.get(world.ann, sent.key.id)
        world.run()
        assert world.inbox(world.ann) == world.inbox(world.bob) == []
        record = world.store.get(sent.key)
        assert record is not None and record.deleted

    def test_comes_through_the_feed_too(self, world: World) -> None:
        sent = world.send(world.bob, text="Oops")
        world.run()
        world.queue.down = True
        world.messages.delete(world.ann, sent.key.id)
        world.queue.down = False
        world.watch()
        world.clock.advance(60)
        world.run()
        assert world.inbox(world.bob) == []

    def test_before_delivery_means_that_nothing_arrives(self, world: World) -> None:
        world.devices.put(world.bob, "phone", PHONE)
        sent = world.send(world.bob, text="Oops")
        world.messages.delete(world.ann, sent.key.id)
        world.run()
        assert world.inbox(world.bob) == []
        assert world.push.outbox == []
