"""Every write of a record is held against its collection's schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from homeport.adapters.jsonschema.schema_validator import JsonSchemaValidator
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import schemas
from homeport.domain.errors import (
    Fault,
    Forbidden,
    Gone,
    Invalid,
    Mismatched,
    NotFound,
    Unavailable,
    VersionMismatch,
)
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Expect, Guard, Put, Write
from homeport.domain.ports.schema_validator import SchemaValidator
from homeport.domain.records import BatchWrite, Op, Records
from homeport.domain.schemas import Checked, Schemas, Unfit, check_stored
from tests.unit.domain.many import write_all

ANN = Principal("ann", Kind.USER)
BEN = Principal("ben", Kind.USER)
SCHEMA = {
    "required": ["title"],
    "properties": {"title": {"type": "string"}, "n": {"type": "integer"}},
}
CATALOG = Catalog([Collection("notes", schema=SCHEMA), Collection("plain")])
NOT_TEXT = 'the value is not of type "string"'


class Interrupted(MemoryRecordStore):
    """Somebody else writes right before each of its own writes, as often as is said."""

    others: int = 0

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        if self.others:
            self.others -= 1
            data = Data.of({"title": "theirs", "n": self.others})
            super().write([Put(writes[0].key, "ann", data, Expect.PRESENT)])
        return super().write(writes, guard)


class Made:
    def __init__(self, catalog: Catalog = CATALOG) -> None:
        ids, clock = SequentialIds(), ManualClock()
        self.store = Interrupted(clock, ids)
        self.schemas = Schemas(catalog, JsonSchemaValidator)
        self.records = Records(self.store, catalog, self.schemas, ids, clock)


@pytest.fixture
def made() -> Made:
    return Made()


WRITES: dict[str, Callable[[Records], object]] = {
    "create": lambda it: it.create(ANN, "me", "notes", {"title": 1}),
    "put": lambda it: it.put(ANN, "me", "notes", "new", {"title": 1}),
    "replace": lambda it: it.put(ANN, "me", "notes", "a", {"title": 1}),
    "patch": lambda it: it.patch(ANN, "me", "notes", "a", {"title": 1}),
}


@pytest.mark.parametrize("name", WRITES)
def test_each_write_is_checked(made: Made, name: str) -> None:
    made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    with pytest.raises(Invalid) as refused:
        WRITES[name](made.records)
    assert refused.value.detail == "The data does not fit the schema of notes."
    assert refused.value.faults == (Fault("/title", NOT_TEXT),)
    (kept,) = made.records.page(ANN, "me", "notes").records
    assert kept.data == {"title": "Bread"}


@pytest.mark.parametrize(("op", "id"), [(Op.CREATE, "x"), (Op.PUT, "x"), (Op.PATCH, "a")])
def test_a_batch_is_checked_whole(made: Made, op: Op, id: str) -> None:
    made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    good = BatchWrite(Op.PUT, "notes", "b", Data.of({"title": "fits"}))
    with pytest.raises(Invalid) as refused:
        made.records.batch(ANN, "me", [good, BatchWrite(op, "notes", id, Data.of({"title": 1}))])
    assert refused.value.faults == (Fault("/writes/1/data/title", NOT_TEXT),)
    assert len(made.records.page(ANN, "me", "notes").records) == 1


def test_what_a_patch_leaves_is_checked_not_the_patch(made: Made) -> None:
    made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    assert made.records.patch(ANN, "me", "notes", "a", {"n": 3}).data == {"title": "Bread", "n": 3}
    with pytest.raises(Invalid) as refused:
        made.records.patch(ANN, "me", "notes", "a", {"title": None})
    assert refused.value.faults == (Fault("", '"title" is a required property'),)


class TestACreationThatIsRepeatedUnderAStricterSchema:
    """The schema asked for nothing when the record was created."""

    KEY = "6f1c0a52-54f5-4a39-9d8d-6a5f0f2f4a11"

    @pytest.fixture
    def made(self) -> Made:
        made = Made()
        lenient = Schemas(Catalog([Collection("notes")]), JsonSchemaValidator)
        before = Records(made.store, CATALOG, lenient, SequentialIds(), ManualClock())
        made.store.put_membership(Membership("club", "ann", Role.WRITER))
        for space in ("me", "club"):
            before.create(ANN, space, "notes", {"title": 1}, self.KEY)
        return made

    def test_it_answers_with_the_record_as_it_is(self, made: Made) -> None:
        (there,) = made.records.page(ANN, "me", "notes").records
        assert made.records.create(ANN, "me", "notes", {"title": 1}, self.KEY) == there
        changed = made.records.put(ANN, "me", "notes", there.key.id, {"title": "Bread"})
        assert made.records.create(ANN, "me", "notes", {"title": 1}, self.KEY) == changed

    def test_one_that_came_with_other_data_is_told_so(self, made: Made) -> None:
        with pytest.raises(Mismatched):
            made.records.create(ANN, "me", "notes", {"title": 2}, self.KEY)

    def test_one_whose_record_was_deleted_is_told_so(self, made: Made) -> None:
        made.records.delete(ANN, "me", "notes", self.KEY)
        with pytest.raises(Gone):
            made.records.create(ANN, "me", "notes", {"title": 1}, self.KEY)

    def test_a_new_key_is_checked(self, made: Made) -> None:
        with pytest.raises(Invalid) as refused:
            made.records.create(ANN, "me", "notes", {"title": 1}, f"{self.KEY[:-1]}2")
        assert refused.value.faults == (Fault("/title", NOT_TEXT),)

    def test_who_may_no_longer_write_is_refused(self, made: Made) -> None:
        made.store.put_membership(Membership("club", "ann", Role.READER))
        with pytest.raises(Forbidden):
            made.records.create(ANN, "club", "notes", {"title": 1}, self.KEY)
        made.store.remove_membership("club", "ann")
        with pytest.raises(NotFound):
            made.records.create(ANN, "club", "notes", {"title": 1}, self.KEY)


def test_patches_in_a_batch_go_through(made: Made) -> None:
    for id in "ab":
        made.records.put(ANN, "me", "notes", id, {"title": id})
    one, two = made.records.batch(
        ANN, "me", [BatchWrite(Op.PATCH, "notes", id, Data.of({"n": 1})) for id in "ab"]
    )
    assert one.data == {"title": "a", "n": 1}
    assert two.data == {"title": "b", "n": 1}


def test_a_patch_goes_on_from_what_others_wrote_meanwhile(made: Made) -> None:
    made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    made.store.others = 3
    assert made.records.patch(ANN, "me", "notes", "a", {"n": 9}).data == {"title": "theirs", "n": 9}
    made.store.others = 100
    with pytest.raises(Unavailable):
        made.records.patch(ANN, "me", "notes", "a", {"n": 9})


def test_a_patch_keeps_its_own_conditions(made: Made) -> None:
    first = made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    made.records.put(ANN, "me", "notes", "a", {"title": "Cake"})
    with pytest.raises(VersionMismatch):
        made.records.patch(ANN, "me", "notes", "a", {"title": 1}, first.version)
    with pytest.raises(NotFound):
        made.records.patch(ANN, "me", "notes", "none", {"title": 1})


def test_who_may_not_read_learns_nothing_from_a_patch(made: Made) -> None:
    made.store.put_membership(Membership("club", "ann", Role.OWNER))
    made.records.put(ANN, "club", "notes", "a", {"title": "Bread"})
    with pytest.raises(NotFound):
        made.records.patch(BEN, "club", "notes", "a", {"title": 1})


def test_others_are_not_checked_and_deletions_neither(made: Made) -> None:
    made.records.create(ANN, "me", "plain", {"title": 1})
    made.records.create(ANN, "me", "undeclared", {"title": 1})
    made.records.put(ANN, "me", "notes", "a", {"title": "Bread"})
    assert made.records.delete(ANN, "me", "notes", "a").deleted


def test_without_a_schema_no_validator_is_made() -> None:
    def never() -> SchemaValidator:
        raise AssertionError("nobody needs it")

    made = Schemas(Catalog([Collection("plain")]), never)
    assert made.declared() == ()
    assert made.of("plain") is None


def test_stored_records_are_checked_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(Catalog())
    monkeypatch.setattr(schemas, "_PAGE", 50)
    fit, unfit, other = Data.of({"title": "x"}), Data.of({"title": 0}), Data.of({})
    keys = [Key("ann", "notes", f"{n:04}") for n in range(110)]
    puts = [Put(key, "ann", fit if n % 50 else unfit) for n, key in enumerate(keys)]
    puts += [
        Put(Key(*one), "ann", other) for one in (("ann", "plain", "a"), (".ann", "notes", "a"))
    ]
    write_all(made.store, puts)
    schema = made.schemas.compile(SCHEMA)
    seen: list[int] = []
    checked = check_stored(made.store, {"notes": schema}, 2, seen.append)
    wrong = (Fault("/title", NOT_TEXT),)
    assert checked == {"notes": Checked(110, 3, (Unfit(keys[0], wrong), Unfit(keys[50], wrong)))}
    assert seen == [50, 50, 12]


def test_roles_are_checked_by_the_write_itself(made: Made) -> None:
    made.store.put_membership(Membership("team", "ann", Role.WRITER))
    made.store.put_membership(Membership("team", "ben", Role.READER))
    made.records.put(ANN, "team", "notes", "n", {"title": "mine"})
    with pytest.raises(Forbidden):
        made.records.put(BEN, "team", "notes", "n", {"title": "his"})
    with pytest.raises(Forbidden):
        made.records.create(BEN, "team", "notes", {"title": "his"})
    assert made.records.get(BEN, "team", "notes", "n").data == {"title": "mine"}


def test_a_put_at_a_stale_version_is_not_tried_again(made: Made) -> None:
    old = made.records.put(ANN, "me", "notes", "n", {"title": "one"})
    new = made.records.put(ANN, "me", "notes", "n", {"title": "two"})
    for write in (made.records.put, made.records.patch):
        with pytest.raises(VersionMismatch) as caught:
            write(ANN, "me", "notes", "n", {"title": "three"}, old.version)
        assert caught.value.current == new


def test_a_stale_patch_is_named_in_its_batch(made: Made) -> None:
    old = made.records.put(ANN, "me", "notes", "n", {"title": "one"})
    made.records.put(ANN, "me", "notes", "n", {"title": "two"})
    writes = [
        BatchWrite(Op.PUT, "notes", "m", Data.of({"title": "new"})),
        BatchWrite(Op.PATCH, "notes", "n", Data.of({"title": "three"}), old.version),
    ]
    with pytest.raises(VersionMismatch) as caught:
        made.records.batch(ANN, "me", writes)
    assert [one.pointer for one in caught.value.faults] == ["/writes/1"]
