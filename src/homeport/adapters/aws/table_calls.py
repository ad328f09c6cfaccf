"""Calls of the table: one attempt of a write, a read until it succeeds, and what went wrong.

botocore retries none of them: a write is stamped anew at each attempt, which only the store can
do, and reads go the same way here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.errors import THROTTLED, code_of, is_lost, translated
from homeport.adapters.aws.items import Attribute, Item
from homeport.domain.errors import HomeportError, Overloaded, TooLarge, Unavailable

if TYPE_CHECKING:
    from homeport.adapters.aws.errors import VendorError

_TROUBLES: Final = 6
"""How often throttling, or an answer that does not come, is borne with before giving up."""
_CONFLICTS: Final = 40
"""How often others may come first at one record: each time one of them has been served."""
_TROUBLE_SECONDS: Final = 0.05
_CONFLICT_SECONDS: Final = 0.005
_LONGEST_SECONDS: Final = 1.0

_SETTING: Final = "aws.table"
_CONFLICT_CODES: Final = frozenset({"TransactionConflict", "TransactionConflictException"})
_REASONS_TO_WAIT: Final = _CONFLICT_CODES | {"ThrottlingError", "ProvisionedThroughputExceeded"}
_FULL_CODES: Final = frozenset(
    {"ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException"}
)


class Untold:
    """Of an item in a refused transaction that is not shown: it was not its condition."""


UNTOLD: Final = Untold()
"""Its own condition held."""
UNJUDGED: Final = Untold()
"""Its condition was not looked at: something else came in its way."""


class Refused(Exception):
    """A condition did not hold, and nothing was written. `items` are those of the request as
    they are: None where there is none, Untold where it was not theirs."""

    def __init__(self, items: Sequence[Item | None | Untold]) -> None:
        super().__init__(items)
        self.items = items

    def fails(self, index: int) -> bool:
        """Whether it was the condition of this item that did not hold."""
        return not isinstance(self.items[index], Untold)

    def item(self, index: int) -> Item | None:
        """The item as it is, where its condition did not hold; otherwise None."""
        found = self.items[index]
        return None if isinstance(found, Untold) else found


class Busy(Exception):
    """Nothing was written now, for `error`; another attempt is worth it. `conflict` says that
    somebody else was at the same item."""

    def __init__(self, error: HomeportError, *, conflict: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.conflict = conflict


class Lost(Exception):
    """The answer did not come, or said nothing: it may have been written."""

    def __init__(self, error: HomeportError) -> None:
        super().__init__(error)
        self.error = error


class Patience:
    """How often one call tries again, and how long it waits before: longer each time, and by
    chance, so that those who met do not meet again."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._troubles = 0
        self._conflicts = 0

    def after_trouble(self, error: HomeportError) -> None:
        """Wait; raises `error` once it has been enough."""
        self._troubles += 1
        if self._troubles == _TROUBLES:
            raise error
        self._wait(_TROUBLE_SECONDS, self._troubles)

    def after_conflict(self) -> None:
        """Wait a little; raises Overloaded once it has been enough."""
        self._conflicts += 1
        if self._conflicts == _CONFLICTS:
            raise Overloaded("Too many are writing the same record; try again.")
        if self._conflicts > 1:
            self._wait(_CONFLICT_SECONDS, self._conflicts)

    def after(self, busy: Busy) -> None:
        if busy.conflict:
            self.after_conflict()
        else:
            self.after_trouble(busy.error)

    def _wait(self, first: float, times: int) -> None:
        most = min(_LONGEST_SECONDS, first * 2.0 ** min(times, 16))
        self._sleep(random.uniform(0, most))  # noqa: S311 - spreads load, hides nothing


