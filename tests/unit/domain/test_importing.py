"""What an export holds, and what an import makes of it: line by line, in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import limits
from homeport.domain.devices import block_key
from homeport.domain.errors import Conflict, Invalid, TooLarge, Unavailable
from homeport.domain.exporting import entries
from homeport.domain.importing import Tally
from homeport.domain.interchange import LINE_BYTES, End, Header, NewerFormat, parse, render
from homeport.domain.model.data import Data, encode
from homeport.domain.model.identity import Identity
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put, Write
from tests.unit.domain.interchange import (
    ALL,
    CLOSED,
    empty,
    exported,
    imported,
    put,
    unstamped,
)
from tests.unit.domain.tables import check_each


def line_of(**changes: Any) -> str:
    """A record's line, with some values changed, or left out where they are None."""
    whole = {"type": "record", "space": "ann", "collection": "notes", "id": "a", "author": "ann"}
    changed = {**whole, "data": {}, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not None})


def test_the_deepest_data_passes() -> None:
    value: Any = 1
    for _ in range(limits.NESTING - 1):
        value = [value]
    source, target = empty(), empty()
    source.write([put("ann", "deep", {"deep": value})])
    imported(target, exported(source))
    assert unstamped(exported(target)) == unstamped(exported(source))


def test_no_record_takes_a_longer_line_than_is_read() -> None:
    room = limits.RECORD_BYTES - 1_200

    def fits(text: str) -> None:
        source = empty()
        value: dict[str, Any] = {"text": text * (room // len(text.encode()))}
        # Known to be sound: looking for what is wrong takes longest.
        data = Data(encode(value), value)
        source.write([Put(Key("ann", "notes", "big"), "ann", data, first="")])
        (line,) = exported(source)
        assert len(line.encode()) <= LINE_BYTES
        if not text.isascii():
            # Other programs may write it like this, and no longer.
            assert len(json.dumps(line)) <= LINE_BYTES

    check_each(fits, ["\x01", "\U0001f600", "ä", "0"])


def test_what_is_hidden_or_deleted_stays_out_and_blocks_do_not() -> None:
    source = empty()
    source.write([put("ann", "kept", {}), put("ann", "gone", {})])
    source.write([Delete(Key("ann", "notes", "gone"), "ann")])
    source.write([put(".ann", "phone", {"token": "secret"}, "devices")])
    source.write([Put(block_key("ann", "ben"), "ann", Data.of({}))])
    keys = [(one["space"], one["id"]) for one in map(json.loads, exported(source))]
    assert keys == [(".ann", "ben"), ("ann", "kept")]
    target = empty()
    assert imported(target, exported(source), CLOSED).done.records == Tally(created=2)
    assert target.get(block_key("ann", "ben")) is not None


def test_it_can_be_narrowed() -> None:
    source = empty()
    for space in ("ann", "ben", ".ann"):
        name = "blocks" if space == ".ann" else "notes"
        source.write([put(space, "a", {}, name), put(space, "b", {"title": ""}, "recipes")])
    source.put_membership(Membership("ann", "ben", Role.READER))

    def kinds(spaces: set[str], collections: set[str]) -> list[str]:
        header = Header("0.1.0", 0, frozenset(spaces), frozenset(collections))
        found = map(json.loads, exported(source, header))
        return [f"{one['space']}/{one.get('collection', 'members')}" for one in found]

    assert kinds({"ann"}, set()) == [".ann/blocks", "ann/members", "ann/notes", "ann/recipes"]
    assert kinds(set(), {"recipes"}) == ["ann/recipes", "ben/recipes"]
    assert kinds({"ben"}, {"notes"}) == ["ben/notes"]
    assert kinds({"nobody"}, set()) == []


def test_it_goes_on_after_any_record() -> None:
    source = empty()
    for space in ("ann", "ben"):
        source.write([put(space, str(n), {}) for n in range(3)])
        source.put_membership(Membership(space, "cleo", Role.READER))
    whole = list(entries(source, ALL))
    for place, one in enumerate(whole):
        if isinstance(one, Record):
            assert list(entries(source, ALL, one.key)) == whole[place + 1 :]


class TestConflicts:
    def test_what_is_there_stays(self) -> None:
        store = empty()
        store.write([put("ann", "same", {"n": 1}), put("ann", "other", {"n": 1})])
        store.write([put("ann", "gone", {})])
        store.write([Delete(Key("ann", "notes", "gone"), "ann")])
        before = list(store.scan(0, 1, 10))
        lines = [
            line_of(id="same", data={"n": 1}),
            line_of(id="other", data={"n": True}),
            line_of(id="gone"),
        ]
        done = imported(store, lines).done
        assert done.records == Tally(unchanged=1, conflicts=2)
        assert [key.id for key in done.conflicting] == ["other", "gone"]
        assert list(store.scan(0, 1, 10)) == before

    def test_json_tells_apart_what_python_takes_for_the_same(self) -> None:
        def tally(other: Any) -> Tally:
            store = empty()
            store.write([put("ann", "a", {"n": 1})])
            return imported(store, [line_of(data={"n": other})]).done.records

        check_each(tally, [1.0, "1", True, None, [1], {"n": 1}, 2], Tally(conflicts=1))

    def test_it_is_replaced_where_that_is_wanted(self) -> None:
        store = empty()
        store.write([put("ann", "other", {"n": 1}), put("ann", "same", {"n": 1})])
        store.write([put("ann", "gone", {})])
        store.write([Delete(Key("ann", "notes", "gone"), "ann")])
        lines = [line_of(id=id, data={"n": 1.0}) for id in ("other", "gone")]
        lines.append(line_of(id="same", data={"n": 1}))
        assert imported(store, lines, replace=True).done.records == Tally(replaced=2, unchanged=1)
        again = imported(store, lines, replace=True)
        assert again.done.records == Tally(unchanged=3)

    def test_another_authors_is_never_replaced(self) -> None:
        store = empty()
        store.write([put("ann", "a", {"n": 1})])
        lines = [line_of(author="ben", data={"n": 1}), line_of(author="ben", data={"n": 2})]
        done = imported(store, lines, replace=True).done
        assert done.records == Tally(conflicts=2)

    def test_one_record_twice_in_a_file(self) -> None:
        lines = [line_of(data={"n": n}) for n in (1, 1, 2)]
        done = imported(empty(), lines).done
        assert done.records == Tally(created=1, unchanged=1, conflicts=1)

    def test_memberships(self) -> None:
        store = empty()
        store.put_membership(Membership("team", "ann", Role.OWNER))

        def tally(role: str, *, replace: bool = False) -> Tally:
            line = {"type": "membership", "space": "team", "identity": "ann", "role": role}
            return imported(store, [json.dumps(line)], replace=replace).done.memberships

        assert tally("owner") == Tally(unchanged=1)
        assert tally("reader") == Tally(conflicts=1)
        assert tally("reader", replace=True) == Tally(replaced=1)
        assert store.membership("team", "ann") == Membership("team", "ann", Role.READER)

    def test_one_space_too_many(self) -> None:
        store = empty()
        for n in range(limits.SPACES):
            store.put_membership(Membership(f"s{n}", "ann", Role.READER))
        with pytest.raises(Conflict):
            imported(store, [render(Membership("one-more", "ann", Role.READER))])


class TestBatches:
    def test_they_keep_to_what_a_transaction_takes(self) -> None:
        def puts(count: int, data: Data) -> list[Put]:
            return [Put(Key("ann", "notes", f"{n}"), "ann", data) for n in range(count)]

        # A character of JSON may count for six bytes.
        half = "x" * (limits.TRANSACTION_BYTES // 6 // 2 - len('{"text":""}'))
        for given, expected in (
            (puts(200, Data.of({})), [90, 90, 20]),
            (puts(5, Data.of({"text": half})), [2, 2, 1]),
            (puts(2, Data.of({"text": half + "x"})), [1, 1]),
        ):
            store, sizes = empty(), list[int]()
            store.meanwhile = lambda writes, sizes=sizes: sizes.append(len(writes))
            imported(store, given)
            assert sizes == expected

    def test_who_writes_beside_it_is_not_overwritten(self) -> None:
        store = empty()
        moves = iter([{"n": 1}])

        def meanwhile(_: Sequence[Write]) -> None:
            for data in moves:
                MemoryRecordStore.write(store, [put("ann", "a", data)])

        store.meanwhile = meanwhile
        lines = [line_of(id="a", data={"n": 2}), line_of(id="b")]
        done = imported(store, lines).done
        assert done.records == Tally(created=1, conflicts=1)
        record = store.get(Key("ann", "notes", "a"))
        assert record is not None and record.data == {"n": 1}

    def test_it_gives_up_where_others_never_stop(self) -> None:
        store = empty()
        numbers = iter(range(100))

        def meanwhile(_: Sequence[Write]) -> None:
            MemoryRecordStore.write(store, [put("ann", "a", {"n": next(numbers)})])

        meanwhile([])
        store.meanwhile = meanwhile
        with pytest.raises(Unavailable):
            imported(store, [line_of(id="a")], replace=True)


RECIPE = {"collection": "recipes", "data": {"title": 1}}
SENT = {"to": ["ben"], "title": "", "text": "", "data": {}, "state": "accepted"}
INBOX = {"from": "ben", "message": "m", "title": "", "text": "", "data": {}, "read": False}


def test_what_is_refused() -> None:
    def refused(case: tuple[str, str]) -> None:
        line, pointer = case
        store = empty()
        with pytest.raises(Invalid) as caught:
            imported(store, [line])
        assert pointer in [fault.pointer for fault in caught.value.faults]
        assert store.scan(0, 1, 10) == []

    check_each(
        refused,
        [
            ("", ""),
            ("{", ""),
            ("[]", ""),
            ("{}", "/type"),
            ('{"type":["record"]}', "/type"),
            ('{"type":"record","type":"record"}', "/type"),
            (line_of(data=None), "/data"),
            (line_of(data=[]), "/data"),
            (line_of(data="x"), "/data"),
            (line_of(data={"x": [10**40 + 1]}), "/data/x/0"),
            (line_of().replace("{}", '{"a":1,"a":2}'), "/data/a"),
            (line_of().replace("{}", '{"a":NaN}'), "/data/a"),
            (line_of(data={"x": "\ud800"}), "/data/x"),
            (line_of(space=7), "/space"),
            (line_of(space="."), "/space"),
            (line_of(space="..ann"), "/space"),
            (line_of(space="me"), "/space"),
            (line_of(space=".ann", collection="devices"), "/space"),
            (line_of(collection="Notes"), "/collection"),
            (line_of(collection="spaces"), "/collection"),
            (line_of(collection="sent"), "/data/to"),
            (line_of(collection="inbox", data={**INBOX, "read": 1}), "/data/read"),
            (line_of(collection="sent", data={**SENT, "state": "lost"}), "/data/state"),
            (line_of(collection="sent", data={**SENT, "to": [{}]}), "/data/to"),
            (line_of(space="public", collection="odd"), "/collection"),
            (line_of(id="a/b"), "/id"),
            (line_of(author=""), "/author"),
            (line_of(first="x" * 33), "/first"),
            (line_of(version=1), "/version"),
            (line_of(extra=1), "/extra"),
            (line_of(**RECIPE), "/data/title"),
            ('{"type":"membership","space":"team","identity":"ann","role":"king"}', "/role"),
            ('{"type":"membership","space":"public","identity":"ann","role":"owner"}', "/space"),
            ('{"type":"membership","space":"ann","identity":"ann","role":"owner"}', "/space"),
            ('{"type":"membership","space":".a","identity":"ann","role":"owner"}', "/space"),
            ('{"type":"end","records":true,"memberships":0}', "/records"),
            ('{"type":"homeport-export","format":0,"homeport":"","made":"2026-01-01"}', "/format"),
            ('{"type":"homeport-export","format":1,"homeport":"","made":"today"}', "/made"),
        ],
    )


class TestPrivateSpaces:
    """Nobody is a member of one: it would let them in for good."""

    def test_a_membership_of_one_is_refused(self) -> None:
        identities = MemoryIdentityProvider(ManualClock(), SequentialIds())
        owner = identities.guest().identity.id
        identities.disable(owner)
        store = empty()
        line = render(Membership(owner, "mallory", Role.OWNER))
        with pytest.raises(Invalid) as refused:
            imported(store, [line], identities=identities)
        assert [fault.pointer for fault in refused.value.faults] == ["/space"]
        assert store.membership(owner, "mallory") is None

    def test_also_after_one_of_a_shared_space(self) -> None:
        identities = MemoryIdentityProvider(ManualClock(), SequentialIds())
        owner = identities.guest().identity.id
        store = empty()
        spaces = ["team", "team", owner]
        members = [Membership(one, f"m{n}", Role.READER) for n, one in enumerate(spaces)]
        with pytest.raises(Invalid):
            imported(store, list(map(render, members)), identities=identities)
        assert store.members("team") == members[:2]
        assert store.members(owner) == []

    def test_the_provider_is_asked_once_for_a_space(self) -> None:
        asked: list[str] = []

        class Provider(MemoryIdentityProvider):
            def find(self, identity: str) -> Identity | None:
                asked.append(identity)
                return super().find(identity)

        members = [Membership(f"s{n // 3}", f"m{n}", Role.READER) for n in range(6)]
        provider = Provider(ManualClock(), SequentialIds())
        imported(empty(), list(map(render, members)), identities=provider)
        assert asked == ["s0", "s1"]


def test_more_that_is_refused() -> None:
    with pytest.raises(Invalid):
        parse(b'{"type":"\xff"}')
    deep: Any = {}
    for _ in range(limits.NESTING):
        deep = {"a": deep}
    with pytest.raises(Invalid):
        parse(line_of(data=deep))
    with pytest.raises(TooLarge):
        imported(empty(), [line_of(data={"x": "x" * limits.RECORD_BYTES})])
    with pytest.raises(Invalid):
        imported(empty(), [line_of(collection="other")], CLOSED)
    with pytest.raises(NewerFormat):
        parse('{"type":"homeport-export","format":2,"anything":"new"}')


def test_messages_pass() -> None:
    deep: Any = 1
    for _ in range(limits.NESTING - 1):
        deep = [deep]
    lines = [
        line_of(collection="sent", data={**SENT, "data": {"deep": deep}, "edited": True}),
        line_of(collection="inbox", author="ben", data=INBOX),
    ]
    assert imported(empty(), lines, CLOSED).done.records == Tally(created=2)


def test_every_line_says_what_it_was_made_from() -> None:
    header = Header("0.1.0", 1_767_225_600_000_000, frozenset({"b", "a"}), frozenset({"notes"}))
    for line in (header, ALL, End(3, 4), Membership("team", "ann", Role.WRITER)):
        assert parse(render(line)) == line
    assert '"spaces":["a","b"]' in render(header)
    record = Record(Key("ann", "notes", "a"), "ben", 5 << 12, 4 << 12, Data.of({}), "f" * 32)
    assert json.loads(render(record)) == {
        "type": "record",
        "space": "ann",
        "collection": "notes",
        "id": "a",
        "author": "ben",
        "version": f"{5 << 12:016x}",
        "created": "2025-01-01T00:00:00.000004Z",
        "updated": "2025-01-01T00:00:00.000005Z",
        "first": "f" * 32,
        "data": {},
    }
    read = parse(render(record))
    assert isinstance(read, Put)
    assert (read.key, read.author, read.data, read.first) == (
        record.key, "ben", Data.of({}), "f" * 32,
    )  # fmt: skip
