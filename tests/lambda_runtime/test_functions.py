"""Every function in AWS's own runtime client, on its events and on AWS's samples."""

from __future__ import annotations

import time
from typing import Any

import pytest

from homeport.entrypoints import operations
from homeport.entrypoints.lambdas.needs import PORTS
from tests.lambda_runtime import events
from tests.lambda_runtime.conftest import Start
from tests.lambda_runtime.events import question, request
from tests.lambda_runtime.process import Running
from tests.lambda_runtime.sam import needs_sam

ANN = {"id": "ann", "kind": "user", "groups": "[]", "expires": int(time.time()) + 3600}
REQUESTED = operations.FUNCTIONS


def handler_of(function: str) -> str:
    return f"homeport.entrypoints.lambdas.{function}.handler"


def ask(function: Running, route: str, **parts: Any) -> Any:
    return function.invoke(request(route, token=ANN, **parts)).json


def test_the_functions_are_those_with_a_module() -> None:
    assert set(REQUESTED) <= set(PORTS)
    assert set(PORTS) - set(REQUESTED) == {"authorizer", "indexing", "delivery", "subscribers"}


def test_records_stores_and_answers(start: Start) -> None:
    records = start(handler_of("records"))
    where: dict[str, Any] = {"space": "me", "collection": "notes"}
    route = "/v1/records/{space}/{collection}"
    made = ask(records, f"POST {route}", body={"secret": "soup"}, **where)
    assert made["statusCode"] == 201
    id = made["headers"]["location"].rpartition("/")[2]
    found = ask(records, f"GET {route}/{{id}}", id=id, **where)
    assert (found["statusCode"], found["headers"]["etag"]) == (200, made["headers"]["etag"])
    assert ask(records, f"GET {route}/{{id}}", id="none", **where)["statusCode"] == 404
    refused = records.invoke(request(f"GET {route}", **where)).json
    assert refused["statusCode"] == 401

    created, read, missing, unknown = records.lines()
    assert created["operation"] == f"POST {route}"
    assert (created["status"], created["identity"], created["level"]) == (201, "ann", "info")
    assert created["cold"] is True and "cold" not in read
    assert (read["requests"], read["errors"], read["aws_calls"]) == (1, 0, 0)
    assert 0 < read["duration"] < 1000
    assert (missing["status"], unknown["status"]) == (404, 401)
    assert "identity" not in unknown
    assert "soup" not in records.text()


def test_the_metrics_are_in_the_embedded_format(start: Start) -> None:
    health = start(handler_of("health"))
    assert ask(health, "GET /v1/health")["statusCode"] == 200
    (line,) = health.lines()
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    for one in metrics["Metrics"]:
        assert isinstance(line[one["Name"]], int | float)
    for dimensions in metrics["Dimensions"]:
        assert all(isinstance(line[one], str) for one in dimensions)


def test_search_answers(start: Start) -> None:
    search = start(handler_of("search"))
    found = ask(search, "GET /v1/search", path="/v1/search?q=soup")
    assert (found["statusCode"], found["body"][:10]) == (200, '{"hits":[]')


def test_messages_takes_messages_and_devices(start: Start) -> None:
    messages = start(handler_of("messages"))
    sent = ask(messages, "POST /v1/messages", body={"to": ["bob"], "title": "Hi", "text": "Soup?"})
    assert sent["statusCode"] == 202
    assert ask(messages, "GET /v1/devices")["body"] == '{"items":[]}'


def test_health_answers_for_what_does_not_exist(start: Start) -> None:
    health = start(handler_of("health"))
    nothing = health.invoke(request("$default", "/v1/nothing")).json
    assert nothing["statusCode"] == 404
    other = request("$default", "/v1/messages")
    other["requestContext"]["http"]["method"] = "PUT"
    assert health.invoke(other).json["headers"]["allow"] == "POST"