class Table:
    """The table of one name. `sleep` takes seconds."""

    def __init__(
        self, clients: Clients, name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clients = clients
        self.name: Final = name
        self._sleep = sleep

    def patience(self) -> Patience:
        return Patience(self._sleep)

    # Reading

    def get(self, key: dict[str, Attribute]) -> Item | None:
        """One item, as of the last write that was acknowledged."""
        found: Item | None = self._read("get_item", Key=key, ConsistentRead=True).get("Item")
        return found

    def get_many(self, keys: Sequence[dict[str, Attribute]]) -> list[Item | None]:
        """Up to 100 different items, in the keys' order; the same one may be asked for twice."""
        found: dict[tuple[str, str], Item] = {}
        wanted = list({_identity(key): key for key in keys}.values())
        patience = self.patience()
        while wanted:
            request = {self.name: {"Keys": wanted, "ConsistentRead": True}}
            answer = self._read_whole("batch_get_item", RequestItems=request)
            items = answer.get("Responses", {}).get(self.name, [])
            found |= {_identity(item): item for item in items}
            wanted = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if wanted and not items:
                patience.after_trouble(Overloaded("AWS leaves reads undone for now; try again."))
        return [found.get(_identity(key)) for key in keys]

    def query(self, **request: Any) -> tuple[list[Item], Item | None]:
        """One page of a query, consistent, and the key after which the next one begins."""
        answer = self._read("query", ConsistentRead=True, **request)
        return answer["Items"], answer.get("LastEvaluatedKey")

    def query_all(self, **request: Any) -> Iterator[Item]:
        """All pages of a query."""
        start: dict[str, Any] = {}
        while True:
            items, last = self.query(**request, **start)
            yield from items
            if not last:
                return
            start = {"ExclusiveStartKey": last}

    def scan(self, **request: Any) -> tuple[list[Item], Item | None]:
        """One page of a scan, as `query`."""
        answer = self._read("scan", ConsistentRead=True, **request)
        return answer["Items"], answer.get("LastEvaluatedKey")

    def scan_metered(self, **request: Any) -> tuple[list[Item], Item | None, float]:
        """The same, not consistent, at half the price; and the read units that it took."""
        answer = self._read("scan", ReturnConsumedCapacity="TOTAL", **request)
        units = float(answer["ConsumedCapacity"]["CapacityUnits"])
        return answer["Items"], answer.get("LastEvaluatedKey"), units

    def describe(self) -> dict[str, Any]:
        """What DescribeTable tells of it; sizes are some hours old."""
        found: dict[str, Any] = self._read("describe_table")["Table"]
        return found

    def _read(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._read_whole(operation, TableName=self.name, **request)

    def _read_whole(self, operation: str, **request: Any) -> dict[str, Any]:
        patience = self.patience()
        while True:
            try:
                answer: dict[str, Any] = self._call(operation, request)
                return answer
            except (ClientError, BotoCoreError) as exc:
                error = translated(exc, "reading the table", setting=_SETTING)
                if not _passes(exc):
                    raise error from exc
                try:
                    patience.after_trouble(error)
                except HomeportError as given_up:
                    raise given_up from exc

    # Writing: one attempt

    def update(self, request: dict[str, Any]) -> Item:
        """Do one update; returns the item as it then is.

        Raises Refused, Busy, Lost, TooLarge or Unavailable.
        """
        try:
            answer = self._call(
                "update_item", {"TableName": self.name, "ReturnValues": "ALL_NEW", **request}
            )
        except ClientError as exc:
            if code_of(exc) == "ConditionalCheckFailedException":
                raise Refused([_item_in(exc.response)]) from exc
            raise _trouble(exc) from exc
        except BotoCoreError as exc:
            raise _trouble(exc) from exc
        item: Item | None = answer.get("Attributes")
        if not item:
            raise Lost(Unavailable("AWS's answer to a write is damaged; try again."))
        return item

    def transact(self, items: Sequence[dict[str, Any]], token: str) -> None:
        """Do the items of a transaction, all or none. A `token` of up to 36 characters makes
        the same transaction happen once, however often it is sent within ten minutes.

        Raises as `update`.
        """
        placed = [
            {kind: {"TableName": self.name, **one} for kind, one in item.items()} for item in items
        ]
        try:
            self._call(
                "transact_write_items", {"TransactItems": placed, "ClientRequestToken": token}
            )
        except ClientError as exc:
            if code_of(exc) == "TransactionCanceledException":
                raise _cancelled(exc) from exc
            raise _trouble(exc) from exc
        except BotoCoreError as exc:
            raise _trouble(exc) from exc

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        return getattr(self._clients.get("dynamodb"), operation)(**request)


def _identity(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _item_in(answer: Any) -> Item | None:
    return answer.get("Item") or None


def _passes(exc: VendorError) -> bool:
    """Whether another attempt is worth it."""
    if isinstance(exc, ClientError):
        return code_of(exc) in THROTTLED | _CONFLICT_CODES or is_lost(exc)
    return is_lost(exc) or _never_arrived(exc)


def _never_arrived(exc: VendorError) -> bool:
    from botocore import exceptions

    return isinstance(exc, exceptions.ConnectionError)


def _trouble(exc: VendorError) -> Exception:
    """What went wrong with a write, conditions and cancelled transactions apart."""
    code, message = "", ""
    if isinstance(exc, ClientError):
        code, message = code_of(exc), exc.response.get("Error", {}).get("Message", "")
    if code in _FULL_CODES:
        return _full()
    if code == "ValidationException" and _is_size(message):
        return _too_large()
    error = translated(exc, "writing to the table", setting=_SETTING)
    if is_lost(exc):
        return Lost(error)
    if _passes(exc):
        return Busy(error, conflict=code in _CONFLICT_CODES)
    return error


def _cancelled(exc: ClientError) -> Exception:
    answer: Any = exc.response
    reasons: list[dict[str, Any]] = answer.get("CancellationReasons", [])
    codes = [reason.get("Code", "None") for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        return Refused(
            [
                _item_in(reason) if code == "ConditionalCheckFailed" else _untold(code)
                for code, reason in zip(codes, reasons, strict=True)
            ]
        )
    for code, reason in zip(codes, reasons, strict=True):
        if code in _FULL_CODES:
            return _full()
        if code == "ValidationError" and _is_size(reason.get("Message", "")):
            return _too_large()
    waits = [code for code in codes if code in _REASONS_TO_WAIT]
    if waits:
        conflict = _CONFLICT_CODES.issuperset(waits)
        return Busy(Overloaded("AWS refuses more writes for now; try again."), conflict=conflict)
    told = ", ".join(sorted(set(codes) - {"None"}))
    return Unavailable(f"AWS refuses a transaction ({told}).")


def _untold(code: str) -> Untold:
    return UNTOLD if code == "None" else UNJUDGED


def _is_size(message: str) -> bool:
    return "size" in message.lower()


def _too_large() -> HomeportError:
    return TooLarge("The record, or the batch, is larger than DynamoDB takes.")


def _full() -> HomeportError:
    return Unavailable(
        "A shard of this space holds the 10 GB that DynamoDB takes, deleted records included: "
        "delete some, or export the collection and import it into another one with more `shards`, "
        "or into a new table, which has none of the accounts."
    )
