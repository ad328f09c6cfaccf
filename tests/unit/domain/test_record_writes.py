"""Writes of records: who may do which, what each refusal says, and where it points."""

from __future__ import annotations

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
from homeport.domain.model.writes import Expect, Put
from homeport.domain.records import BatchWrite, Op, Records
from homeport.domain.schemas import Schemas
from tests.unit.domain.tables import check, pointers

ANN = Principal("ann", Kind.USER)
BOB = Principal("bob", Kind.USER)
CATALOG = Catalog(
    [
        Collection("news"),
        Collection("letters", read=Access.ADMIN, write=Access.ANYONE),
        Collection("rules", write=Access.OWNER),
        Collection("keys", read=Access.OWNER, write=Access.OWNER),
    ]
)
DATA = Data.of({"a": 1})


@pytest.fixture
def store() -> MemoryRecordStore:
    store = MemoryRecordStore(ManualClock(), SequentialIds())
    for who, role in ((ANN, Role.WRITER), (BOB, Role.OWNER)):
        store.put_membership(Membership("team", who.id, role))
    return store


@pytest.fixture
def records(store: MemoryRecordStore) -> Records:
    schemas = Schemas(CATALOG, JsonSchemaValidator)
    return Records(store, CATALOG, schemas, SequentialIds(), ManualClock())


class TestWhoseItIs:
    def test_an_author_changes_their_own_in_public(self, records: Records) -> None:
        post = records.put(ANN, "public", "news", "p", {"a": 1})
        assert post.author == "ann"
        assert records.put(ANN, "public", "news", "p", {"a": 2}).data == {"a": 2}
        assert records.patch(ANN, "public", "news", "p", {"a": 3}).data == {"a": 3}
        assert records.delete(ANN, "public", "news", "p").deleted

    def test_nobody_else_does(self, records: Records) -> None:
        post = records.put(ANN, "public", "news", "p", {"a": 1})
        attempts: list[Callable[[], object]] = [
            lambda: records.put(BOB, "public", "news", "p", {"a": 2}),
            lambda: records.patch(BOB, "public", "news", "p", {"a": 2}),
            lambda: records.delete(BOB, "public", "news", "p"),
        ]
        for attempt in attempts:
            with pytest.raises(errors.Forbidden):
                attempt()
        assert records.get(BOB, "public", "news", "p") == post

    def test_a_letter_in_a_drop_box_cannot_be_changed_by_who_cannot_read_it(
        self, records: Records, store: MemoryRecordStore
    ) -> None:
        letter = records.create(ANN, "public", "letters", {"a": 1})
        attempts: list[Callable[[], object]] = [
            lambda: records.put(ANN, "public", "letters", letter.key.id, {}),
            lambda: records.patch(ANN, "public", "letters", letter.key.id, {}),
            lambda: records.delete(ANN, "public", "letters", letter.key.id),
        ]
        for attempt in attempts:
            with pytest.raises(errors.NotFound):
                attempt()
        assert store.get(letter.key) == letter

    def test_a_creation_without_a_key_cannot_be_repeated_by_its_id(self, records: Records) -> None:
        assert records.create(ANN, "me", "notes", {"a": 1}).first == ""


class TestRolesInABatch:
    notes = BatchWrite(Op.PUT, "notes", "n", DATA)
    rules = BatchWrite(Op.PUT, "rules", "r", DATA)

    def test_every_write_has_to_be_allowed(self, records: Records) -> None:
        for writes in ([self.notes, self.rules], [self.rules, self.notes]):
            with pytest.raises(errors.Forbidden):
                records.batch(ANN, "team", writes)
        assert records.page(ANN, "team", "notes").records == ()
        assert len(records.batch(BOB, "team", [self.notes, self.rules])) == 2

    @pytest.mark.parametrize("op", [Op.CREATE, Op.PUT])
    def test_what_cannot_be_read_is_not_told_of(self, records: Records, op: Op) -> None:
        with pytest.raises(errors.NotFound):
            records.batch(ANN, "team", [BatchWrite(op, "keys", "k", DATA)])

    def test_the_write_that_the_role_does_not_allow_is_named(self, records: Records) -> None:
        keys = BatchWrite(Op.PUT, "keys", "k", DATA)
        open_to_all = BatchWrite(Op.CREATE, "letters", "l", DATA)
        stranger = Principal("eve", Kind.USER)
        table: list[tuple[Principal, list[BatchWrite], type[errors.HomeportError], str]] = [
            (ANN, [self.notes, self.rules], errors.Forbidden, "/writes/1"),
            (ANN, [self.notes, self.rules, keys], errors.Forbidden, "/writes/1"),
            (ANN, [self.notes, keys, self.rules], errors.NotFound, "/writes/1"),
            (stranger, [open_to_all, self.notes, keys], errors.NotFound, "/writes/1"),
        ]
        for who, writes, kind, pointer in table:
            with pytest.raises(errors.HomeportError) as caught:
                records.batch(who, "team", writes)
            assert type(caught.value) is kind
            assert [one.pointer for one in caught.value.faults] == [pointer]
            if kind is errors.Forbidden:
                assert "the collection rules" in caught.value.detail


