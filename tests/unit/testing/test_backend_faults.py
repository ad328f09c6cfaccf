"""`backend.faults`: what goes wrong when the test says so, and that the backend copes."""

from __future__ import annotations

from typing import cast

import pytest

from homeport.adapters.memory.faults import Crash
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.domain.errors import Overloaded, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model.identity import Principal
from homeport.domain.search import SearchRequest
from homeport.testing import TestBackend


def notes(backend: TestBackend, number: int) -> Principal:
    ann = backend.user("ann@example.com")
    for place in range(number):
        backend.records.create(ann, "me", "notes", {"place": place})
    return ann


def watch(backend: TestBackend) -> list[RecordChanged]:
    """What the indexing function is given, as it comes."""
    seen: list[RecordChanged] = []
    consume = backend.indexing.consume

    def note(events):  # type: ignore[no-untyped-def]  # a spy around a function of one argument
        seen.extend(events)
        return consume(events)

    backend.indexing.consume = note  # type: ignore[method-assign]  # the spy
    return seen


class TestCalls:
    def test_a_throttled_store_refuses_and_then_answers(self, backend: TestBackend) -> None:
        ann = backend.guest()
        backend.faults.throttle(times=2)
        for _ in range(2):
            with pytest.raises(Unavailable, match="throttled"):
                backend.records.create(ann, "me", "notes", {})
        backend.records.create(ann, "me", "notes", {})
        backend.assert_event(times=1)

    def test_any_step_can_fail_with_any_error(self, backend: TestBackend) -> None:
        backend.faults.fail("store.page", Overloaded("Too much."))
        with pytest.raises(Overloaded):
            backend.records.page(backend.guest(), "me", "notes")

    def test_somebody_else_is_faster(self, backend: TestBackend) -> None:
        ann = notes(backend, 1)
        (note,) = backend.records.page(ann, "me", "notes").records
        backend.faults.interrupt(
            "store.write", lambda: backend.records.delete(ann, "me", "notes", note.key.id)
        )
        backend.records.put(ann, "me", "notes", note.key.id, {})
        assert [one.deleted for one in backend.events()] == [False, True, False]

    def test_cleared_faults_do_nothing(self, backend: TestBackend) -> None:
        seen = watch(backend)
        backend.faults.throttle(times=9)
        backend.faults.duplicate()
        backend.faults.redeliver()
        backend.faults.clear()
        notes(backend, 1)
        backend.settle()
        assert len(seen) == 1

    @pytest.mark.parametrize("step", ["shop.write", "store", "store.wirte", "store._log", ""])
    def test_steps_that_do_not_exist(self, backend: TestBackend, step: str) -> None:
        with pytest.raises(ValueError, match=r"is no step: .*(store|write)"):
            backend.faults.fail(step)


class TestCrashes:
    def test_after_the_message_was_written_and_before_it_was_queued(
        self, backend: TestBackend
    ) -> None:
        ann, ben = backend.guest(), backend.guest()
        backend.device(ben)
        with backend.faults.crash(before="queue.enqueue"):
            backend.messages.send(ann, [ben.id], "Hello", "Bread")
        backend.settle()
        backend.assert_not_pushed()
        backend.advance(minutes=2)
        backend.assert_pushed(ben, title="Hello")

    def test_between_the_push_and_its_acknowledgement(self, backend: TestBackend) -> None:
        ann, ben = backend.guest(), backend.guest()
        backend.device(ben)
        backend.messages.send(ann, [ben.id], "Hello", "Bread")
        with backend.faults.crash(after="push.send"):
            backend.settle()
        backend.assert_pushed(ben, times=1)
        backend.settle()
        assert len(cast("MemoryPushGateway", backend.push).outbox) == 2
        backend.assert_pushed(ben, times=1, title="Hello")
        assert len(backend.records.page(ben, "me", "inbox").records) == 1

    @pytest.mark.parametrize(("place", "written"), [("before", 0), ("after", 1)])
    def test_before_and_after_a_write(self, backend: TestBackend, place: str, written: int) -> None:
        ann = backend.guest()
        with backend.faults.crash(**{place: "store.write"}):
            backend.records.create(ann, "me", "notes", {})
        assert len(backend.events()) == written

    def test_a_step_that_is_not_reached_fails(self, backend: TestBackend) -> None:
        with (
            pytest.raises(AssertionError, match=r"nothing crashed: store\.write was not called"),
            backend.faults.crash(after="store.write"),
        ):
            pass
        backend.records.create(backend.guest(), "me", "notes", {})

    def test_another_crash_goes_on(self, backend: TestBackend) -> None:
        with pytest.raises(Crash), backend.faults.crash(after="store.write"):
            raise Crash

    @pytest.mark.parametrize("places", [{}, {"before": "store.get", "after": "store.get"}])
    def test_it_must_be_said_where(self, backend: TestBackend, places: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="before or after"), backend.faults.crash(**places):
            pass


class TestStreams:
    def test_duplicates(self, backend: TestBackend) -> None:
        seen = watch(backend)
        backend.faults.duplicate()
        ann = notes(backend, 3)
        backend.settle()
        assert [one.version for one in seen] == [one.version for one in backend.events()] * 2
        assert backend.search.search(ann, SearchRequest("", collection="notes")).total == 3

    def test_another_order(self, backend: TestBackend) -> None:
        seen = watch(backend)
        backend.faults.reorder(seed=1)
        notes(backend, 20)
        backend.settle()
        assert seen != backend.events()
        assert sorted(seen, key=lambda one: one.version) == backend.events()

    def test_earlier_events_again(self, backend: TestBackend) -> None:
        seen = watch(backend)
        backend.faults.replay()
        notes(backend, 3)
        backend.settle()
        notes(backend, 1)
        backend.settle()
        assert len(seen) > 4
        assert set(seen) == set(backend.events())

    def test_several_at_once(self, backend: TestBackend) -> None:
        seen = watch(backend)
        backend.faults.duplicate()
        backend.faults.reorder()
        notes(backend, 20)
        backend.settle()
        assert len(seen) == 40

    def test_a_queue_that_redelivers(self, backend: TestBackend) -> None:
        ann, ben = backend.guest(), backend.guest()
        jobs: list[str] = []
        work = backend.messages.work

        def note(batch):  # type: ignore[no-untyped-def]  # a spy around a function of one argument
            jobs.extend(one.body for one in batch)
            return work(batch)

        backend.messages.work = note  # type: ignore[method-assign]  # the spy
        backend.faults.redeliver()
        backend.device(ben)
        backend.messages.send(ann, [ben.id], "Hello", "Bread")
        backend.settle()
        assert len(jobs) == 4 and len(set(jobs)) == 2
        backend.assert_pushed(ben, times=1)
        assert len(backend.records.page(ben, "me", "inbox").records) == 1
