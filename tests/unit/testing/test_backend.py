"""The fixture `backend`: people, time, and assertions that fail when they should."""

from __future__ import annotations

import pytest

from homeport.definition import Definition
from homeport.domain.errors import Forbidden, NotFound
from homeport.domain.model.identity import Kind
from homeport.domain.model.membership import Role
from homeport.domain.search import SearchRequest
from homeport.testing import TestBackend, in_memory
from homeport.testing.failing import Failure

NEWS = Definition.of({"collections": {"news": {"write": "admin"}}})


class TestPeople:
    def test_everybody_is_somebody_else(self, backend: TestBackend) -> None:
        people = [backend.guest(), backend.guest(), backend.user(), backend.user("ann@example.com")]
        assert len({one.id for one in people}) == 4
        assert [one.kind for one in people] == [Kind.GUEST, Kind.GUEST, Kind.USER, Kind.USER]

    def test_a_login_is_the_same_person_again(self, backend: TestBackend) -> None:
        assert backend.user("ann@example.com") == backend.user("ann@example.com")

    def test_groups_last(self, backend: TestBackend) -> None:
        assert backend.user("ann@example.com", ["staff"]).groups == ("staff",)
        assert backend.user("ann@example.com").groups == ("staff",)

    def test_an_administrator_may_what_only_administrators_may(self) -> None:
        backend = in_memory(NEWS)
        backend.records.create(backend.admin(), "public", "news", {"title": "Hi"})
        with pytest.raises(Forbidden):
            backend.records.create(backend.user(), "public", "news", {"title": "Hi"})

    @pytest.mark.parametrize("role", ["owner", Role.WRITER])
    def test_members_share_a_space(self, backend: TestBackend, role: Role | str) -> None:
        ann, ben = backend.user(), backend.user()
        backend.add_member("trip", ann, role)
        backend.add_member("trip", ben, "reader")
        record = backend.records.create(ann, "trip", "notes", {"title": "Tickets"})

        assert backend.records.get(ben, "trip", "notes", record.key.id).author == ann.id
        with pytest.raises(Forbidden):
            backend.records.create(ben, "trip", "notes", {})
        with pytest.raises(NotFound):
            backend.records.get(backend.user(), "trip", "notes", record.key.id)

    def test_a_role_that_does_not_exist(self, backend: TestBackend) -> None:
        with pytest.raises(ValueError, match="boss"):
            backend.add_member("trip", backend.guest(), "boss")


class TestTime:
    def test_what_is_tried_again_happens_at_its_moment(self, backend: TestBackend) -> None:
        ann, begin = backend.guest(), backend.clock.now()
        backend.records.create(ann, "me", "notes", {"title": "Bread"})
        backend.faults.fail("index.apply", times=2)
        moments = []
        for _ in range(3):
            backend.faults.interrupt(
                "index.apply", lambda: moments.append(backend.clock.now() - begin)
            )
        backend.settle()
        assert backend.search.search(ann, SearchRequest("bread")).total == 0
        backend.advance(minutes=1)
        assert backend.search.search(ann, SearchRequest("bread")).total == 1
        assert moments == [3_000_000]
        assert backend.clock.now() == begin + 60_000_000

    @pytest.mark.parametrize(
        ("span", "seconds"),
        [({"seconds": 1.5}, 1.5), ({"minutes": 1, "hours": 1}, 3660), ({"days": 2}, 172_800)],
    )
    def test_units(self, backend: TestBackend, span: dict[str, float], seconds: float) -> None:
        begin = backend.clock.now()
        backend.advance(**span)
        assert backend.clock.now() - begin == seconds * 1_000_000

    def test_what_fails_is_told_before_it_is_a_dead_letter(self, backend: TestBackend) -> None:
        backend.faults.fail("index.apply", RuntimeError("a bug"), times=1)
        record = backend.records.create(backend.guest(), "me", "notes", {})
        backend.settle()
        (failure,) = backend.failures()
        assert failure == Failure("indexing", "/".join(record.key), "RuntimeError: a bug")
        assert backend.dead_letters() == []
        backend.advance(minutes=5)
        assert backend.failures() == []

    def test_a_job_that_fails_is_told_too(self, backend: TestBackend) -> None:
        ann, ben = backend.user(), backend.user()
        backend.device(ben)
        backend.faults.fail("push.send", RuntimeError("a bug"), times=100)
        backend.messages.send(ann, [ben.id], "Hello", "Ben")
        backend.settle()
        (failure,) = backend.failures()
        assert failure.source == "queue:messages"
        assert "a bug" in failure.cause
        backend.advance(minutes=5)
        assert [one.cause for one in backend.failures()] == [failure.cause]
        assert [one.cause for one in backend.dead_letters()] == [failure.cause]

    def test_what_is_never_delivered_ends_as_a_dead_letter(self, backend: TestBackend) -> None:
        backend.faults.fail("index.apply", RuntimeError("a bug"), times=5)
        backend.records.create(backend.guest(), "me", "notes", {})
        backend.advance(minutes=5)
        (letter,) = backend.dead_letters()
        assert letter.source == "indexing"
        assert letter.cause == "RuntimeError: a bug"


