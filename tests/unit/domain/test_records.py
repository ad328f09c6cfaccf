"""The records service over the memory store."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from homeport.adapters.jsonschema.schema_validator import JsonSchemaValidator
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import errors
from homeport.domain.model.collection import Access, Catalog, Collection
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Expect, Expectation, Put
from homeport.domain.ports.record_store import Order
from homeport.domain.records import BatchWrite, Op, Records
from homeport.domain.schemas import Schemas
from tests.unit.domain.tables import check

ANN = Principal("ann", Kind.USER)
BOB = Principal("bob", Kind.USER)
GUEST = Principal("guest", Kind.GUEST)
CATALOG = Catalog(
    [
        Collection("news"),
        Collection("audit", read=Access.ADMIN),
        Collection("profile", read=Access.ANYONE),
        Collection("letters", read=Access.ADMIN, write=Access.ANYONE),
        Collection("hints", read=Access.MEMBERS, write=Access.ANYONE),
        Collection("reports", read=Access.OWNER, write=Access.MEMBERS),
    ]
)


class Backend:
    def __init__(self) -> None:
        self.clock = ManualClock()
        ids = SequentialIds()
        self.store = MemoryRecordStore(self.clock, ids)
        self.records = Records(
            self.store, CATALOG, Schemas(CATALOG, JsonSchemaValidator), ids, self.clock
        )

    def join(self, space: str, who: Principal, role: Role) -> None:
        self.store.put_membership(Membership(space, who.id, role))


@pytest.fixture
def made() -> Backend:
    return Backend()


@pytest.fixture
def records(made: Backend) -> Records:
    return made.records


def test_what_was_created_is_read_back_by_me_and_by_name(records: Records) -> None:
    note = records.create(ANN, "me", "notes", {"title": "Milk"})
    assert note.key.space == note.author == "ann"
    assert note.version == note.created
    assert records.get(ANN, "me", "notes", note.key.id) == note
    assert records.get(ANN, "ann", "notes", note.key.id).data == {"title": "Milk"}


def test_what_is_not_yours_is_not_there(records: Records) -> None:
    note = records.create(ANN, "me", "notes", {"title": "Milk"})
    id = note.key.id
    attempts: list[Callable[[], object]] = [
        lambda: records.get(BOB, "ann", "notes", id),
        lambda: records.put(BOB, "ann", "notes", id, {}),
        lambda: records.patch(BOB, "ann", "notes", id, {}),
        lambda: records.delete(BOB, "ann", "notes", id),
        lambda: records.create(BOB, "ann", "notes", {}),
        lambda: records.page(BOB, "ann", "notes"),
        lambda: records.changes(BOB, "ann"),
        lambda: records.changes(BOB, "ann", collection="notes"),
        lambda: records.batch(BOB, "ann", [BatchWrite(Op.DELETE, "notes", id)]),
    ]
    for attempt in attempts:
        with pytest.raises(errors.NotFound):
            attempt()
    assert records.get(ANN, "me", "notes", id) == note


def test_members_do_what_their_role_allows(made: Backend) -> None:
    made.join("team", ANN, Role.WRITER)
    made.join("team", BOB, Role.READER)
    note = made.records.create(ANN, "team", "notes", {"a": 1})
    assert made.records.get(BOB, "team", "notes", note.key.id) == note
    with pytest.raises(errors.Forbidden):
        made.records.patch(BOB, "team", "notes", note.key.id, {"a": 2})
    with pytest.raises(errors.Forbidden):
        made.records.batch(BOB, "team", [BatchWrite(Op.CREATE, "notes", None, Data.of({}))])
    with pytest.raises(errors.NotFound):
        made.records.get(GUEST, "team", "notes", note.key.id)
    made.store.remove_membership("team", "bob")
    with pytest.raises(errors.NotFound):
        made.records.get(BOB, "team", "notes", note.key.id)
    with pytest.raises(errors.NotFound):
        made.records.page(BOB, "team", "notes")


def test_public_records_belong_to_their_authors(records: Records) -> None:
    post = records.create(ANN, "public", "news", {"a": 1})
    assert records.get(GUEST, "public", "news", post.key.id) == post
    with pytest.raises(errors.Forbidden):
        records.put(BOB, "public", "news", post.key.id, {"a": 2})
    with pytest.raises(errors.Forbidden):
        records.create(GUEST, "public", "news", {})
    records.delete(ANN, "public", "news", post.key.id)
    with pytest.raises(errors.Forbidden):  # a tombstone is still its author's
        records.put(BOB, "public", "news", post.key.id, {"a": 2})


class TestIdempotency:
    key = str(uuid.UUID(int=7))

    def test_the_same_creation_again_answers_with_the_record_as_it_is(
        self, records: Records
    ) -> None:
        first = records.create(ANN, "me", "notes", {"a": 1, "b": 2}, self.key)
        assert first.key.id == self.key
        assert records.create(ANN, "me", "notes", {"b": 2, "a": 1}, self.key) == first
        edited = records.patch(ANN, "me", "notes", self.key, {"a": 5})
        assert records.create(ANN, "me", "notes", {"a": 1, "b": 2}, self.key) == edited

    @pytest.mark.parametrize("other", ["1234567890123456789.5", True, 1.0])
    def test_another_kind_of_value_is_another_body(self, records: Records, other: object) -> None:
        number: object = Decimal(other) if isinstance(other, str) else 1
        records.create(ANN, "me", "notes", {"n": number}, self.key)
        with pytest.raises(errors.Mismatched):
            records.create(ANN, "me", "notes", {"n": other}, self.key)

    def test_another_body_is_refused_also_after_edits(self, records: Records) -> None:
        records.create(ANN, "me", "notes", {"a": 1}, self.key)
        records.patch(ANN, "me", "notes", self.key, {"a": 5})
        with pytest.raises(errors.Mismatched):
            records.create(ANN, "me", "notes", {"a": 5}, self.key)

    def test_another_author_is_a_conflict(self, made: Backend) -> None:
        made.records.create(ANN, "public", "news", {"a": 1}, self.key)
        with pytest.raises(errors.Conflict) as caught:
            made.records.create(BOB, "public", "news", {"a": 1}, self.key)
        assert type(caught.value) is errors.Conflict

    def test_ones_own_tombstone_is_gone(self, records: Records) -> None:
        records.create(ANN, "me", "notes", {"a": 1}, self.key)
        records.delete(ANN, "me", "notes", self.key)
        with pytest.raises(errors.Gone):
            records.create(ANN, "me", "notes", {"a": 1}, self.key)

    def test_the_key_is_a_uuid(self, records: Records) -> None:
        with pytest.raises(errors.Invalid, match="UUID"):
            records.create(ANN, "me", "notes", {}, "again")

    @pytest.mark.parametrize("space", ["public", "ann", "team"])
    def test_who_may_not_read_it_is_told_once_more_what_they_were(
        self, made: Backend, space: str
    ) -> None:
        created = made.records.create(GUEST, space, "letters", {"a": 1}, self.key)
        admin = Principal("chef", Kind.USER, ("admin",))
        edited = made.records.patch(admin, space, "letters", self.key, {"verdict": "secret"})
        assert made.records.create(GUEST, space, "letters", {"a": 1}, self.key) == created
        reader = replace(GUEST, groups=("admin",))
        assert made.records.create(reader, space, "letters", {"a": 1}, self.key) == edited
        with pytest.raises(errors.Mismatched):
            made.records.create(GUEST, space, "letters", {"a": 2}, self.key)
        made.records.delete(admin, space, "letters", self.key)
        with pytest.raises(errors.Gone):
            made.records.create(GUEST, space, "letters", {"a": 1}, self.key)

    def test_who_may_no_longer_read_it_neither_sees_what_it_became(self, made: Backend) -> None:
        made.join("team", ANN, Role.OWNER)
        made.join("team", BOB, Role.READER)
        created = made.records.create(BOB, "team", "hints", {"a": 1}, self.key)
        edited = made.records.patch(ANN, "team", "hints", self.key, {"answer": "secret"})
        assert made.records.create(BOB, "team", "hints", {"a": 1}, self.key) == edited
        made.store.remove_membership("team", "bob")
        assert made.records.create(BOB, "team", "hints", {"a": 1}, self.key) == created

    def test_a_role_that_writes_only_sees_what_it_wrote(self, made: Backend) -> None:
        made.join("team", ANN, Role.OWNER)
        made.join("team", BOB, Role.WRITER)
        created = made.records.create(BOB, "team", "reports", {"a": 1}, self.key)
        edited = made.records.patch(ANN, "team", "reports", self.key, {"verdict": "secret"})
        assert made.records.create(BOB, "team", "reports", {"a": 1}, self.key) == created
        made.join("team", BOB, Role.OWNER)
        assert made.records.create(BOB, "team", "reports", {"a": 1}, self.key) == edited
        made.store.remove_membership("team", "bob")
        with pytest.raises(errors.NotFound):
            made.records.create(BOB, "team", "reports", {"a": 1}, self.key)

    def test_a_schema_that_changed_shows_no_more(self, made: Backend) -> None:
        created = made.records.create(GUEST, "public", "letters", {"a": 1}, self.key)
        admin = Principal("chef", Kind.USER, ("admin",))
        made.records.patch(admin, "public", "letters", self.key, {"verdict": "secret"})
        letters = Collection(
            "letters",
            read=Access.ADMIN,
            write=Access.ANYONE,
            schema={"required": ["title"]},
        )
        catalog = Catalog([letters])
        schemas = Schemas(catalog, JsonSchemaValidator)
        records = Records(made.store, catalog, schemas, SequentialIds(), made.clock)
        assert records.create(GUEST, "public", "letters", {"a": 1}, self.key) == created


class TestExpectations:
    def test_a_stale_version_is_refused_with_the_present_record(self, records: Records) -> None:
        old = records.put(ANN, "me", "notes", "n", {"a": 1})
        new = records.put(ANN, "me", "notes", "n", {"a": 2}, old.version)
        attempts: list[Callable[[], object]] = [
            lambda: records.put(ANN, "me", "notes", "n", {}, old.version),
            lambda: records.patch(ANN, "me", "notes", "n", {}, old.version),
            lambda: records.delete(ANN, "me", "notes", "n", old.version),
            lambda: records.put(ANN, "me", "notes", "n", {}, Expect.ABSENT),
        ]
        for attempt in attempts:
            with pytest.raises(errors.VersionMismatch) as caught:
                attempt()
            assert caught.value.current == new

    def test_a_missing_record_cannot_be_changed(self, records: Records) -> None:
        with pytest.raises(errors.NotFound):
            records.patch(ANN, "me", "notes", "n", {})
        with pytest.raises(errors.NotFound):
            records.delete(ANN, "me", "notes", "n")
        with pytest.raises(errors.VersionMismatch):
            records.put(ANN, "me", "notes", "n", {}, Expect.PRESENT)

    def test_a_deleted_record_can_be_put_again_at_a_later_version(self, records: Records) -> None:
        records.put(ANN, "me", "notes", "n", {})
        gone = records.delete(ANN, "me", "notes", "n")
        with pytest.raises(errors.NotFound):
            records.get(ANN, "me", "notes", "n")
        again = records.put(ANN, "me", "notes", "n", {"b": 1})
        assert again.version == again.created > gone.version


class TestBatches:
    def test_all_or_nothing_and_the_write_is_named(self, records: Records) -> None:
        there = records.put(ANN, "me", "notes", "there", {})
        with pytest.raises(errors.VersionMismatch) as caught:
            records.batch(
                ANN,
                "me",
                [
                    BatchWrite(Op.CREATE, "notes", "new", Data.of({})),
                    BatchWrite(Op.PUT, "notes", "there", Data.of({}), there.version - 1),
                ],
            )
        assert caught.value.faults[0].pointer == "/writes/1"
        with pytest.raises(errors.NotFound):
            records.get(ANN, "me", "notes", "new")

    def test_every_kind_of_write(self, records: Records) -> None:
        for id in ("put", "patch", "delete"):
            records.put(ANN, "me", "notes", id, {"a": 1, "b": 2})
        done = records.batch(
            ANN,
            "me",
            [
                BatchWrite(Op.CREATE, "notes", None, Data.of({"c": 3})),
                BatchWrite(Op.PUT, "notes", "put", Data.of({"a": 2})),
                BatchWrite(Op.PATCH, "notes", "patch", Data.of({"a": None})),
                BatchWrite(Op.DELETE, "notes", "delete"),
            ],
        )
        assert [one.data for one in done] == [{"c": 3}, {"a": 2}, {"b": 2}, None]
        assert len({one.version for one in done}) == 4

    @pytest.mark.parametrize("wrong", [0, 1])
    def test_a_creation_neither_shows_nor_changes_what_one_may_not_read(
        self, made: Backend, wrong: int
    ) -> None:
        letter = BatchWrite(Op.CREATE, "letters", "one", Data.of({"by": "ann"}))
        made.records.batch(ANN, "public", [letter])
        there = made.store.get(Key("public", "letters", "one"))
        assert there is not None
        cases: list[tuple[Expectation | None, type[errors.HomeportError]]] = [
            (there.version + wrong, errors.Invalid),
            (Expect.PRESENT, errors.Invalid),
            (Expect.ABSENT, errors.Conflict),
            (None, errors.Conflict),
        ]
        for expect, error in cases:
            again = BatchWrite(Op.CREATE, "letters", "one", Data.of({"by": "bob"}), expect)
            with pytest.raises(error):
                made.records.batch(BOB, "public", [again])
        assert made.store.get(there.key) == there

    def test_faults_point_at_the_write(self, records: Records) -> None:
        def refused(writes: list[BatchWrite]) -> str:
            with pytest.raises(errors.HomeportError) as caught:
                records.batch(ANN, "me", writes)
            return caught.value.faults[0].pointer

        check(
            refused,
            [
                ([], "/writes"),
                ([BatchWrite(Op.DELETE, "notes", str(n)) for n in range(91)], "/writes"),
                ([BatchWrite(Op.DELETE, "notes", "a")] * 2, "/writes/1"),
                ([BatchWrite(Op.DELETE, "Notes", "a")], "/writes/0/collection"),
                ([BatchWrite(Op.DELETE, "notes")], "/writes/0/id"),
                ([BatchWrite(Op.PUT, "notes", "a")], "/writes/0/data"),
                ([BatchWrite(Op.PUT, "inbox", "a", Data.of({}))], "/writes/0"),
            ],
        )


class TestReserved:
    def test_only_services_create(self, records: Records) -> None:
        for collection in ("inbox", "sent", "spaces", "media", "rejected"):
            with pytest.raises(errors.Forbidden):
                records.create(ANN, "me", collection, {})
            with pytest.raises(errors.Forbidden):
                records.put(ANN, "me", collection, "a", {})

    def test_owners_mark_and_delete_what_came_in(self, made: Backend) -> None:
        key = Key("ann", "inbox", "m")
        made.store.write([Put(key, "bob", Data.of({"text": "hi", "read": False}))])
        marked = made.records.patch(ANN, "me", "inbox", "m", {"read": True})
        assert marked.data == {"text": "hi", "read": True}
        for patch, error in (
            ({"text": "ho"}, errors.Forbidden),
            ({"read": "yes"}, errors.Invalid),
            ({"read": None}, errors.Invalid),
        ):
            with pytest.raises(error):
                made.records.patch(ANN, "me", "inbox", "m", patch)
        made.records.delete(ANN, "me", "inbox", "m")


class TestPages:
    def test_cursors_walk_the_whole_collection_in_every_order(self, records: Records) -> None:
        for n in range(7):
            records.put(ANN, "me", "notes", f"n{n}", {"n": n})
        records.put(ANN, "me", "notes", "n3", {"n": 33})
        for order, expected in (
            (Order.ID, [0, 1, 2, 33, 4, 5, 6]),
            (Order.ID_DESCENDING, [6, 5, 4, 33, 2, 1, 0]),
            (Order.UPDATED, [0, 1, 2, 4, 5, 6, 33]),
            (Order.UPDATED_DESCENDING, [33, 6, 5, 4, 2, 1, 0]),
        ):
            seen: list[int] = []
            cursor = None
            for _ in range(10):
                page = records.page(ANN, "me", "notes", order, 3, cursor)
                seen += [one.data["n"] for one in page.records if one.data is not None]
                cursor = page.cursor
                if cursor is None:
                    break
            assert seen == expected

    def test_a_cursor_of_another_query_is_refused(self, records: Records) -> None:
        for n in range(3):
            records.put(ANN, "me", "notes", f"n{n}", {})
        cursor = records.page(ANN, "me", "notes", Order.ID, 1).cursor
        assert cursor is not None
        attempts: list[Callable[[], object]] = [
            lambda: records.page(ANN, "me", "other", Order.ID, 1, cursor),
            lambda: records.page(ANN, "me", "notes", Order.UPDATED, 1, cursor),
            lambda: records.page(ANN, "me", "notes", Order.ID, 1, "x" + cursor),
            lambda: records.page(ANN, "me", "notes", Order.ID, 1, "ééé"),
            lambda: records.page(ANN, "me", "notes", Order.ID, 0),
            lambda: records.page(ANN, "me", "notes", Order.ID, 101),
        ]
        for attempt in attempts:
            with pytest.raises(errors.Invalid):
                attempt()


class TestChanges:
    def test_a_reader_sees_everything_once_with_tombstones(self, records: Records) -> None:
        records.put(ANN, "me", "notes", "a", {})
        records.put(ANN, "me", "todos", "b", {})
        first = records.changes(ANN, "me")
        assert [one.key.id for one in first.records] == ["a", "b"]
        assert not first.more
        records.delete(ANN, "me", "notes", "a")
        second = records.changes(ANN, "me", first.checkpoint)
        assert [(one.key.id, one.deleted) for one in second.records] == [("a", True)]
        assert records.changes(ANN, "me", second.checkpoint).records == ()

    def test_what_may_not_be_read_does_not_show(self, made: Backend) -> None:
        made.store.write([Put(Key("ann", "audit", "x"), "ann", Data.of({}))])
        made.records.put(ANN, "me", "notes", "a", {})
        assert [one.key.id for one in made.records.changes(ANN, "me").records] == ["a"]

    def test_public_changes_are_those_of_public_collections(self, made: Backend) -> None:
        made.records.create(ANN, "public", "news", {"a": 1})
        for hidden in ("audit", "undeclared"):
            made.store.write([Put(Key("public", hidden, "x"), "ann", Data.of({}))])
        seen = made.records.changes(GUEST, "public").records
        assert [one.key.collection for one in seen] == ["news"]

    def test_members_follow_a_shared_space(self, made: Backend) -> None:
        made.join("team", ANN, Role.WRITER)
        made.join("team", BOB, Role.READER)
        made.records.put(ANN, "team", "notes", "a", {})
        assert [one.key.id for one in made.records.changes(BOB, "team").records] == ["a"]

    def test_an_old_checkpoint_is_gone(self, made: Backend) -> None:
        checkpoint = made.records.changes(ANN, "me").checkpoint
        made.clock.advance(31 * 24 * 3600)
        with pytest.raises(errors.Gone):
            made.records.changes(ANN, "me", checkpoint)

    def test_a_foreign_checkpoint_is_refused(self, records: Records) -> None:
        checkpoint = records.changes(ANN, "me").checkpoint
        with pytest.raises(errors.Invalid):
            records.changes(ANN, "me", checkpoint, collection="notes")
        with pytest.raises(errors.Invalid):
            records.changes(BOB, "me", checkpoint)
