"""The function `messages`: takes messages, and keeps devices and blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeport.entrypoints.lambdas.http import Handler, at_first_event, handler_for

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION = "messages"


def build(backend: Backend) -> Handler:
    return handler_for(FUNCTION, backend, backend.clock)


handler = at_first_event(FUNCTION)
