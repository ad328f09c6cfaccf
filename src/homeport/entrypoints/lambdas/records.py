"""The function `records`: stores and retrieves unstructured data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeport.entrypoints.lambdas.http import Handler, handler_for
from homeport.entrypoints.lambdas.runtime import at_first_request

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION = "records"


def build(backend: Backend) -> Handler:
    return handler_for(FUNCTION, backend, backend.clock)


handler = at_first_request(FUNCTION)