class TestRefusals:
    def test_of_a_creation_where_something_is_or_was(self, records: Records) -> None:
        creation = BatchWrite(Op.CREATE, "notes", "n", DATA)
        never = BatchWrite(Op.PUT, "notes", "n", DATA, Expect.NEVER)
        records.batch(ANN, "me", [creation])
        for again in (creation, never):
            with pytest.raises(errors.Conflict) as caught:
                records.batch(ANN, "me", [again])
            assert type(caught.value) is errors.Conflict
        records.delete(ANN, "me", "notes", "n")
        for again in (creation, never):
            with pytest.raises(errors.Gone):
                records.batch(ANN, "me", [again])

    @pytest.mark.parametrize("space", ["public", "ann"])
    def test_of_a_creation_where_anothers_record_was(self, records: Records, space: str) -> None:
        letter = BatchWrite(Op.CREATE, "letters", "l", DATA)
        author = replace(ANN, groups=("admin",))
        records.batch(author, space, [letter])
        records.delete(author, space, "letters", "l")
        with pytest.raises(errors.Conflict) as caught:
            records.batch(BOB, space, [letter])
        assert type(caught.value) is errors.Conflict
        assert caught.value.detail == "This id is taken."
        with pytest.raises(errors.Gone):
            records.batch(ANN, space, [letter])

    @pytest.mark.parametrize("expect", [None, Expect.ABSENT])
    def test_of_a_creation_where_another_author_is_or_was(
        self, records: Records, expect: Expect | None
    ) -> None:
        creation = BatchWrite(Op.CREATE, "news", "n", DATA, expect)
        records.batch(ANN, "public", [creation])
        for _ in range(2):
            with pytest.raises(errors.Conflict) as caught:
                records.batch(BOB, "public", [creation])
            assert caught.value.detail == "This id is taken."
            if records.page(ANN, "public", "news").records:
                records.delete(ANN, "public", "news", "n")

    def test_a_creation_may_take_the_place_of_what_was_deleted(self, records: Records) -> None:
        for space, collection, who in (("public", "news", ANN), ("team", "notes", BOB)):
            creation = BatchWrite(Op.CREATE, collection, "n", DATA, Expect.ABSENT)
            records.batch(ANN, space, [creation])
            records.delete(ANN, space, collection, "n")
            (made,) = records.batch(who, space, [creation])
            assert made.author == who.id

    def test_of_a_put_that_expects_what_is_not_there(self, records: Records) -> None:
        put = BatchWrite(Op.PUT, "notes", "n", DATA, Expect.PRESENT)
        with pytest.raises(errors.VersionMismatch) as caught:
            records.batch(ANN, "me", [put])
        assert caught.value.current is None

    def test_a_batch_of_90_is_the_largest(self, records: Records) -> None:
        writes = [BatchWrite(Op.PUT, "notes", f"n{n}", DATA) for n in range(91)]
        with pytest.raises(errors.Invalid):
            records.batch(ANN, "me", writes)
        assert len(records.batch(ANN, "me", writes[:90])) == 90

    def test_where_a_write_of_a_batch_is_wrong(self, records: Records) -> None:
        def batch(write: BatchWrite) -> object:
            return records.batch(ANN, "me", [write])

        table = [
            (BatchWrite(Op.DELETE, "notes", "a", DATA), "/writes/0/data"),
            (BatchWrite(Op.CREATE, "notes", "a", DATA, Expect.PRESENT), "/writes/0/if_match"),
            (BatchWrite(Op.PUT, "notes", ".a", DATA), "/writes/0/id"),
            (BatchWrite(Op.PATCH, "inbox", "a", Data.of({"read": "yes"})), "/writes/0/read"),
        ]
        check(pointers(batch), [(write, [pointer]) for write, pointer in table])

    def test_where_a_call_is_wrong(self, records: Records) -> None:
        records.put(ANN, "me", "notes", "a", {})
        cases: list[tuple[str, Callable[[], object]]] = [
            ("space", lambda: records.get(ANN, ".ann", "notes", "a")),
            ("collection", lambda: records.get(ANN, "me", "No", "a")),
            ("id", lambda: records.get(ANN, "me", "notes", "")),
            ("id", lambda: records.put(ANN, "me", "notes", "a/b", {})),
            ("limit", lambda: records.page(ANN, "me", "notes", limit=101)),
            ("limit", lambda: records.changes(ANN, "me", limit=0)),
            ("cursor", lambda: records.page(ANN, "me", "notes", cursor="no")),
            ("since", lambda: records.changes(ANN, "me", since="no")),
        ]
        for pointer, attempt in cases:
            with pytest.raises(errors.Invalid) as caught:
                attempt()
            assert [one.pointer for one in caught.value.faults] == [pointer]

    def test_an_empty_patch_of_what_services_keep_is_refused_too(
        self, records: Records, store: MemoryRecordStore
    ) -> None:
        store.write([Put(Key("ann", "sent", "m"), "ann", DATA)])
        with pytest.raises(errors.Forbidden):
            records.patch(ANN, "me", "sent", "m", {})


def test_a_creation_with_long_numbers_can_be_repeated(records: Records) -> None:
    key = "00000000-0000-0000-0000-000000000007"
    data = {"n": Decimal("0.1234567890123456789012345678")}
    first = records.create(ANN, "me", "notes", data, key)
    assert records.create(ANN, "me", "notes", data, key) == first
    with pytest.raises(errors.Mismatched):
        records.create(ANN, "me", "notes", {"n": Decimal("0.1234567890123456789012345679")}, key)
