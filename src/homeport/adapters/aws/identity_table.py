"""The table as the identity provider uses it: every call tried again while that may help.

All that is written here may be sent twice: a condition, or the item being the same, holds off
the second. So an answer that was lost is asked for again, as what was throttled is.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.errors import THROTTLED, code_of, is_lost, translated
from homeport.domain.errors import HomeportError, OutcomeUnknown, Overloaded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

Item = dict[str, Any]
"""An item, or a key, as requests hold it: name -> {type: value}."""
Write = Mapping[str, Any]
"""One part of a transaction."""

ABSENT: Final = "attribute_not_exists(pk)"
PRESENT: Final = "attribute_exists(pk)"

_PATIENCE: Final = 12
"""How often a call is tried that meets others or is throttled; one that is not answered, which
takes seconds, counts as four."""
_LOST_COSTS: Final = 4
_FIRST_PAUSE: Final = 0.025
_LONGEST_PAUSE: Final = 0.4

_named: Final = re.compile(r"#(\w+)").findall
_REFUSED: Final = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
_CONTENDED: Final = frozenset(
    {"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"}
)
_FULL: Final = THROTTLED | {"ThrottlingError", "ProvisionedThroughputExceeded"}


class Refused(Exception):
    """A condition does not hold. This call wrote nothing, or did so at an earlier try."""


class IdentityTable:
    """Consistent reads, conditional writes. Raises Unavailable and what is below it."""

    def __init__(
        self,
        clients: Clients,
        name: str,
        offload: Callable[..., Any],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clients = clients
        self._name = name
        self._offload = offload
        self._sleep = sleep

    def get(self, key: Item) -> Item | None:
        answer = self._read(
            lambda client: client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        )
        return answer.get("Item")

    def get_both(self, first: Item, second: Item) -> tuple[Item | None, Item | None]:
        """Two items by one call. Each is current, but they may be of different moments."""
        found: dict[str, Item] = {}
        wanted: list[Any] = [first, second]

        def read(client: DynamoDBClient) -> None:
            answer = client.batch_get_item(
                RequestItems={self._name: {"Keys": wanted, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._name, []):
                found[str(_key(item))] = item
            left = answer["UnprocessedKeys"].get(self._name)
            wanted[:] = left["Keys"] if left else []
            if wanted:
                raise _Unprocessed("BatchGetItem left keys out.")

        self._read(read)
        return found.get(str(_key(first))), found.get(str(_key(second)))

    def query(self, partition: str, after: str, limit: int, fields: tuple[str, ...]) -> list[Item]:
        """Up to `limit` items of a partition in the order of `sk`, only these attributes."""
        found: list[Item] = []
        shown = ", ".join(f"#{name}" for name in fields)
        request: dict[str, Any] = {
            "TableName": self._name,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk" + (" AND sk > :after" if after else ""),
            "ExpressionAttributeValues": {":pk": {"S": partition}}
            | ({":after": {"S": after}} if after else {}),
            "ProjectionExpression": shown,
            "ExpressionAttributeNames": _names(shown),
        }
        while len(found) < limit:
            request["Limit"] = limit - len(found)
            answer = self._read(lambda client: client.query(**request))
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found

    def update(self, key: Item, change: str, condition: str, values: Item | None = None) -> None:
        """Raises Refused where `condition` does not hold."""
        request = conditional(condition, values)
        request["ExpressionAttributeNames"] = _names(change, condition)
        self._write(
            lambda client: client.update_item(
                TableName=self._name, Key=key, UpdateExpression=change, **request
            )
        )

    def put_new(self, item: Item) -> None:
        """Raises Refused where the item is there already."""
        self._write(
            lambda client: client.put_item(
                TableName=self._name, Item=item, ConditionExpression=ABSENT
            )
        )

    def delete(self, key: Item) -> None:
        self._write(lambda client: client.delete_item(TableName=self._name, Key=key))

    def transact(self, *writes: Write) -> None:
        """All or nothing. Raises Refused where a condition does not hold."""
        items: list[Any] = [
            {kind: {"TableName": self._name, **one} for kind, one in write.items()}
            for write in writes
        ]
        self._write(lambda client: client.transact_write_items(TransactItems=items))

    def _read(self, request: Callable[[DynamoDBClient], T]) -> T:
        found: T = self._offload(self._try, request, "reading an identity", False)
        return found

    def _write(self, request: Callable[[DynamoDBClient], T]) -> T:
        done: T = self._offload(self._try, request, "writing an identity", True)
        return done

    def _try(self, request: Callable[[DynamoDBClient], T], doing: str, writes: bool) -> T:
        client = self._clients.get("dynamodb")
        patience, pause, lost = _PATIENCE, _FIRST_PAUSE, False
        while True:
            try:
                return request(client)
            except (ClientError, BotoCoreError) as exc:
                causes = _causes(exc)
                if causes & _REFUSED:
                    raise Refused from exc
                unanswered = is_lost(exc)
                lost = lost or (unanswered and writes)
                again = unanswered or causes & (_CONTENDED | _FULL)
                patience -= _LOST_COSTS if unanswered else 1
                if not again or patience <= 0:
                    raise _given_up(exc, causes, doing, lost) from exc
            except _Unprocessed as exc:
                patience -= 1
                if patience <= 0:
                    raise Overloaded(f"AWS refuses more for now while {doing}.") from exc
            self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # apart, not secret
            pause = min(2 * pause, _LONGEST_PAUSE)


def conditional(condition: str, values: Item | None = None) -> dict[str, Any]:
    """The part of a request that says `condition`. Attributes are written with a `#` before
    their names, since DynamoDB keeps many everyday words to itself."""
    request: dict[str, Any] = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _names(condition),
    }
    if values:
        request["ExpressionAttributeValues"] = values
    return request


def _names(*expressions: str) -> dict[str, str]:
    return {f"#{name}": name for one in expressions for name in _named(one)}


class _Unprocessed(Exception):
    """An answer lacks a part, which is to be asked for again."""


def _causes(exc: ClientError | BotoCoreError) -> frozenset[str]:
    """The names of what was wrong; of a transaction, what was wrong with its parts."""
    if not isinstance(exc, ClientError):
        return frozenset()
    if code_of(exc) == "TransactionCanceledException":
        reasons: list[Any] = list(exc.response.get("CancellationReasons", ()))
        return frozenset(one.get("Code", "None") for one in reasons) - {"None"}
    return frozenset({code_of(exc)})


def _given_up(
    exc: ClientError | BotoCoreError, causes: frozenset[str], doing: str, lost: bool
) -> HomeportError:
    if lost:
        return OutcomeUnknown(f"AWS's answer was lost while {doing}; try again.")
    if causes & _CONTENDED:
        return Overloaded("Too many requests change this identity at once; try again.")
    if causes & _FULL:
        return Overloaded(f"AWS refuses more for now while {doing}; try again.")
    return translated(exc, doing, setting="aws.table")


def _key(item: Mapping[str, Any]) -> Item:
    return {"pk": item["pk"], "sk": item["sk"]}