class TestEvents:
    def test_filters(self, backend: TestBackend) -> None:
        ann, ben = backend.user("ann@example.com"), backend.user("ben@example.com")
        note = backend.records.create(ann, "me", "notes", {})
        backend.records.patch(ann, "me", "notes", note.key.id, {"title": "Bread"})
        backend.records.create(ben, "me", "tasks", {})
        backend.records.delete(ann, "me", "notes", note.key.id)
        backend.records.put(ann, "me", "notes", note.key.id, {})

        assert backend.assert_event(kind="changed").key == note.key
        backend.assert_event(kind="deleted", id=note.key.id)
        backend.assert_event(times=2, kind="created", space=ann, collection="notes")
        backend.assert_event(author=ben, space=ben.id)
        backend.assert_no_event(author=ben, collection="notes")
        assert len(backend.events()) == 5

    def test_the_backends_own_records_are_no_events(self, backend: TestBackend) -> None:
        backend.device(backend.guest())
        backend.assert_no_event()

    def test_what_was_forgotten_counts_no_more(self, backend: TestBackend) -> None:
        ann = backend.user()
        note = backend.records.create(ann, "me", "notes", {})
        backend.forget()
        backend.assert_no_event()
        backend.records.put(ann, "me", "notes", note.key.id, {"title": "Bread"})
        backend.assert_event(kind="changed")

    def test_a_failure_shows_what_happened(self, backend: TestBackend) -> None:
        ann = backend.user("ann@example.com")
        note = backend.records.create(ann, "me", "notes", {})
        with pytest.raises(pytest.fail.Exception) as failed:
            backend.assert_event(kind="deleted", author=ann)
        assert str(failed.value) == (
            "1 event with kind='deleted', author=ann@example.com wanted, 0 found. What happened:\n"
            f"  created notes/{note.key.id} in ann@example.com, made by ann@example.com"
        )

    def test_a_failure_tells_that_nothing_happened(self, backend: TestBackend) -> None:
        with pytest.raises(pytest.fail.Exception, match="Nothing at all happened"):
            backend.assert_event()

    @pytest.mark.parametrize("times", [1, 3])
    def test_one_too_few_and_one_too_many_fail(self, backend: TestBackend, times: int) -> None:
        for _ in range(2):
            backend.records.create(backend.guest(), "me", "notes", {})
        with pytest.raises(pytest.fail.Exception, match=f"^{times} events? wanted, 2 found"):
            backend.assert_event(times=times)

    def test_what_must_not_happen(self, backend: TestBackend) -> None:
        backend.records.create(backend.guest(), "me", "notes", {})
        with pytest.raises(pytest.fail.Exception, match="made by guest 1"):
            backend.assert_no_event(collection="notes")

    def test_long_histories_are_cut(self, backend: TestBackend) -> None:
        ann = backend.guest()
        for _ in range(50):
            backend.records.create(ann, "me", "notes", {})
        with pytest.raises(pytest.fail.Exception) as failed:
            backend.assert_no_event()
        assert "What happened after 10 others:" in str(failed.value)
        assert str(failed.value).count("\n") == 40

    def test_wrong_questions(self, backend: TestBackend) -> None:
        with pytest.raises(TypeError, match="no filter colection"):
            backend.assert_no_event(colection="notes")  # type: ignore[call-arg]  # the point
        with pytest.raises(ValueError, match="must not happen"):
            backend.assert_event(times=0)


class TestPushes:
    @pytest.mark.parametrize("platform", ["fcm", "apns"])
    def test_filters(self, backend: TestBackend, platform: str) -> None:
        ann, ben = backend.user("ann@example.com"), backend.user("ben@example.com")
        backend.device(ben, platform=platform)
        backend.messages.send(ann, [ben.id], "Hello", "The bread is ready.", {"n": 1})
        backend.settle()

        push = backend.assert_pushed(ben, title="Hello", text="The bread is ready.", data={"n": 1})
        assert (push.to, push.sender, push.platform) == (ben.id, ann.id, platform)
        assert backend.pushes(ben) == [push.payload]
        backend.assert_pushed(ben, sender=ann, device="phone")
        backend.assert_not_pushed(ben, title="Bye")
        backend.assert_not_pushed(ann)

    def test_a_silent_push_has_no_words(self, backend: TestBackend) -> None:
        ann = backend.user()
        backend.device(ann, "tablet", "apns")
        backend.messages.send(ann, [ann.id], data={"n": 1})
        backend.settle()
        assert backend.assert_pushed(ann, device="tablet", title="").text == ""

    def test_a_failure_shows_who_was_told_what(self, backend: TestBackend) -> None:
        ann, ben = backend.user("ann@example.com"), backend.user("ben@example.com")
        backend.device(ben)
        backend.messages.send(ann, [ben.id], "Hello", "Bread")
        backend.settle()
        shown = "to ben@example.com on phone (fcm), from ann@example.com: 'Hello' 'Bread'"

        with pytest.raises(pytest.fail.Exception) as failed:
            backend.assert_pushed(ann, title="Hello")
        assert str(failed.value) == (
            "1 push to ann@example.com with title='Hello' wanted, 0 found. "
            f"What happened:\n  {shown}"
        )
        with pytest.raises(pytest.fail.Exception, match=r"2 pushes to ben@example\.com wanted, 1 "):
            backend.assert_pushed(ben, times=2)
        with pytest.raises(pytest.fail.Exception, match="0 pushes wanted, 1 found"):
            backend.assert_not_pushed()
        with pytest.raises(TypeError, match="no filter body"):
            backend.assert_pushed(ben, body="Bread")  # type: ignore[call-arg]  # the point

    def test_what_went_to_a_device_that_is_gone_is_still_shown(self, backend: TestBackend) -> None:
        ann = backend.user()
        backend.device(ann)
        backend.messages.send(ann, [ann.id], "Hello", "Bread")
        backend.settle()
        backend.devices.delete(ann, "phone")
        backend.assert_not_pushed(ann)
        with pytest.raises(pytest.fail.Exception, match="somebody whose device is gone"):
            backend.assert_not_pushed()

    def test_what_was_forgotten_counts_no_more(self, backend: TestBackend) -> None:
        ann = backend.user()
        backend.device(ann)
        backend.messages.send(ann, [ann.id], "Hello", "Bread")
        backend.settle()
        backend.forget()
        assert backend.pushes(ann) == []
