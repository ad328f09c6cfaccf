"""The gateway's own answers, and what it does around every handler's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from homeport.entrypoints.local.settings import GatewaySettings, Rate
from tests.gateways import Handlers, Served, eventually, running

PAGE = "https://app.example"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running() as one:
        yield one


def test_a_fault_of_a_handler_is_a_500_and_a_traceback_in_the_log() -> None:
    with running() as served:
        answer = served.get("/broken?secret=1", "Authorization: Bearer secret")
        after = served.get("/hello")
        log = served
    assert answer.status == 500
    assert answer["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:homeport:problem:internal",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something went wrong on our side; the request's id leads to it.",
        "instance": "/broken",
        "request_id": answer["x-request-id"],
    }
    assert after.status == 200
    faults = [line for line in log.log_lines() if "traceback" in line]
    assert len(faults) == 1
    assert answer["x-request-id"] in faults[0]["message"]
    assert "ZeroDivisionError: on purpose" in faults[0]["traceback"]


def test_a_result_that_cannot_be_sent_is_a_500(served: Served) -> None:
    answer = served.get("/bad-result")
    assert answer.status == 500
    assert "b" not in answer


def test_one_log_line_a_request_without_secrets() -> None:
    with running() as served:
        served.get("/hello?secret=1", "Authorization: Bearer someone")
        served.post("/echo", b"secret body", "Content-Type: text/plain", "Cookie: secret=1")
        served.get('/"quoted"%0A')
    lines = served.log_lines()
    assert "secret" not in served.log.getvalue()
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "GET /hello", 200),
        ("POST", "POST /echo", 200),
        ("GET", "$default", 404),
    ]
    first = lines[0]
    assert set(first) == {
        "time", "level", "request_id", "method", "route", "path", "status", "ms", "bytes",
        "identity",
    }  # fmt: skip
    assert first["identity"] == "someone"
    assert first["level"] == "info"
    assert first["bytes"] == len('{"hello": "world"}')
    assert lines[2]["path"] == '/"quoted"\n'


def test_a_preflight_is_answered_by_the_gateway(served: Served) -> None:
    answer = served.get(
        "/echo", f"Origin: {PAGE}", "Access-Control-Request-Method: PATCH", method="OPTIONS"
    )
    assert answer.status == 204
    assert answer.body == b""
    assert answer["access-control-allow-origin"] == "*"
    assert "PATCH" in answer["access-control-allow-methods"]
    for name in ("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"):
        assert name in answer["access-control-allow-headers"]


@pytest.mark.parametrize("target", ["/hello", "/nowhere", "/broken"])
def test_pages_may_read_every_answer(served: Served, target: str) -> None:
    answer = served.get(target, f"Origin: {PAGE}")
    assert answer["access-control-allow-origin"] == "*"
    for name in ("ETag", "Location", "Retry-After", "X-Request-Id"):
        assert name in answer["access-control-expose-headers"]
    assert "access-control-allow-origin" not in served.get(target)


def test_only_allowed_pages() -> None:
    with running(GatewaySettings(origins=(PAGE,))) as served:
        allowed = served.get("/hello", f"Origin: {PAGE}")
        other = served.get("/hello", "Origin: https://other.example")
    assert allowed["access-control-allow-origin"] == PAGE
    assert allowed["vary"] == other["vary"] == "origin"
    assert "access-control-allow-origin" not in other


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_before_it_is_read(chunked: bool) -> None:
    with running(GatewaySettings(body_bytes=1000)) as served:
        with served.connect() as connection:
            how = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000000000"
            connection.send(f"POST /echo HTTP/1.1\r\nHost: h\r\n{how}\r\n\r\n")
            if chunked:
                connection.send(b"400\r\n" + b"a" * 1024 + b"\r\n")
            answer = connection.answer()
            assert connection.rest() == b""
        assert served.post("/echo", b"a" * 1000).status == 200
        assert served.post("/echo", b"a" * 1001).status == 413
    assert answer.status == 413
    assert answer["content-type"] == "application/problem+json"
    assert answer["connection"] == "close"
    problem = answer.json()
    assert problem["type"] == "urn:homeport:problem:too-large"
    assert problem["detail"] == "The body is over 1,000 bytes."
    assert problem["request_id"] == answer["x-request-id"]


def test_a_client_that_sends_too_much_all_the_same_reads_the_answer(served: Served) -> None:
    answer = served.post("/echo", b"a" * 3_000_000)
    assert answer.status == 413


def test_too_many_of_a_limited_operation() -> None:
    settings = GatewaySettings(rates={"POST /hello": Rate(burst=2, per_second=0.001)})
    with running(settings) as served:
        assert [served.post("/hello", b"").status for _ in range(3)] == [200, 200, 429]
        refused = served.post("/hello", b"")
        assert served.get("/hello").status == 200
    assert int(refused["retry-after"]) > 900
    assert refused["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:homeport:problem:rate-limited"


def test_too_many_requests_at_once() -> None:
    handlers = Handlers()
    with running(GatewaySettings(concurrent_requests=2), handlers) as served:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(served.get("/gated").status))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert handlers.entered.acquire(timeout=10)
        refused = served.get("/hello")
        handlers.gate.set()
        for thread in threads:
            thread.join()
        assert eventually(lambda: served.get("/hello").status == 200)
    assert refused.status == 503
    assert refused["retry-after"] == "1"
    assert refused.json()["type"] == "urn:homeport:problem:overloaded"
    assert statuses == [200, 200]
