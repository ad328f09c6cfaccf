"""What an operation's arguments become, where its service method takes them in another form.

Services' own types are imported when they are needed: the table of operations is read by every
function, and a function loads only the services that it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homeport.domain.errors import Fault, Invalid, VersionMismatch
from homeport.domain.model.data import Data
from homeport.entrypoints.lambdas import requests

if TYPE_CHECKING:
    from homeport.domain.model.writes import Expectation

Arguments: TypeAlias = dict[str, Any]
Transform: TypeAlias = Callable[[Arguments], Arguments]


def page(arguments: Arguments) -> Arguments:
    from homeport.domain.ports.record_store import Order

    return {**arguments, "order": Order(arguments["order"])}


def batch(arguments: Arguments) -> Arguments:
    from homeport.domain.records import BatchWrite, Op

    writes = [
        BatchWrite(
            Op(one["op"]),
            one["collection"],
            one["id"],
            None if one["data"] is None else _batch_data(one["data"], f"/writes/{index}/data"),
            _batch_expectation(one, f"/writes/{index}"),
        )
        for index, one in enumerate(arguments["writes"])
    ]
    return {**arguments, "writes": writes}


def _batch_data(data: dict[str, Any], where: str) -> Data:
    try:
        return Data.of(data)
    except Invalid as exc:
        exc.faults = tuple(Fault(f"{where}{one.pointer}", one.detail) for one in exc.faults)
        raise


def _batch_expectation(one: Mapping[str, Any], where: str) -> Expectation | None:
    """As from the headers of the same names; what is wrong points into the body instead."""
    headers: dict[str, str] = {}
    match, none_match = one["if_match"], one["if_none_match"]
    if none_match is not None:
        headers["if-none-match"] = none_match
    if match is not None:
        # A version as answers show it serves as well as the ETag that quotes it.
        bare = match[:1] not in ('"', "*", "W")
        headers["if-match"] = f'"{match}"' if bare else match
    try:
        return requests.expectation(headers)
    except (Invalid, VersionMismatch) as exc:
        told = exc.faults[0].detail if exc.faults else exc.detail
        exc.faults = (Fault(f"{where}/if_match", told),)
        raise


SEARCH_NAMES: Final = {name: name for name in ("filter", "facet", "highlight")}
"""The parameters of a search that may be repeated."""
SEARCH_POINTERS: Final = {
    **{name: f"/{name}" for name in ("q", "space", "collection", "highlight", "sort", "limit")},
    "filter": "/filters",
    "facet": "/facets",
    "cursor": "/cursor",
}
"""Where the parameters of a search stand in its JSON form."""


def search_parameters(arguments: Arguments) -> Arguments:
    renamed = {**arguments, "filters": arguments["filter"], "facets": arguments["facet"]}
    del renamed["filter"], renamed["facet"]
    return search(renamed)


def search(arguments: Arguments) -> Arguments:
    from homeport.domain.search import SearchRequest

    principal = arguments.pop("principal")
    for several in ("filters", "facets", "highlight"):
        arguments[several] = tuple(arguments[several])
    return {"principal": principal, "request": SearchRequest(**arguments)}


def message_patch(arguments: Arguments) -> Arguments:
    patch = arguments.pop("data")
    return {**arguments, "patch": patch}


def device(arguments: Arguments) -> Arguments:
    from homeport.domain.model.device import Environment, Platform, PushTarget

    target = PushTarget(
        Platform(arguments["platform"]), Environment(arguments["environment"]), arguments["token"]
    )
    return {"principal": arguments["principal"], "id": arguments["device"], "target": target}


def device_id(arguments: Arguments) -> Arguments:
    return {"principal": arguments["principal"], "id": arguments["device"]}
