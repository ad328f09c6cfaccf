"""What the record store on DynamoDB does beyond its port, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.table import primary_key
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain import limits
from homeport.domain.errors import OutcomeUnknown, TooLarge, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Expect
from homeport.testing.record_support import changed, delete, do, key, patch, put
from tests.aws import faulty
from tests.aws.conftest import Engine
from tests.aws.faulty import Fault, Faulty, answer


class World:
    def __init__(self, engine: Engine, table: str | None = None) -> None:
        self.clock = ManualClock(SystemClock().now())  # else tombstones would be over
        self.faults = Faulty()
        self.clients = Clients(session=engine.session)
        self.faults.stand_before(self.clients)
        self.table = table or engine.table
        self.store = DynamoDBRecordStore(
            self.clients,
            self.clock,
            SystemIds(),
            Catalog(),
            table=self.table,
            sleep=lambda _: None,
        )
        self.space = SystemIds().identity_id()

    def item(self, at: Key) -> dict[str, Any]:
        client: Any = self.clients.get("dynamodb")
        item: dict[str, Any] = client.get_item(TableName=self.table, Key=primary_key(at, 1))["Item"]
        return item


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


# Tombstones


def test_a_tombstone_ends_after_the_retention_and_a_record_does_not(world: World) -> None:
    at = key(world.space)
    do(world.store, put(at))
    assert "ttl" not in world.item(at)
    do(world.store, delete(at))
    expires = int(world.item(at)["ttl"]["N"])
    assert expires == world.clock.now() // 1_000_000 + limits.RETENTION_SECONDS
    assert "d" not in world.item(at)
    do(world.store, put(at))
    left = world.item(at)
    assert not {"ttl", "t", "ta", "tc", "tf"} & left.keys(), "the new record would end with the old"
    # In a transaction too.
    world.store.write([delete(at), put(key(world.space, "other"))])
    assert "ttl" in world.item(at)


# Stamps that come too late


@pytest.mark.parametrize("deleted", [False, True])
def test_a_record_gets_a_new_version_and_is_otherwise_the_same(world: World, deleted: bool) -> None:
    at = key(world.space)
    before = do(world.store, put(at))
    if deleted:
        before = do(world.store, delete(at))
    world.clock.advance(20)
    after = world.store.restamp(at, before.version)
    assert after is not None and after.version > before.version
    assert after._replace(version=before.version) == before
    assert world.store.get(at) == after
    assert changed(world.store, world.space) == [after]


def test_what_has_moved_on_is_left_alone(world: World) -> None:
    at = key(world.space)
    before = do(world.store, put(at))
    now = do(world.store, patch(at, {"n": 2}))
    assert world.store.restamp(at, before.version) is None
    assert world.store.restamp(key(world.space, "none"), before.version) is None
    assert world.store.get(at) == now


def test_a_restamp_whose_answer_was_lost_is_known_again(world: World) -> None:
    at = key(world.space)
    before = do(world.store, put(at))
    world.clock.advance(20)
    world.faults.next.append(faulty.lost)
    after = world.store.restamp(at, before.version)
    assert after is not None and after == world.store.get(at)
    world.faults.always = faulty.never_arrived
    with pytest.raises(OutcomeUnknown):
        world.store.restamp(at, after.version)


# What cannot be


def _says(code: str, message: str = "") -> Fault:
    return lambda _: answer(code, message=message or code)


def _cancels(code: str, message: str = "") -> Fault:
    reasons = [{"Code": "None"}, {"Code": code, "Message": message}]
    return lambda _: answer("TransactionCanceledException", CancellationReasons=reasons)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (_says("ItemCollectionSizeLimitExceededException"), Unavailable, "more `shards`"),
        (_says("ValidationException", "Item size to update has exceeded"), TooLarge, "larger"),
        (_says("AccessDeniedException"), Unavailable, "does not permit UpdateItem"),
        (_says("ResourceNotFoundException"), Unavailable, "aws.table"),
    ],
)
def test_a_write_that_cannot_be_says_what_to_do(
    world: World, fault: Fault, kind: type[Exception], said: str
) -> None:
    world.store.check()
    world.faults.always = fault
    world.faults.sent.clear()
    with pytest.raises(kind, match=said):
        do(world.store, put(key(world.space)))
    assert len(world.faults.sent) == 1, "it was tried again, in vain"


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (_cancels("ItemCollectionSizeLimitExceeded"), Unavailable, "more `shards`"),
        (_cancels("ValidationError", "Item size has exceeded"), TooLarge, "larger"),
        (_cancels("AccessDenied"), Unavailable, "AccessDenied"),
    ],
)
def test_a_transaction_that_cannot_be_says_what_to_do(
    world: World, fault: Fault, kind: type[Exception], said: str
) -> None:
    world.store.check()
    world.faults.always = fault
    with pytest.raises(kind, match=said):
        world.store.write([put(key(world.space, n), expect=Expect.NEVER) for n in "ab"])


def test_a_table_that_is_not_there_is_named_by_its_setting(engine: Engine) -> None:
    missing = World(engine, "homeport-none").store
    calls: list[Callable[[], object]] = [
        missing.check,
        lambda: missing.get(key("space")),
        lambda: do(missing, put(key("space"))),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match=r"aws\.table"):
            call()
