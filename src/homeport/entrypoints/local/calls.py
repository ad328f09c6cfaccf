"""What one of the server's processes has a function of another do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Call:
    """An event for `function`, whose result, as a handler returns it, goes to `answer`."""

    __slots__ = ("answer", "event", "function")

    def __init__(
        self, function: str, event: dict[str, Any], answer: Callable[[dict[str, Any]], None]
    ) -> None:
        self.function = function
        self.event = event
        self.answer = answer

    @property
    def request_id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def path(self) -> str:
        return str(self.event["rawPath"])