def test_what_the_authorizer_says_arrives_as_identity_wants_it(start: Start) -> None:
    """One after the other, as API Gateway calls them: a token made by one backend in memory is
    good in no other, so here one function plays both."""
    files = {
        "both.py": (
            "from homeport.entrypoints.lambdas import authorizer, identity\n"
            "from homeport.entrypoints.lambdas.runtime import RequestFunction\n"
            "backends = []\n"
            "def handler(event, context):\n"
            "    if not backends:\n"
            "        from pathlib import Path\n"
            "        from homeport.container import build\n"
            "        from homeport.definition import load\n"
            '        backends.append(build(load(Path(), {"HOMEPORT_PROFILE": "memory"})))\n'
            '    part = authorizer if event.get("type") == "REQUEST" else identity\n'
            "    return part.build(backends[0])(event, context)\n"
        )
    }
    both = start("both.handler", files)
    guest = both.invoke(request("POST /v1/identity/guest")).json
    token = guest["body"].partition('"access_token":"')[2].partition('"')[0]
    answer = both.invoke(question(f"Bearer {token}")).json
    assert answer["isAuthorized"] is True
    assert all(isinstance(one, str | int) for one in answer["context"].values())
    me = both.invoke(request("GET /v1/identity", token=answer["context"])).json
    assert me["statusCode"] == 200


def test_the_authorizer_never_refuses_and_logs_no_token(start: Start) -> None:
    authorizer = start(handler_of("authorizer"))
    for given, problem in ((None, "missing"), ("Bearer secret-token", "invalid")):
        answer = authorizer.invoke(question(given)).json
        assert answer == {"isAuthorized": True, "context": {"problem": problem}}
    assert [one["errors"] for one in authorizer.lines()] == [0, 0]
    assert "secret" not in authorizer.text()


def test_indexing_takes_changes(start: Start) -> None:
    indexing = start(handler_of("indexing"))
    assert indexing.invoke(events.change("soup", 1 << 40)).json == {"batchItemFailures": []}
    (line,) = indexing.lines()
    assert (line["operation"], line["records"], line["failed_records"]) == ("aws:dynamodb", 1, 0)
    assert "soup" not in indexing.text()


TAKEN = {
    **dict.fromkeys(REQUESTED, ("apigateway/HttpApi",)),
    "authorizer": (),
    "indexing": ("sqs/Sqs",),  # not the sample of a stream: it is of another table
    "delivery": ("sqs/Sqs",),
    "subscribers": ("sqs/Sqs",),
}
"""The samples of AWS that a function is made for."""


ODD: list[Any] = [
    None,
    [],
    "text",
    7,
    {},
    {"Records": []},
    {"Records": [{"eventSource": "aws:sqs"}]},
    {"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {}}]},
    {"version": "2.0"},
    {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": 5,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": {"method": "GET"}, "requestId": "1"},
    },
]


@pytest.mark.parametrize("function", PORTS)
def test_an_event_of_another_kind_is_refused_loudly(function: str, start: Start) -> None:
    needs_sam()
    others = [name for name in events.samples() if name not in TAKEN[function]]
    assert len(others) > 40
    running = start(handler_of(function))
    for name in others:
        outcome = running.invoke(events.sample(name))
        assert outcome.error is not None, (name, outcome.response)
        assert outcome.error["errorType"] == "UnknownEvent", (name, outcome.error)
        assert "this event" in outcome.error["errorMessage"] or function in str(outcome.error)
    for odd in ODD:
        outcome = running.invoke(odd)
        assert outcome.error is not None and outcome.error["errorType"] == "UnknownEvent", odd
    logged = [one for one in log_lines(running) if "error" in one]
    assert len(logged) == len(others) + len(ODD)
    assert {one["error"]["type"] for one in logged} == {"UnknownEvent"}


def log_lines(running: Running) -> list[dict[str, Any]]:
    """Our lines; the runtime adds its own of each error that it gets."""
    return [one for one in running.json_lines() if "_aws" in one]


@pytest.mark.parametrize("function", REQUESTED)
def test_the_sample_of_an_http_api_is_answered(function: str, start: Start) -> None:
    needs_sam()
    running = start(handler_of(function))
    answer = running.invoke(events.sample("apigateway/HttpApi")).json
    assert answer["statusCode"] == 404
    (line,) = running.lines()
    assert (line["operation"], line["request_id"], line["status"]) == ("$default", "id", 404)
