"""What one of the server's processes has a function of another do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Call:
    """An event for `function`, whose result, as a handler returns it, goes to `answer`; that of a
    call that was not let in goes to `refuse`."""

    __slots__ = ("answer", "event", "function", "refuse")

    def __init__(
        self,
        function: str,
        event: dict[str, Any],
        answer: Callable[[dict[str, Any]], None],
        refuse: Callable[[dict[str, Any]], None],
    ) -> None:
        self.function = function
        self.event = event
        self.answer = answer
        self.refuse = refuse

    @property
    def request_id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def path(self) -> str:
        return str(self.event["rawPath"])
