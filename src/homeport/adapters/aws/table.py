"""The one table: how it is cut, and how keys are written. Deployment and tests create it from here.

| what | `pk` | `sk` | in the local index `changes`, `lk` |
|---|---|---|---|
| a record | `space#shard` | `collection#id` | `collection#version#id`, version in 16 hex digits |
| a member of a space | `space#members` | `identity` | |
| a space of an identity | `identity#spaces` | `space` | |
| the number of these | `identity#spaces` | `#count` | |
| the shards of the collections | `#layout` | `#` | |

`#` stands in no space, collection or id, and sorts before all of their characters: so
`collection#` begins the keys of that collection alone, and of no other.

A record that lives has `a` (author), `c` (version of its creation), `f` (digest of its first
data) and `d` (the data). A tombstone has the mark `t`, keeps the former three as `ta`, `tc` and
`tf`, and ends at `ttl`. Both have `v` (version) and `w1` to `w4`, the ids of their last writes.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.model import versions
from homeport.domain.model.record import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef

INDEX: Final = "changes"
TTL: Final = "ttl"
STREAM: Final = "NEW_AND_OLD_IMAGES"
"""The new image alone would not say which version a record had before, nor whose the tombstone
was that time has removed."""

LAYOUT: Final = ("#layout", "#")
MEMBERS: Final = "members"
SPACES: Final = "spaces"
COUNT: Final = "#count"

SEPARATOR: Final = "#"
BEYOND: Final = "$"
"""Sorts right after the separator: `collection$` is where the keys of `collection` end."""


def definition(name: str) -> CreateTableInputTypeDef:
    """What CreateTable takes; that tombstones end at `ttl` is a setting of its own."""
    return {
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": one, "AttributeType": "S"} for one in ("pk", "sk", "lk")
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "lk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["t"]},
            }
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": STREAM},
    }


def shard_of(record_id: str, shards: int) -> int:
    """Which of a collection's shards a record stands in, for good."""
    return zlib.crc32(record_id.encode()) % shards if shards > 1 else 0


def partition(space: str, shard: int) -> str:
    return f"{space}{SEPARATOR}{shard}"


def sort_key(collection: str, record_id: str) -> str:
    return f"{collection}{SEPARATOR}{record_id}"


def index_key(collection: str, version: int, record_id: str) -> str:
    return f"{collection}{SEPARATOR}{versions.to_text(version)}{SEPARATOR}{record_id}"


def primary_key(key: Key, shards: int) -> dict[str, Any]:
    """As a request takes it."""
    return item_key(partition(key.space, shard_of(key.id, shards)), sort_key(*key[1:]))


def member_key(space: str, identity: str) -> dict[str, Any]:
    return item_key(f"{space}{SEPARATOR}{MEMBERS}", identity)


def space_key(identity: str, space: str) -> dict[str, Any]:
    return item_key(f"{identity}{SEPARATOR}{SPACES}", space)


def item_key(hash_key: str, range_key: str) -> dict[str, Any]:
    return {"pk": {"S": hash_key}, "sk": {"S": range_key}}


def record_key(item: dict[str, Any]) -> Key:
    """Whose item this is; of a record's item."""
    space, _, _ = item["pk"]["S"].rpartition(SEPARATOR)
    collection, _, record_id = item["sk"]["S"].partition(SEPARATOR)
    return Key(space, collection, record_id)
