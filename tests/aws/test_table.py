"""The table as it is created, and its keys."""

from __future__ import annotations

import string
from typing import Any

import boto3

from homeport.adapters.aws import table
from homeport.adapters.aws.clients import Clients
from homeport.domain.model.record import Key
from tests.aws.conftest import Engine
from tests.aws.resources import create_table, delete_table

_ALPHABET = string.ascii_letters + string.digits + "_-."


def _check(clients: Clients) -> None:
    client: Any = clients.get("dynamodb")
    name = create_table(clients)
    found = client.describe_table(TableName=name)["Table"]
    definition: Any = table.definition(name)
    assert found["KeySchema"] == definition["KeySchema"]
    (index,) = found["LocalSecondaryIndexes"]
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["t"]}
    assert found["StreamSpecification"]["StreamViewType"] == table.STREAM
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == table.TTL and ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
    delete_table(clients, name)


def test_the_table_is_created_in_moto(moto_session: boto3.Session) -> None:
    _check(Clients(session=moto_session))


def test_the_table_is_created(engine: Engine) -> None:
    _check(engine.clients)


def test_the_separator_sorts_before_every_character_of_a_name() -> None:
    """Else the keys of `notes` would not stand together, apart from those of `notes_`."""
    assert all(table.SEPARATOR < table.BEYOND < one for one in _ALPHABET)


def test_a_key_is_read_from_its_item() -> None:
    for key in (Key("anna", "notes", "r"), Key(".anna", "a_b", "c.d-e_f")):
        for shards in (1, 64):
            assert table.record_key(table.primary_key(key, shards)) == key


def test_records_are_spread_over_all_shards() -> None:
    found = {table.shard_of(f"r{n}", 64) for n in range(2_000)}
    assert found == set(range(64))
    assert table.shard_of("r1", 1) == 0
