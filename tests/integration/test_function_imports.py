"""What each function loads on AWS, from its start to its first answer: pinned, by its bundle.

A package more is milliseconds more at every cold start: add one here knowingly.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.entrypoints.lambdas.needs import PORTS
from tests.bundles import answered, bundle
from tests.lambda_runtime import events
from tests.servers import free_port

ANN = {"id": "ann", "kind": "user", "expires": int(time.time()) + 3600}
CORE = {"dependency_injector", "homeport", "homeport_function"}
AWS = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
CREDENTIALS = {"jwt"}

LOADED: dict[str, set[str]] = {
    "authorizer": CORE | AWS | CREDENTIALS,
    "records": CORE | AWS,
    "indexing": CORE | AWS,
    "search": CORE | AWS,
    "messages": CORE | AWS,
    "delivery": CORE | AWS,
    "subscribers": CORE | AWS,
    "identity": CORE | AWS,
    "health": CORE | AWS,
}
"""Third parties' packages, by function. dependency-injector's containers always load its wiring,
which loads every web framework, and yaml, that is installed: in a bundle none is."""

OURS = {
    "authorizer": {"identity"},
    "records": {"record"},
    "indexing": {"record", "search", "message", "push", "identity"},
    "search": {"record", "search"},
    "messages": {"record", "message", "push", "identity"},
    "delivery": {"record", "message", "push", "identity"},
    "subscribers": {"record"},
    "identity": {"identity"},
    "health": {"record"},
}
"""Whose modules among the adapters for AWS, by the first word of their names."""
TOLD_APART = {"change", "identity", "message", "push", "record", "search", "stream", "subscriber"}


def first_event(function: str) -> Any:
    """None for what a stream or a queue calls: such a function would try for long, in vain."""
    requests: dict[str, Callable[[], Any]] = {
        "authorizer": lambda: events.question("Bearer x"),
        "records": lambda: events.request(
            "GET /v1/records/{space}/{collection}/{id}",
            token=ANN, space="me", collection="notes", id="soup",
        ),
        "search": lambda: events.request("GET /v1/search", "/v1/search?q=soup", token=ANN),
        "messages": lambda: events.request("GET /v1/devices", token=ANN),
        "identity": lambda: events.request("GET /v1/identity", token=ANN),
        "health": lambda: events.request("GET /v1/health"),
    }  # fmt: skip
    return requests[function]() if function in requests else None


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    done = bundle("all", folder / "all", settings={"HOMEPORT_PROFILE": "aws"})
    assert done.returncode == 0, done.stderr
    return folder / "all"


@pytest.mark.parametrize("function", PORTS)
def test_a_function_loads_what_it_needs_and_no_more(function: str, bundles: Path) -> None:
    """Nobody is at the endpoint: what answers a request is loaded, and the request fails."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": nowhere,
        "HOMEPORT_AWS__SEARCH_ENDPOINT": nowhere,
        "HOMEPORT_AWS__DOCUMENT_ENDPOINT": nowhere,
    }
    event = first_event(function)
    told = answered(bundles / function, [] if event is None else [event], settings)
    assert [one["statusCode"] for one in told["answers"] if "statusCode" in one] in ([], [503])
    loaded = {name.partition(".")[0] for name in told["modules"]}
    third = {name for name in loaded - sys.stdlib_module_names if not name.startswith("_")}
    assert third - {"cython_runtime"} == LOADED[function]
    assert "asyncio" not in loaded
    adapters = [one.split(".")[2:] for one in told["modules"] if one.startswith("homeport.adapt")]
    assert {path[0] for path in adapters if path} <= {"aws", "credentials", "system"}
    words = {path[1].partition("_")[0] for path in adapters if len(path) == 2 and path[0] == "aws"}
    assert words & TOLD_APART == OURS[function]


@pytest.mark.parametrize("function", ["records", "search"])
def test_in_memory_nothing_of_aws_is_loaded(function: str, tmp_path: Path) -> None:
    folder = tmp_path / function
    assert bundle(function, folder).returncode == 0
    told = answered(folder, [first_event(function)])
    assert told["answers"][0]["statusCode"] in (200, 404)
    assert not [one for one in told["modules"] if one.partition(".")[0] in AWS]
    assert not [one for one in told["modules"] if one.startswith("homeport.adapters.aws")]
