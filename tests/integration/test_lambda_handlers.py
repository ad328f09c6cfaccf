"""What AWS Lambda loads: each function's module, and in it `handler`."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from homeport.definition import Adapters
from homeport.entrypoints import operations
from homeport.entrypoints.lambdas.runtime import at_first_request


def event(route: str, **changes: Any) -> dict[str, Any]:
    """An event from API Gateway (payload 2.0), for whoever has no token."""
    method, _, path = route.partition(" ")
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "requestId": "r-1",
            "http": {"method": method, "path": path},
            "authorizer": {"lambda": {"problem": "missing"}},
        },
        "isBase64Encoded": False,
        **changes,
    }


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a function finds it: with a definition, here of a backend in memory."""
    chosen = "\n".join(f'{port} = "memory"' for port in Adapters.names())
    (tmp_path / "homeport.toml").write_text(f"[adapters]\n{chosen}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("function", operations.FUNCTIONS)
def test_every_function_has_a_module_with_a_handler(function: str) -> None:
    module = import_module(f"homeport.entrypoints.lambdas.{function}")
    assert function == module.FUNCTION
    assert callable(module.handler)


def test_the_backend_is_built_once_when_the_first_event_comes(deployed: Path) -> None:
    handler = at_first_request("identity")
    guest = handler(event("POST /v1/identity/guest"), None)
    assert guest["statusCode"] == 201
    session = json.loads(guest["body"])
    (deployed / "homeport.toml").unlink()
    refresh = event(
        "POST /v1/identity/refresh",
        headers={"content-type": "application/json"},
        body=json.dumps({"refresh_token": session["refresh_token"]}),
    )
    again = handler(refresh, None)
    assert again["statusCode"] == 200
    assert json.loads(again["body"])["identity"] == session["identity"]


def test_what_no_route_matches_is_answered_by_the_catch_all(deployed: Path) -> None:
    handler = at_first_request(operations.CATCH_ALL_FUNCTION)
    known = handler(event("$default", rawPath="/v1/identity/guest"), None)
    assert (known["statusCode"], known["headers"]["allow"]) == (405, "POST")
    assert handler(event("$default", rawPath="/v1/nothing"), None)["statusCode"] == 404


def test_without_a_token_the_handler_itself_says_401(deployed: Path) -> None:
    answer = at_first_request("identity")(event("GET /v1/identity"), None)
    assert answer["statusCode"] == 401
    assert answer["headers"]["www-authenticate"] == 'Bearer realm="homeport"'
    assert json.loads(answer["body"])["request_id"] == "r-1"
