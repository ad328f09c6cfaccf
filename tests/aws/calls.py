"""What the store asks of DynamoDB: the calls, and what they cost, taken from botocore's events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.adapters.aws.clients import Clients

_READING: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_UNIT: Final = 4096
"""Bytes that one read unit reads, consistently."""


@dataclass
class Calls:
    """Everything that a client has asked since `clear`. `reads` and `writes` are capacity units,
    the index's included.

    ministack does not count those of a batch get, so they are counted here as DynamoDB documents
    them: each item by itself, rounded up to 4 KB; one that is not there as one unit; half of it
    all where the read is not consistent.
    """

    names: Counter[str] = field(default_factory=Counter)
    reads: float = 0.0
    writes: float = 0.0
    _keys: int = 0
    _consistent: bool = True

    def watch(self, clients: Clients) -> None:
        events: Any = clients.get("dynamodb").meta.events
        events.register("before-parameter-build.dynamodb.*", self._ask)
        events.register("after-call.dynamodb.*", self._add)

    def clear(self) -> None:
        self.names.clear()
        self.reads = self.writes = 0.0

    @property
    def count(self) -> int:
        return self.names.total()

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"
        wanted = params.get("RequestItems", {}).values()
        self._keys = sum(len(one["Keys"]) for one in wanted)
        self._consistent = all(one.get("ConsistentRead") for one in wanted)

    def _add(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.names[model.name] += 1
        consumed = parsed.get("ConsumedCapacity", [])
        told = consumed if isinstance(consumed, list) else [consumed]
        units = sum(one["CapacityUnits"] for one in told)
        if model.name == "BatchGetItem" and not units:
            units = self._of_batch(parsed)
        if model.name in _READING:
            self.reads += units
        else:
            self.writes += units

    def _of_batch(self, answer: dict[str, Any]) -> float:
        items = [item for some in answer["Responses"].values() for item in some]
        units = sum(-(-item_bytes(item) // _UNIT) for item in items) + self._keys - len(items)
        return units if self._consistent else units / 2


def item_bytes(item: dict[str, Any]) -> int:
    """About what DynamoDB counts of an item, and no less: its names, and its values as JSON."""
    return sum(len(name) + len(repr(value)) for name, value in item.items())
