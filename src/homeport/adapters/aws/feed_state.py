"""How far a consumer of the stream is, kept in the table beside the records.

    pk `#feed#CONSUMER`   sk `#position`                       where its reading goes on
                          sk `held#VERSION#SPACE#COLLECTION#ID`  an event that waits

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


@dataclass(slots=True)
class Position:
    """`replay` is the last key, as JSON, of the records from before the stream's memory that
    were handed over; "" at their beginning. `shards` are the reader's positions."""

    replay: str = ""
    shards: dict[str, str] = field(default_factory=dict)


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
        self._partition = {"S": f"#feed#{consumer}"}

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
        item = found.get("Item")
        if item is None:
            return None
        return Position(item["replay"]["S"], json.loads(item["shards"]["S"]))

    def move(self, position: Position) -> None:
        shards = json.dumps(position.shards)
        self._put(_POSITION, {"replay": {"S": position.replay}, "shards": {"S": shards}})

    def held(self) -> Iterator[Held]:
        """All that waits, by version."""
        start: Any = {}
        while True:
            try:
                page = self._clients.get("dynamodb").query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk AND begins_with(sk, :held)",
                    ExpressionAttributeValues={":pk": self._partition, ":held": {"S": "held#"}},
                    ConsistentRead=True,
                    **start,
                )
            except (ClientError, BotoCoreError) as exc:
                raise _trouble(exc) from exc
            for item in page["Items"]:
                event = RecordChanged.from_json(item["event"]["S"])
                yield Held(event, int(item["attempts"]["N"]), int(item["due"]["N"]))
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

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
        try:
            self._clients.get("dynamodb").delete_item(
                TableName=self._table, Key={"pk": self._partition, "sk": {"S": _place(event)}}
            )
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc

    def _put(self, place: str, attributes: dict[str, Any]) -> None:
        # Each of these writes may be sent again as it is, so trouble simply repeats the batch.
        item = {"pk": self._partition, "sk": {"S": place}, **attributes}
        try:
            self._clients.get("dynamodb").put_item(TableName=self._table, Item=item)
        except (ClientError, BotoCoreError) as exc:
            raise _trouble(exc) from exc


def _place(event: RecordChanged) -> str:
    return f"held#{event.version:016x}#" + "#".join(event.key)


def _trouble(exc: ClientError | BotoCoreError) -> Exception:
    return translated(exc, "keeping a consumer's place", setting="aws.table")
