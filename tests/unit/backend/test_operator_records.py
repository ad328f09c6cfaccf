"""Records as the operator works on them: anybody's, by everybody's rules."""

from __future__ import annotations

import pytest

from homeport.definition import Definition
from homeport.domain.errors import (
    Forbidden,
    HomeportError,
    Invalid,
    NotFound,
    TooLarge,
    VersionMismatch,
)
from homeport.domain.model.writes import Expect
from homeport.domain.operator_records import OperatorRecords
from homeport.domain.search import SearchRequest
from homeport.testing import TestBackend, in_memory

DEFINITION = Definition.of(
    {
        "collections": {
            "recipes": {"schema": {"type": "object", "required": ["title"]}},
            "notes": {"fields": {"title": {"role": "text"}}},
        }
    }
)


@pytest.fixture
def backend() -> TestBackend:
    return in_memory(DEFINITION)


@pytest.fixture
def records(backend: TestBackend) -> OperatorRecords:
    return backend.operator_records


def test_anybodys_records_are_read_and_replaced(
    backend: TestBackend, records: OperatorRecords
) -> None:
    anna = backend.user()
    stored = backend.records.put(anna, "me", "notes", "a", {"title": "old"})
    assert records.get(anna.id, "notes", "a") == stored
    changed = records.put(anna.id, "notes", "a", {"title": "new"}, stored.version)
    assert changed.author == anna.id
    assert changed.version > stored.version
    assert backend.records.get(anna, "me", "notes", "a") == changed
    backend.settle()
    assert [one.record for one in backend.search.search(anna, SearchRequest("new")).hits] == [
        changed
    ]


def test_a_new_record_is_the_operators(backend: TestBackend, records: OperatorRecords) -> None:
    made = records.put("public", "notes", "a", {"title": "news"}, Expect.ABSENT)
    assert (made.author, made.version) == ("operator", made.created)
    reader = backend.guest()
    assert backend.records.get(reader, "public", "notes", "a") == made
    writer = backend.user()
    with pytest.raises(Forbidden):
        backend.records.put(writer, "public", "notes", "a", {"title": "mine"})
    backend.assert_event(collection="notes", author="operator")


def test_versions_are_checked(records: OperatorRecords) -> None:
    first = records.put("public", "notes", "a", {"n": 1})
    second = records.put("public", "notes", "a", {"n": 2}, first.version)
    for expect in (first.version, Expect.ABSENT):
        with pytest.raises(VersionMismatch) as caught:
            records.put("public", "notes", "a", {"n": 3}, expect)
        assert caught.value.current == second
    with pytest.raises(VersionMismatch):
        records.put("public", "notes", "new", {"n": 3}, first.version)


def test_the_schema_holds_for_the_operator_too(records: OperatorRecords) -> None:
    with pytest.raises(Invalid, match="schema of recipes"):
        records.put("public", "recipes", "a", {"name": "soup"})
    with pytest.raises(NotFound, match="no record public/recipes/a"):
        records.get("public", "recipes", "a")
    assert records.put("public", "recipes", "a", {"title": "soup"}).data == {"title": "soup"}


@pytest.mark.parametrize(
    ("place", "data", "error"),
    [
        (("me", "notes", "a"), {}, Invalid),
        ((".anna", "devices", "a"), {}, Invalid),
        (("public", "Notes", "a"), {}, Invalid),
        (("public", "notes", ".a"), {}, Invalid),
        (("public", "undeclared", "a"), {}, Invalid),
        (("anna", "inbox", "a"), {}, Forbidden),
        (("public", "notes", "a"), {"text": "x" * 500_000}, TooLarge),
        (("public", "notes", "a"), {"n": float("nan")}, Invalid),
    ],
)
def test_what_may_not_be_written(
    backend: TestBackend,
    records: OperatorRecords,
    place: tuple[str, str, str],
    data: dict[str, object],
    error: type[HomeportError],
) -> None:
    with pytest.raises(error):
        records.put(*place, data)
    assert backend.events() == []


@pytest.mark.parametrize("space", ["me", ".anna", "", "a/b"])
def test_what_is_no_space_of_anybodys(records: OperatorRecords, space: str) -> None:
    with pytest.raises(Invalid):
        records.get(space, "notes", "a")
    with pytest.raises(Invalid):
        records.page(space, "notes")


def test_a_collection_is_read_a_page_at_a_time(
    backend: TestBackend, records: OperatorRecords
) -> None:
    anna = backend.guest()
    ids = [f"n{number}" for number in range(7)]
    for id in ids:
        backend.records.put(anna, "me", "notes", id, {})
    gone = backend.records.put(anna, "me", "notes", "n3x", {})
    backend.records.delete(anna, "me", "notes", gone.key.id)
    listed = []
    cursor = None
    for _ in range(10):
        page = records.page(anna.id, "notes", 3, cursor)
        assert len(page.records) <= 3
        listed += [one.key.id for one in page.records]
        cursor = page.cursor
        if cursor is None:
            break
    assert listed == ids
    first = records.page(anna.id, "notes", 3)
    with pytest.raises(Invalid):
        records.page(anna.id, "recipes", 3, first.cursor)
    for limit in (0, 101):
        with pytest.raises(Invalid):
            records.page(anna.id, "notes", limit)
    with pytest.raises(NotFound):
        records.get(anna.id, "notes", "n3x")
