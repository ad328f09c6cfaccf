"""What the store asks of DynamoDB: the calls, and what they cost, taken from botocore's events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from homeport.adapters.aws.clients import Clients


@dataclass
class Calls:
    """Everything that a client has asked since `clear`. `units` are capacity units, of reads and
    of writes together, the index's included."""

    names: Counter[str] = field(default_factory=Counter)
    units: float = 0.0

    def watch(self, clients: Clients) -> None:
        events: Any = clients.get("dynamodb").meta.events
        events.register("before-parameter-build.dynamodb.*", self._ask)
        events.register("after-call.dynamodb.*", self._add)

    def clear(self) -> None:
        self.names.clear()
        self.units = 0.0

    @property
    def count(self) -> int:
        return self.names.total()

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"

    def _add(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.names[model.name] += 1
        consumed = parsed.get("ConsumedCapacity", [])
        for one in consumed if isinstance(consumed, list) else [consumed]:
            self.units += one["CapacityUnits"]
