"""What only the local gateway offers, for trying things out: nothing of this is on AWS.

    GET /local/pushes   the pushes last sent to the caller's own devices, newest first
    GET /local/status   whether the index and the messages have caught up
    GET /metrics        what Prometheus scrapes

The first two want an access token and take no parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import HomeportError, NotFound
from homeport.domain.model.data import encode
from homeport.domain.model.identity import Principal
from homeport.entrypoints.inputs import NO_PARAMETERS
from homeport.entrypoints.lambdas.problems import MethodNotAllowed, problem
from homeport.entrypoints.lambdas.requests import parameters, principal_of
from homeport.entrypoints.local.metrics import CONTENT_TYPE
from homeport.entrypoints.local.pumps import Pumps

if TYPE_CHECKING:
    from homeport.container import Backend

FUNCTION: Final = "local"
PUSHES: Final = "GET /local/pushes"
STATUS: Final = "GET /local/status"
METRICS: Final = "GET /metrics"
ROUTES: Final = {
    f"{method} {path}": FUNCTION
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    for path in (one.removeprefix("GET ") for one in (PUSHES, STATUS, METRICS))
}
"""Other methods lead here too, to be told so."""
SHOWN: Final = 100


def build(
    backend: Backend, pumps: Pumps, metrics: Callable[[], str] | None = None
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The handler of these routes. Without `metrics` there is no such path."""

    def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
        try:
            if metrics is None and event["rawPath"] == "/metrics":
                raise NotFound("There is no such path.")
            if event["routeKey"] not in (PUSHES, STATUS, METRICS):
                raise MethodNotAllowed(("GET", "HEAD"))
            if event["routeKey"] == METRICS and metrics is not None:
                headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store"}
                return {"statusCode": 200, "headers": headers, "body": metrics()}
            principal = principal_of(event, backend.clock.now() // 1_000_000)
            if event["rawQueryString"]:
                parameters(event["rawQueryString"], NO_PARAMETERS)
            found = _pushes(backend, principal) if event["routeKey"] == PUSHES else _status(pumps)
        except HomeportError as error:
            return problem(error, event["requestContext"]["requestId"], event["rawPath"])
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return {"statusCode": 200, "headers": headers, "body": encode(found)}

    return handler


def _pushes(backend: Backend, principal: Principal) -> dict[str, Any]:
    devices = {one.endpoint: one for one in backend.devices.list(principal)}
    # Only the gateways that send nothing anywhere keep what they were given.
    recent = getattr(backend.push, "recent", None)
    sent = [] if recent is None else recent(list(devices), SHOWN)
    return {
        "items": [
            {
                "device": devices[endpoint].id,
                "platform": str(target.platform),
                "payload": push.payload,
            }
            for endpoint, target, push in sent
        ]
    }


def _status(pumps: Pumps) -> dict[str, Any]:
    lags = pumps.lag()
    return {
        "idle": all(one.idle for one in lags),
        "pumps": {
            one.pump: {"idle": one.idle, "delivered": one.delivered, "failures": one.failures}
            for one in lags
        },
    }
