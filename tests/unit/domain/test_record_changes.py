"""Pages and changes: what of a space its readers are shown, and how they go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from homeport.domain.model.writes import Guard, Put
from homeport.domain.ports.record_store import ChangePage
from homeport.domain.records import Changes, Records
from homeport.domain.schemas import Schemas

ANN = Principal("ann", Kind.USER)
BOB = Principal("bob", Kind.USER)
GUEST = Principal("guest", Kind.GUEST)
CATALOG = Catalog(
    [
        Collection("news"),
        Collection("audit", read=Access.ADMIN),
        Collection("keys", read=Access.OWNER),
    ]
)


class _Store(MemoryRecordStore):
    """Where `removes`, whoever is asked about is removed right after the answer. `guards` are
    those under which changes were read."""

    removes = False

    def __init__(self) -> None:
        self.clock = ManualClock()
        super().__init__(self.clock, SequentialIds())
        self.guards: list[Guard | None] = []

    def changes(self, *args: Any, **kwargs: Any) -> ChangePage:
        self.guards.append(args[5])
        return super().changes(*args, **kwargs)

    def membership(self, space: str, identity: str) -> Membership | None:
        answer = super().membership(space, identity)
        if self.removes:
            self.remove_membership(space, identity)
        return answer


@pytest.fixture
def store() -> _Store:
    store = _Store()
    for who, role in ((ANN, Role.OWNER), (BOB, Role.READER)):
        store.put_membership(Membership("team", who.id, role))
    for collection in ("notes", "keys"):
        store.write([Put(Key("team", collection, collection), "ann", Data.of({}))])
    return store


@pytest.fixture
def records(store: _Store) -> Records:
    return records_of(store)


def records_of(store: _Store, catalog: Catalog = CATALOG) -> Records:
    schemas = Schemas(catalog, JsonSchemaValidator)
    return Records(store, catalog, schemas, SequentialIds(), store.clock)


def seen(changes: Changes) -> list[str]:
    return [one.key.id for one in changes.records]


def test_owners_follow_more_than_readers(records: Records) -> None:
    assert seen(records.changes(ANN, "team")) == ["notes", "keys"]
    assert seen(records.changes(BOB, "team")) == ["notes"]
    assert seen(records.changes(ANN, "team", collection="keys")) == ["keys"]
    for ask in (records.changes, records.page):
        with pytest.raises(errors.NotFound):
            ask(BOB, "team", collection="keys")


def test_ones_own_space_has_no_guard_and_another_one_the_callers_role(
    store: _Store, records: Records
) -> None:
    for space in ("me", "public", "team"):
        records.changes(BOB, space)
    assert store.guards == [None, None, Guard("team", "bob", frozenset({Role.READER}))]


def test_who_is_removed_meanwhile_is_shown_nothing(store: _Store, records: Records) -> None:
    store.removes = True
    with pytest.raises(errors.NotFound):
        records.changes(BOB, "team")


def test_a_collection_is_followed_by_itself(records: Records) -> None:
    records.put(ANN, "me", "todos", "t", {})
    first = records.changes(ANN, "me", limit=1, collection="notes")
    assert first.records == () and not first.more
    for id in ("a", "b"):
        records.put(ANN, "me", "notes", id, {})
    records.put(ANN, "me", "todos", "u", {})
    second = records.changes(ANN, "me", first.checkpoint, 1, "notes")
    assert seen(second) == ["a"] and second.more
    third = records.changes(ANN, "me", second.checkpoint, 1, "notes")
    assert seen(third) == ["b"] and not third.more


def test_public_collections_are_followed_by_guests(records: Records) -> None:
    records.put(ANN, "public", "news", "p", {})
    assert seen(records.changes(GUEST, "public", collection="news")) == ["p"]


def test_only_administrators_read_what_names_them_even_in_ones_own_space(
    store: _Store, records: Records
) -> None:
    store.write([Put(Key("ann", "audit", "x"), "ann", Data.of({}))])
    for ask in (records.changes, records.page):
        with pytest.raises(errors.NotFound):
            ask(ANN, "me", collection="audit")
    with pytest.raises(errors.NotFound):
        records.get(ANN, "me", "audit", "x")


DAY = 24 * 3600.0


def fill(records: Records, number: int) -> None:
    for n in range(number):
        records.put(ANN, "me", "notes", f"n{n}", {})


def test_who_stops_between_pages_starts_over_once_deletions_may_be_forgotten(
    store: _Store, records: Records
) -> None:
    fill(records, 5)
    at = records.changes(ANN, "me")
    assert not at.more
    store.clock.advance(DAY)
    for n in range(5):
        records.delete(ANN, "me", "notes", f"n{n}")
    store.clock.advance(28 * DAY)
    page = records.changes(ANN, "me", at.checkpoint, 3)
    assert page.more
    assert seen(records.changes(ANN, "me", page.checkpoint)) == ["n3", "n4"]
    store.clock.advance(3 * DAY)
    with pytest.raises(errors.Gone):
        records.changes(ANN, "me", page.checkpoint)


@pytest.mark.parametrize("collection", [None, "notes"])
def test_a_first_sync_of_old_records_has_the_time_of_its_first_page(
    store: _Store, records: Records, collection: str | None
) -> None:
    fill(records, 5)
    store.clock.advance(100 * DAY)
    first = records.changes(ANN, "me", None, 2, collection)
    store.clock.advance(29 * DAY)
    second = records.changes(ANN, "me", first.checkpoint, 2, collection)
    assert second.more
    last = records.changes(ANN, "me", second.checkpoint, 2, collection)
    assert seen(last) == ["n4"] and not last.more
    store.clock.advance(2 * DAY)
    with pytest.raises(errors.Gone):
        records.changes(ANN, "me", second.checkpoint, 2, collection)
    store.clock.advance(27 * DAY)
    assert seen(records.changes(ANN, "me", last.checkpoint, 2, collection)) == []


def test_who_is_promoted_starts_over(store: _Store, records: Records) -> None:
    at = records.changes(BOB, "team").checkpoint
    of_notes = records.changes(BOB, "team", collection="notes").checkpoint
    store.put_membership(Membership("team", BOB.id, Role.WRITER))
    at = records.changes(BOB, "team", at).checkpoint
    store.put_membership(Membership("team", BOB.id, Role.OWNER))
    with pytest.raises(errors.Gone):
        records.changes(BOB, "team", at)
    assert seen(records.changes(BOB, "team", of_notes, collection="notes")) == []
    at = records.changes(BOB, "team").checkpoint
    store.put_membership(Membership("team", BOB.id, Role.READER))
    assert seen(records.changes(BOB, "team", at)) == []


@pytest.mark.parametrize("space", ["ann", "public"])
def test_who_becomes_an_administrator_starts_over(records: Records, space: str) -> None:
    admin = replace(ANN, groups=("admin",))
    at = records.changes(ANN, space).checkpoint
    with pytest.raises(errors.Gone):
        records.changes(admin, space, at)
    at = records.changes(admin, space).checkpoint
    assert seen(records.changes(ANN, space, at)) == []


@pytest.mark.parametrize(
    ("space", "before", "after", "gone"),
    [
        ("public", Catalog([Collection("a", read=Access.ADMIN)]), Catalog([Collection("a")]), True),
        ("public", Catalog(), Catalog([Collection("a")]), True),
        ("public", Catalog([Collection("a")]), Catalog(), False),
        ("ann", Catalog([Collection("a", read=Access.ADMIN)]), Catalog(), True),
        ("ann", Catalog(), Catalog([Collection("a")]), False),
        ("ann", Catalog(refuse_undeclared=True), Catalog(), True),
        ("ann", Catalog(), Catalog(refuse_undeclared=True), False),
    ],
)
def test_what_a_definition_opens_is_followed_from_the_start(
    store: _Store, space: str, before: Catalog, after: Catalog, gone: bool
) -> None:
    store.write([Put(Key(space, "a", "x"), "ann", Data.of({}))])
    at = records_of(store, before).changes(ANN, space).checkpoint
    follow = records_of(store, after).changes
    if gone:
        with pytest.raises(errors.Gone):
            follow(ANN, space, at)
        assert seen(follow(ANN, space)) == ["x"]
    else:
        assert seen(follow(ANN, space, at)) == []
