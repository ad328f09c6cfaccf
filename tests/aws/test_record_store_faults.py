"""Throttling, lost answers, delays: a call ends in success, or in a retryable error of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.membership import OWNERS, WRITERS, Membership, Role
from homeport.domain.model.record import Record
from homeport.domain.model.writes import (
    Delete,
    Expect,
    Guard,
    Patch,
    Put,
    Reason,
    Write,
    WriteRefused,
)
from homeport.testing.record_support import ANNA, BEN, at_once, changed, delete, do, key, patch, put
from tests.aws import faulty
from tests.aws.conftest import Engine
from tests.aws.faulty import Fault, Faulty


class World:
    """A store with trouble on its line, and another one, without, over the same table."""

    def __init__(self, engine: Engine) -> None:
        self.clock = ManualClock(SystemClock().now())  # else tombstones would be over
        self.faults = Faulty()
        self.waits: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []
        """What others do while the store waits for its next attempt."""
        troubled = Clients(session=engine.session)
        self.faults.stand_before(troubled)
        self.store = self._store(troubled, engine)
        self.other = self._store(engine.clients, engine)
        self.space = SystemIds().identity_id()
        self.store.check()
        self.faults.sent.clear()

    def _store(self, clients: Clients, engine: Engine) -> DynamoDBRecordStore:
        return DynamoDBRecordStore(
            clients, self.clock, SystemIds(), Catalog(), table=engine.table, sleep=self._sleep
        )

    def _sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= 1
        self.waits.append(seconds)
        self.clock.advance(0.01)
        while self.meanwhile:
            self.meanwhile.pop(0)()

    def next(self, *faults: Fault) -> None:
        self.faults.next.extend(faults)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


_LOST = pytest.mark.parametrize("fault", [faulty.lost, faulty.failed_after])

# Throttling, and what never arrives


def _writes(space: str) -> dict[str, list[Write]]:
    return {
        "put": [put(key(space))],
        "create": [put(key(space, "new"), expect=Expect.NEVER)],
        "patch": [patch(key(space), {"a": 1})],
        "deep patch": [patch(key(space), {"a": {"b": 1}})],
        "delete": [delete(key(space))],
        "batch": [put(key(space, "new")), patch(key(space), {"a": 1}), delete(key(space, "s"))],
        "creations": [put(key(space, f"n{n}"), expect=Expect.ABSENT) for n in range(3)],
    }


_KINDS = pytest.mark.parametrize("kind", list(_writes("")))


def _prepared(world: World, kind: str) -> list[Write]:
    world.other.write([put(key(world.space)), put(key(world.space, "s"))])
    world.clock.advance(1)  # so that no stamp is in another's way
    return _writes(world.space)[kind]


@_KINDS
@pytest.mark.parametrize(
    "fault", [faulty.throttled, faulty.unreachable, faulty.never_arrived, faulty.failed]
)
def test_a_write_is_tried_again(world: World, kind: str, fault: Fault) -> None:
    writes = _prepared(world, kind)
    world.next(fault, fault)
    records = world.store.write(writes)
    assert len(world.waits) == 2
    assert world.other.get_many([one.key for one in writes]) == records


@_KINDS
@pytest.mark.parametrize("fault", [faulty.throttled, faulty.unreachable])
def test_what_was_surely_not_written_is_said_so(world: World, kind: str, fault: Fault) -> None:
    writes = _prepared(world, kind)
    before = changed(world.other, world.space)
    world.faults.always = fault
    with pytest.raises(Unavailable) as raised:
        world.store.write(writes)
    assert not isinstance(raised.value, OutcomeUnknown)
    assert isinstance(raised.value, Overloaded) == (fault is faulty.throttled)
    assert len(world.waits) == 5
    assert changed(world.other, world.space) == before


def test_every_attempt_has_its_own_stamp_and_token(world: World) -> None:
    world.next(faulty.in_conflict, faulty.throttled, faulty.lost)
    world.store.write([put(key(world.space, f"n{n}"), expect=Expect.ABSENT) for n in range(2)])
    tokens = [body["ClientRequestToken"] for _, body in world.faults.sent]
    assert len(tokens) == len(set(tokens)) == 4


def test_others_that_come_first_forever_make_it_overloaded(world: World) -> None:
    world.faults.always = faulty.in_conflict
    with pytest.raises(Overloaded):
        world.store.write(_writes(world.space)["creations"])
    assert len(world.waits) > 30


# Answers that are lost


@_KINDS
@_LOST
@pytest.mark.parametrize("guarded", [False, True])
def test_a_write_whose_answer_was_lost_is_known_again(
    world: World, kind: str, fault: Fault, guarded: bool
) -> None:
    writes = _prepared(world, kind)
    guard = Guard(world.space, ANNA, WRITERS) if guarded else None
    world.other.put_membership(Membership(world.space, ANNA, Role.WRITER))
    reads = 1 if kind == "deep patch" or (guarded or len(writes) > 1) else 0
    if kind == "creations" or (guarded and kind == "create"):
        reads = 0
    world.next(*[faulty.fine] * reads, fault)
    records = world.store.write(writes, guard)
    assert world.other.get_many([one.key for one in writes]) == records
    first = next(body for name, body in world.faults.sent if name.endswith(("teItem", "teItems")))
    assert f'"{records[0].version}"' in str(first).replace("'", '"'), "it was written twice"


@_LOST
def test_a_put_is_known_again_though_others_have_written_since(world: World, fault: Fault) -> None:
    do(world.other, put(key(world.space), author=BEN))
    world.clock.advance(1)
    world.next(fault)
    world.meanwhile.append(lambda: do(world.other, patch(key(world.space), {"more": 1})))
    record = do(world.store, put(key(world.space), {"mine": 1}))
    now = world.other.get(key(world.space))
    assert now is not None and now.version > record.version
    assert now.data == {"mine": 1, "more": 1}
    assert record == Record(
        key(world.space), BEN, record.version, now.created, Data.of({"mine": 1}), ""
    )


@_LOST
@pytest.mark.parametrize("kind", ["patch", "delete"])
def test_what_a_write_made_is_not_guessed(world: World, kind: str, fault: Fault) -> None:
    (write,) = _prepared(world, kind)
    world.next(fault)
    world.meanwhile.append(lambda: do(world.other, put(key(world.space), {"n": 9})))
    with pytest.raises(OutcomeUnknown):
        do(world.store, write)
    now = world.other.get(key(world.space))
    assert now is not None and now.data == {"n": 9}, "it was done once more, over another's"


@pytest.mark.parametrize("fault", [faulty.lost, faulty.never_arrived])
def test_what_four_others_have_written_over_cannot_be_told(world: World, fault: Fault) -> None:
    do(world.other, put(key(world.space)))
    world.next(fault)
    for _ in range(4):
        world.meanwhile.append(lambda: do(world.other, put(key(world.space), {"n": 9})))
    record = do(world.other, put(key(world.space)))
    with pytest.raises(OutcomeUnknown):
        do(world.store, put(key(world.space), expect=record.version))


def test_a_conflict_beside_what_cannot_be_told_does_not_tell_it(world: World) -> None:
    """A transaction says of the other record that it was busy, not that its condition held."""
    first, second = key(world.space, "a"), key(world.space, "b")
    records = world.other.write([put(first), put(second)])

    def refused_by_one(send: Callable[[], Any]) -> Any:
        cancelled = json.loads(send().content)
        _, other = cancelled["CancellationReasons"]
        assert other["Code"] == "None"
        other["Code"] = "TransactionConflict"
        return faulty.answer(
            "TransactionCanceledException", CancellationReasons=cancelled["CancellationReasons"]
        )

    for _ in range(4):
        world.meanwhile.append(lambda: do(world.other, put(first, {"n": 9})))
    world.next(faulty.fine, faulty.never_arrived, refused_by_one)
    with pytest.raises(OutcomeUnknown):
        world.store.write([put(first, expect=records[0].version), put(second)])


def test_a_write_that_was_not_done_is_refused_all_the_same(world: World) -> None:
    record = do(world.other, put(key(world.space)))
    world.next(faulty.never_arrived)
    world.meanwhile.append(lambda: do(world.other, put(key(world.space), {"n": 9})))
    with pytest.raises(WriteRefused) as refused:
        do(world.store, put(key(world.space), expect=record.version))
    assert refused.value.reason is Reason.VERSION
    assert refused.value.current == world.other.get(key(world.space))


@_KINDS
@pytest.mark.parametrize("fault", [faulty.lost, faulty.never_arrived, faulty.failed])
def test_without_any_answer_the_outcome_is_unknown(world: World, kind: str, fault: Fault) -> None:
    writes = _prepared(world, kind)
    reads = 1 if kind in ("deep patch", "batch") else 0
    world.next(*[faulty.fine] * reads)
    world.faults.always = fault
    with pytest.raises(OutcomeUnknown):
        world.store.write(writes)


def test_a_change_of_ones_own_role_is_not_judged_twice(world: World) -> None:
    """Once it is done, its guard holds no more: the same transaction says so, and no new one."""
    space = world.space
    world.other.put_membership(Membership(space, ANNA, Role.OWNER))
    world.next(faulty.lost)
    world.store.put_membership(Membership(space, ANNA, Role.READER), Guard(space, ANNA, OWNERS))
    assert world.other.membership(space, ANNA) == Membership(space, ANNA, Role.READER)
    world.next(faulty.lost)
    world.store.put_membership(Membership(space, BEN, Role.READER))
    world.next(faulty.lost)
    world.store.remove_membership(space, BEN)
    assert len(world.other.members(space)) == 1
    assert space not in [one.space for one in world.other.memberships(BEN)]


# Reading


@pytest.mark.parametrize("fault", [faulty.throttled, faulty.lost, faulty.failed])
def test_a_read_is_tried_again(world: World, fault: Fault) -> None:
    record = do(world.other, put(key(world.space)))
    reads: list[Callable[[], Record | None]] = [
        lambda: world.store.get(key(world.space)),
        lambda: world.store.get_many([key(world.space)])[0],
        lambda: changed(world.store, world.space)[0],
    ]
    for read in reads:
        world.next(fault, fault)
        assert read() == record
    world.faults.always = fault
    with pytest.raises(Unavailable):
        world.store.get(key(world.space))


def test_keys_that_were_left_undone_are_asked_for_again(world: World) -> None:
    records = world.other.write([put(key(world.space, f"r{n}")) for n in range(9)])
    keys = [record.key for record in records]
    world.next(faulty.half_done, faulty.throttled, faulty.half_done)
    assert world.store.get_many([*keys, key(world.space, "none"), keys[0]]) == [
        *records,
        None,
        records[0],
    ]
    asked = [
        len(next(iter(body["RequestItems"].values()))["Keys"]) for _, body in world.faults.sent
    ]
    assert asked == [10, 5, 5, 3]
    world.faults.always = faulty.half_done
    with pytest.raises(Overloaded):  # half of the last one is none, forever
        world.store.get_many(keys)


# Everything at once


def _any_write(draw: random.Random, space: str) -> Write:
    at = key(space, f"r{draw.randrange(3)}")
    kind = draw.random()
    if kind < 0.5:
        return Put(at, ANNA, Data.of({"n": draw.randrange(1000)}))
    if kind < 0.8:
        return Patch(at, ANNA, {f"p{draw.randrange(3)}": draw.randrange(1000)})
    return Delete(at, ANNA)


_ANY: Sequence[Fault] = (
    faulty.throttled,
    faulty.unreachable,
    faulty.never_arrived,
    faulty.lost,
    faulty.failed,
    faulty.failed_after,
)


@pytest.mark.parametrize("seed", range(6))
def test_no_trouble_ever_makes_an_answer_wrong(world: World, seed: int) -> None:
    """A write that succeeded is there, one that was refused or failed is not, and one whose
    outcome is unknown is there whole or not at all."""
    draw = random.Random(seed)

    def trouble(send: faulty.Send) -> Any:
        return draw.choice(_ANY)(send) if draw.random() < 0.4 else send()

    world.faults.always = trouble
    for _ in range(40):
        write = _any_write(draw, world.space)
        before = world.other.get(write.key)
        world.clock.advance(0.001)
        (outcome,) = at_once([partial(do, world.store, write)])
        after = world.other.get(write.key)
        if isinstance(outcome, Record):
            assert after == outcome and _is_made_by(write, before, outcome)
        elif isinstance(outcome, WriteRefused):
            assert outcome.current == before == after
            assert before is None or before.deleted
        elif isinstance(outcome, OutcomeUnknown):
            assert after == before or (after is not None and _is_made_by(write, before, after))
        else:
            assert isinstance(outcome, Unavailable)
            assert after == before


def _is_made_by(write: Write, before: Record | None, after: Record) -> bool:
    if isinstance(write, Put):
        return after.data == write.data
    if isinstance(write, Delete):
        return after.deleted
    assert before is not None and before.data is not None
    return after.data == {**before.data, **write.patch}
