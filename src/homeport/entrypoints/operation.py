"""What one entry of the table of operations says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final

from homeport.domain import errors
from homeport.entrypoints import arguments
from homeport.entrypoints.forms import Form
from homeport.entrypoints.lambdas.problems import Result

PREFIX: Final = "/v1"


class Caller(Enum):
    """Who may call."""

    ANYBODY = "anybody"
    IDENTITY = "identity"
    """Whoever has an access token, guests included."""


class Header(Enum):
    """Headers that become arguments."""

    EXPECTATION = "If-Match, If-None-Match"
    IDEMPOTENCY_KEY = "Idempotency-Key"


class Document(Enum):
    """A body that is the data itself, by its content type."""

    JSON = "application/json"
    MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Operation:
    """One entry. `calls` is a service and its method, as attributes of the backend, or a
    function where no service is needed.

    `query` and `body` are the forms of the query string and of the body, or the body is a document,
    with room for `around` levels besides those of the data that it wraps, which the service holds
    to their own limit.
    `transform` turns the arguments' names and types into the method's, where they differ;
    `pointers` say where in the request a parameter stands that the method names in a fault; a
    `conditional` answer looks at the request's headers; `limited` operations are bounded per
    address, since nobody is signed in yet. `raises` are the errors of this very operation,
    beside those that follow from the rest of the entry; `summary` is its line in the API's
    description.
    """

    name: str
    method: str
    path: str
    function: str
    calls: str | Callable[[], object]
    answer: Callable[..., Result]
    statuses: tuple[int, ...] = (200,)
    caller: Caller = Caller.IDENTITY
    query: Form | None = None
    body: Form | Document | None = None
    around: int = 0
    headers: tuple[Header, ...] = ()
    transform: arguments.Transform | None = None
    pointers: Mapping[str, str] = field(default_factory=dict)
    conditional: bool = False
    limited: bool = False
    summary: str = ""
    raises: tuple[type[errors.HomeportError], ...] = ()

    @property
    def route_key(self) -> str:
        """As API Gateway names the route."""
        return f"{self.method} {PREFIX}{self.path}"

    @cached_property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{(\w+)\}", self.path))
