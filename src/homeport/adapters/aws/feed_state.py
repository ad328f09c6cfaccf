"""How far a consumer of the stream is, kept in the table beside the records.

    pk `#feed#CONSUMER`   sk `#position`                       where its reading goes on
                          sk `held#VERSION#SPACE#COLLECTION#ID`  an event that waits
    pk `#feeds`           sk `CONSUMER`                        that there is this consumer

No space has such a name, and the items have no version, so that neither the record store nor
the stream's consumers take them for records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import translated
from homeport.domain.events import RecordChanged

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

AT_ONCE: Final = 0
DONE: Final = "done"
"""The replay's place once all older records were handed over."""
_POSITION: Final = "#position"
_KNOWN: Final = {"S": "#feeds"}


@dataclass(slots=True)
class Position:
    """`replay` is the last key, as JSON, of the records from before the stream's memory that
    were handed over; "" at their beginning, which was at `began`. `shards` are the reader's
    positions as of `at`. Times are in microseconds since 1970."""

    replay: str = ""
    shards: dict[str, str] = field(default_factory=dict)
    began: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """An event that waits: for its next attempt, or behind an earlier one of its record.
    `attempts` are those that failed; `due` is in microseconds since 1970."""

    event: RecordChanged
    attempts: int = 0
    due: int = AT_ONCE


class FeedState:
    """One consumer's state. Nothing is kept in the process: another one can go on."""

    def __init__(self, clients: Clients, table: str, consumer: str) -> None:
        self._clients = clients
        self._table = table
        self._consumer = consumer
        self._partition = {"S": f"#feed#{consumer}"}

    def register(self) -> None:
        """Let `known_consumers` name this one."""
        self._put_item({"pk": _KNOWN, "sk": {"S": self._consumer}})

    def forget(self) -> None:
        """Keep nothing more of this consumer. Where it is interrupted, it is still known."""
        for item in _query(self._clients, self._table, self._partition):
            self._delete({"pk": item["pk"], "sk": item["sk"]})
        self._delete({"pk": _KNOWN, "sk": {"S": self._consumer}})

    def position(self) -> Position | None:
        """None for a consumer that was never here."""
        try:
            found = self._clients.get("dynamodb").get_item(
                TableName=self._table,
                Key={"pk": self._partition, "sk": {"S": _POSITION}},
                ConsistentRead=True,
            )
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc
        item: Any = found.get("Item")
        if item is None:
            return None
        began, at = (int(item[name]["N"]) for name in ("began", "at"))
        return Position(item["replay"]["S"], json.loads(item["shards"]["S"]), began, at)

    def move(self, position: Position) -> None:
        self._put(
            _POSITION,
            {
                "replay": {"S": position.replay},
                "shards": {"S": json.dumps(position.shards)},
                "began": {"N": str(position.began)},
                "at": {"N": str(position.at)},
            },
        )

    def held(self) -> Iterator[Held]:
        """All that waits, by version."""
        for item in _query(self._clients, self._table, self._partition, "held#"):
            event = RecordChanged.from_json(item["event"]["S"])
            yield Held(event, int(item["attempts"]["N"]), int(item["due"]["N"]))

    def hold(self, one: Held) -> None:
        self._put(
            _place(one.event),
            {
                "event": {"S": one.event.to_json()},
                "attempts": {"N": str(one.attempts)},
                "due": {"N": str(one.due)},
            },
        )

    def release(self, event: RecordChanged) -> None:
        """Nothing happens where it is not held."""
        self._delete({"pk": self._partition, "sk": {"S": _place(event)}})

    def _put(self, place: str, attributes: dict[str, Any]) -> None:
        self._put_item({"pk": self._partition, "sk": {"S": place}, **attributes})

    # Each of these writes may be sent again as it is, so trouble simply repeats the batch.

    def _put_item(self, item: dict[str, Any]) -> None:
        try:
            self._clients.get("dynamodb").put_item(TableName=self._table, Item=item)
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc

    def _delete(self, key: dict[str, Any]) -> None:
        try:
            self._clients.get("dynamodb").delete_item(TableName=self._table, Key=key)
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc


def known_consumers(clients: Clients, table: str) -> list[str]:
    """Every consumer that a state is kept of."""
    return [item["sk"]["S"] for item in _query(clients, table, _KNOWN)]


def _query(
    clients: Clients, table: str, partition: dict[str, str], prefix: str = ""
) -> Iterator[dict[str, Any]]:
    """The items of a partition, in order, whose place begins with `prefix`."""
    condition, values = "pk = :pk", {":pk": partition}
    if prefix:  # the empty one is no value of a key
        condition, values = (
            f"{condition} AND begins_with(sk, :of)",
            {**values, ":of": {"S": prefix}},
        )
    start: Any = {}
    while True:
        page: Any
        try:
            page = clients.get("dynamodb").query(
                TableName=table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
                **start,
            )
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _place(event: RecordChanged) -> str:
    return f"held#{event.version:016x}#" + "#".join(event.key)


def _trouble(exc: ClientError | BotoCoreError) -> Exception:
    return translated(exc, "keeping a consumer's place", setting="aws.table")
