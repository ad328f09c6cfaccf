"""Events as API Gateway, streams and queues send them: ours, and AWS's own samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from homeport.domain.model import versions
from tests.lambda_runtime.sam import SAM

_SAMPLES: Final = SAM / "samcli/lib/generated_sample_events/events"


def request(
    route: str,
    path: str | None = None,
    *,
    body: Any = None,
    token: Mapping[str, Any] | None = None,
    **parameters: str,
) -> dict[str, Any]:
    """A request of an HTTP API, payload format 2.0. `token` is the authorizer's context."""
    method, _, pattern = route.partition(" ")
    raw = path or re.sub(r"\{(\w+)\}", lambda one: parameters[one[1]], pattern)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": raw.partition("?")[0],
        "rawQueryString": raw.partition("?")[2],
        "headers": {"host": "api.example.com", "content-type": "application/json"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc",
            "authorizer": {"lambda": dict(token or {"problem": "missing"})},
            "http": {"method": method, "path": raw, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if parameters:
        event["pathParameters"] = parameters
    if body is not None:
        event["body"] = json.dumps(body)
    return event


def question(authorization: str | None) -> dict[str, Any]:
    """What API Gateway asks an authorizer (REQUEST, payload format 2.0)."""
    headers = {"host": "api.example.com"}
    if authorization is not None:
        headers["authorization"] = authorization
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:eu-west-1:000000000000:abc/$default/GET/v1/identity",
        "identitySource": [authorization] if authorization else None,
        "routeKey": "GET /v1/identity",
        "rawPath": "/v1/identity",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "apiId": "abc",
            "http": {"method": "GET", "path": "/v1/identity"},
            "requestId": "JKJaXmPLvHcESHA=",
        },
    }


def change(name: str, version: int) -> dict[str, Any]:
    """A batch of the table's stream, of one record of Ann's notes that has come to be."""
    image = {
        "pk": {"S": "ann#0"},
        "sk": {"S": f"notes#{name}"},
        "lk": {"S": f"notes#{version:016x}#{name}"},
        "v": {"N": str(version)},
        "a": {"S": "ann"},
    }
    record = {
        "eventID": "1",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "ApproximateCreationDateTime": versions.time_of(version) / 1_000_000,
            "Keys": {"pk": image["pk"], "sk": image["sk"]},
            "NewImage": image,
            "SequenceNumber": "100",
        },
    }
    return {"Records": [record]}


def samples() -> list[str]:
    """The names of AWS's samples, as `apigateway/HttpApi`."""
    return sorted(
        str(one.relative_to(_SAMPLES).with_suffix("")) for one in _SAMPLES.glob("*/*.json")
    )


def sample(name: str) -> Any:
    """One of AWS's samples, with something in its blanks."""
    text = (_SAMPLES / f"{name}.json").read_text()
    return json.loads(re.sub(r"\{\{\{(\w+)\}\}\}", "example", text))
