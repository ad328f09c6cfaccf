"""Subscribers over the backend in memory: what they are called for, in which order, and what
becomes of a call that raises."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from homeport.definition import Definition, DefinitionError
from homeport.domain.errors import Invalid, NotFound
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.testing.backend import TestBackend, in_memory

calls: list[tuple[str, int | None]] = []
"""The id of each event, and `n` of the record that came with it, None where there was none."""
broken: set[str] = set()
given: list[object] = []
not_a_function = 1


def note(event: RecordChanged, record: Record | None) -> None:
    data = None if record is None else record.data
    calls.append((event.key.id, None if data is None else data["n"]))
    if event.key.id in broken:
        raise SystemExit("on purpose") if event.deleted else ValueError("on purpose")


def other(event: RecordChanged, record: Record | None, backend: object) -> None:
    given.append(backend)


async def later(event: RecordChanged, record: Record | None) -> None:
    raise AssertionError


def too_few(event: RecordChanged) -> None:
    raise AssertionError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    for one in (calls, broken, given):
        one.clear()
    return iter([None])


def made(**functions: str) -> TestBackend:
    subscribers = [
        {"name": name, "on": "notes", "call": f"{__name__}:{call}"}
        for name, call in functions.items()
    ]
    return in_memory(Definition.of({"subscribers": subscribers}))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> TestBackend:
    monkeypatch.setitem(__import__("sys").modules, __name__, SimpleNamespace(**globals()))
    return made(first="note", second="other")


def put(backend: TestBackend, id: str, n: int, collection: str = "notes", space: str = "a") -> None:
    backend.store.write([Put(Key(space, collection, id), "a", Data.of({"n": n}))])


def test_each_change_with_the_record_as_it_is_by_then(backend: TestBackend) -> None:
    put(backend, "x", 1)
    backend.settle()
    put(backend, "x", 2)
    put(backend, "x", 3)
    backend.store.write([Delete(Key("a", "notes", "x"), "a")])
    backend.settle()
    assert calls == [("x", 1), ("x", None), ("x", None), ("x", None)]


def test_hidden_spaces_and_other_collections_are_not_its_business(backend: TestBackend) -> None:
    put(backend, "x", 1, "recipes")
    put(backend, "y", 1, space=".a")
    put(backend, "z", 1)
    backend.settle()
    assert calls == [("z", 1)]


def test_a_parameter_named_backend_gets_it(backend: TestBackend) -> None:
    put(backend, "x", 1)
    backend.settle()
    assert given == [backend]


def test_a_failure_holds_back_its_record_alone(backend: TestBackend) -> None:
    broken.add("x")
    put(backend, "x", 1)
    put(backend, "x", 2)
    put(backend, "y", 1)
    backend.settle()
    assert calls == [("x", 2), ("y", 1)]
    assert len(given) == 3, "the other subscriber goes on"
    broken.clear()
    backend.advance(seconds=1)
    assert calls[2:] == [("x", 2), ("x", 2)]


@pytest.mark.parametrize("deleted", [False, True])
def test_after_five_attempts_it_is_a_dead_letter(backend: TestBackend, deleted: bool) -> None:
    broken.add("x")
    put(backend, "x", 1)
    if deleted:
        backend.settle()
        broken.clear()
        backend.advance(minutes=1)
        broken.add("x")
        calls.clear()
        backend.store.write([Delete(Key("a", "notes", "x"), "a")])
    backend.settle()
    backend.advance(minutes=5)
    assert len(calls) == 5
    letters = backend.undelivered.letters()
    (letter,) = letters
    assert (letter.source, letter.attempts) == ("subscriber:first", 5)
    kind = "SystemExit" if deleted else "ValueError"
    assert letter.cause.startswith(f"{kind}: on purpose (")
    broken.clear()
    put(backend, "x", 2)
    backend.settle()
    calls.clear()
    assert backend.undelivered.redrive(letters) == 1
    backend.settle()
    assert calls == [("x", 2)], "the record as it is by now"
    assert backend.undelivered.letters() == []


def test_dead_letters_are_found_and_dropped(backend: TestBackend) -> None:
    broken.add("x")
    put(backend, "x", 1)
    backend.settle()
    backend.advance(minutes=5)
    letters = backend.undelivered
    id = letters.letters("subscriber:first")[0].id
    assert letters.letters("indexing") == []
    with pytest.raises(NotFound, match="There is no source nobody"):
        letters.letters("nobody")
    with pytest.raises(NotFound, match="There is no dead letter 999"):
        letters.find([id, "999"])
    assert letters.drop(letters.find([id])) == 1
    assert letters.letters() == []


def test_a_stream_that_repeats_repeats_calls(backend: TestBackend) -> None:
    backend.faults.duplicate()
    put(backend, "x", 1)
    put(backend, "y", 2)
    backend.settle()
    assert calls == [("x", 1), ("x", 1), ("y", 2), ("y", 2)]
    backend.faults.clear()
    put(backend, "z", 3)
    backend.settle()
    assert calls[4:] == [("z", 3)]


def test_a_stream_that_was_set_back_calls_for_earlier_changes_again(backend: TestBackend) -> None:
    backend.faults.replay()
    for number in range(10):
        put(backend, f"x{number}", number)
    backend.settle()
    assert len(calls) > 10
    assert set(calls) == {(f"x{number}", number) for number in range(10)}


def test_a_stream_in_another_order_calls_in_that(backend: TestBackend) -> None:
    backend.faults.reorder(seed=1)
    for number in range(20):
        put(backend, f"x{number}", number)
    backend.settle()
    assert calls != sorted(calls, key=lambda call: call[1] or 0)
    assert sorted(calls, key=lambda call: call[1] or 0) == [(f"x{n}", n) for n in range(20)]


def test_a_failure_in_a_disturbed_stream_is_tried_again(backend: TestBackend) -> None:
    backend.faults.duplicate()
    backend.faults.reorder(seed=1)
    broken.add("x3")
    for number in range(5):
        put(backend, f"x{number}", number)
    backend.settle()
    broken.clear()
    backend.advance(minutes=5)
    assert {id for id, _ in calls} == {f"x{number}" for number in range(5)}
    assert backend.dead_letters() == []


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("nowhere", "cannot be imported"),
        ("not_a_function", "is not a function but int"),
        ("later", "must be a plain function"),
        ("too_few", "must take an event and a record"),
    ],
)
def test_what_cannot_be_called_is_refused(backend: TestBackend, call: str, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=rf"^subscribers\[0\]\.call: .* {complaint}"):
        _ = made(one=call).subscribers


def test_a_module_that_is_not_there_is_refused() -> None:
    subscriber = {"name": "one", "on": "notes", "call": "no_such_module:f"}
    backend = in_memory(Definition.of({"subscribers": [subscriber]}))
    with pytest.raises(DefinitionError, match="No module named 'no_such_module'"):
        _ = backend.subscribers


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"name": "No"}, "a subscriber's name is"),
        ({"on": []}, "name at least one collection"),
        ({"on": "No"}, '"No" is not a collection'),
        ({"on": ["notes", "media"]}, "holds nothing"),
        ({"call": "module"}, 'is not "package.module:function"'),
    ],
)
def test_definitions_that_are_wrong(changed: dict[str, object], complaint: str) -> None:
    subscriber = {"name": "one", "on": "notes", "call": "a:b", **changed}
    with pytest.raises(ValueError, match=complaint):
        Definition.of({"subscribers": [subscriber]})


def test_names_and_declarations_are_checked() -> None:
    one = {"name": "one", "on": "notes", "call": "a:b"}
    with pytest.raises(ValueError, match='two subscribers are named "one"'):
        Definition.of({"subscribers": [one, one]})
    with pytest.raises(ValueError, match='is on "notes", which is not declared'):
        Definition.of({"subscribers": [one], "undeclared_collections": "refuse"})


def test_a_source_that_nothing_serves_is_not_redriven(backend: TestBackend) -> None:
    from homeport.domain.dead_letters import DeadLetters

    broken.add("x")
    put(backend, "x", 1)
    backend.settle()
    backend.advance(minutes=5)
    left = DeadLetters(backend.feed, backend.queue, ("indexing",), ("subscriber:first",))
    with pytest.raises(Invalid, match="Nothing delivers to subscriber:first"):
        left.redrive(left.letters())
    assert len(left.letters()) == 1
