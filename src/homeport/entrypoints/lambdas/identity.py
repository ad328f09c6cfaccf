"""The function `identity`: signs people in and says who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeport.entrypoints.lambdas.http import Handler, handler_for
from homeport.entrypoints.lambdas.runtime import at_first_request

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION = "identity"


def build(backend: Backend) -> Handler:
    return handler_for(FUNCTION, backend, backend.clock)


handler = at_first_request(FUNCTION)
