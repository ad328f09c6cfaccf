"""What each function uses: ports, and the services of AWS behind their adapters.

From it come the clients that a function makes at its start, and what is in its bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homeport.definition import Definition

_MESSAGES: Final = ("record_store", "message_queue", "push_gateway", "identity_provider")

PORTS: Final[Mapping[str, tuple[str, ...]]] = {
    "authorizer": ("identity_provider",),
    "records": ("record_store",),
    "indexing": (*_MESSAGES, "search_index"),
    "search": ("record_store", "search_index"),
    "messages": _MESSAGES,
    "delivery": _MESSAGES,
    "subscribers": ("record_store", "change_feed"),
    "identity": ("identity_provider",),
    "health": ("record_store",),
}
"""Every function, and the ports of the services that it calls. An app's own code, which the
function `subscribers` runs, may use others as well."""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "indexing": ("indexing", "messages"),
    "delivery": ("messages",),
    "subscribers": ("store",),
}
"""What a function that no request comes to builds at its start, as the backend names it."""

SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb": ("dynamodb",),
    "cloudsearch": ("cloudsearchdomain",),
    "sns": ("sns",),
    "sqs": ("sqs",),
}
"""The services of AWS that an adapter calls within functions."""

_QUEUES: Final = frozenset({"indexing", "subscribers"})
"""Functions that put what they cannot do, and what is for others, into queues of their own."""


def services_of(function: str, definition: Definition) -> Iterator[tuple[str, str | None]]:
    """Each service, once, with the endpoint where it is not AWS's own: as `Clients.get` takes
    them. Of a service without an endpoint that it needs, there is nothing to make yet."""
    endpoints = {
        "indexing": definition.aws.document_endpoint,
        "search": definition.aws.search_endpoint,
    }
    for service in dict.fromkeys(services_called(PORTS[function], function, definition)):
        if service != "cloudsearchdomain":
            yield service, None
        elif endpoints.get(function) is not None:
            yield service, endpoints[function]


def services_called(ports: Iterable[str], function: str, definition: Definition) -> Iterator[str]:
    """The services behind these ports of a function, and those that it calls itself."""
    for port in ports:
        for use in definition.uses(port):
            yield from SERVICES.get(use, ())
    if function in _QUEUES and definition.adapters.record_store.use == "dynamodb":
        yield "sqs"
