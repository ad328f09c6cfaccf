"""Pages and changes: what of a space its readers are shown, and how they go on."""

from __future__ import annotations

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
        super().__init__(ManualClock(), SequentialIds())
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
    schemas = Schemas(CATALOG, JsonSchemaValidator)
    return Records(store, CATALOG, schemas, SequentialIds(), ManualClock())


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
