"""HTTP as clients speak it, and the events that handlers get from it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.entrypoints.local.settings import GatewaySettings
from tests.gateways import Served, running


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(GatewaySettings(body_seconds=0.4)) as one:
        yield one


def echo(served: Served, target: str, *headers: str) -> dict[str, Any]:
    event: dict[str, Any] = served.get(target, *headers).json()["event"]
    return event


def test_an_answer(served: Served) -> None:
    answer = served.get("/hello")
    assert answer.status == 200
    assert answer.json() == {"hello": "world"}
    assert answer["content-type"] == "application/json"
    assert answer["etag"] == '"1"'
    assert answer["content-length"] == str(len(answer.body))
    assert answer["server"] == "homeport"
    assert "date" in answer


def test_request_ids_are_the_gateways_own_and_unique(served: Served) -> None:
    first = served.get("/echo", "X-Request-Id: mine")
    second = served.get("/echo", "X-Request-Id: mine")
    assert first["x-request-id"] == first.json()["event"]["requestContext"]["requestId"]
    assert len({"mine", first["x-request-id"], second["x-request-id"]}) == 3


def test_the_event_of_a_request(served: Served) -> None:
    event = echo(served, "/echo/a/b?x=1&x=2&y=%C3%A9", "User-Agent: test", "X-One: 1", "x-one: 2")
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"] == "GET /echo/{one}/{two}"
    assert event["rawPath"] == context["http"]["path"] == "/echo/a/b"
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%A9"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert event["pathParameters"] == {"one": "a", "two": "b"}
    assert event["headers"]["x-one"] == "1,2"
    assert event["isBase64Encoded"] is False
    assert "body" not in event
    assert context["http"]["method"] == "GET"
    assert context["http"]["protocol"] == "HTTP/1.1"
    assert context["http"]["sourceIp"] == "127.0.0.1"
    assert context["http"]["userAgent"] == "test"
    assert context["domainName"] == f"{served.host}:{served.port}"
    assert context["stage"] == "$default"
    assert context["authorizer"] == {"lambda": {"problem": "missing"}}


def test_cookies_stand_apart(served: Served) -> None:
    event = echo(served, "/echo", "Cookie: a=1; b=2", "Cookie: c=3")
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


@pytest.mark.parametrize(
    ("header", "context"),
    [
        ("Bearer someone", {"id": "someone", "kind": "guest", "groups": "[]", "expires": 2**40}),
        ("bearer someone", {"id": "someone", "kind": "guest", "groups": "[]", "expires": 2**40}),
        ("Bearer expired", {"problem": "expired"}),
        ("Bearer forged", {"problem": "invalid"}),
        ("Basic c29tZW9uZTo=", {"problem": "invalid"}),
    ],
)
def test_the_authorizers_context(served: Served, header: str, context: dict[str, Any]) -> None:
    for _ in range(2):
        event = echo(served, "/echo", f"Authorization: {header}")
        assert event["requestContext"]["authorizer"] == {"lambda": context}


@pytest.mark.parametrize(
    ("target", "raw_path", "parameters"),
    [
        ("/echo/a%20b/%C3%A9", "/echo/a b/é", {"one": "a b", "two": "é"}),
        ("/echo/a/b%3Fc", "/echo/a/b?c", {"one": "a", "two": "b?c"}),
        ("/echo/a/%ff", "/echo/a/\ufffd", {"one": "a", "two": "\ufffd"}),
        ("/echo/a/%00", "/echo/a/\0", {"one": "a", "two": "\0"}),
        ("/echo/a/%zz%", "/echo/a/%zz%", {"one": "a", "two": "%zz%"}),
        ("/echo/a/%252F", "/echo/a/%2F", {"one": "a", "two": "%2F"}),
        ("/echo/../x", "/echo/../x", {"one": "..", "two": "x"}),
        ("/echo/+/~", "/echo/+/~", {"one": "+", "two": "~"}),
    ],
)
def test_paths_are_decoded_once(
    served: Served, target: str, raw_path: str, parameters: dict[str, str]
) -> None:
    event = echo(served, target)
    assert event["rawPath"] == raw_path
    assert event["pathParameters"] == parameters


@pytest.mark.parametrize(
    "target", ["/echo/", "/echo/a", "/echo/a/b/", "/echo/a%2Fb/c", "//echo", "/ECHO", "/", "/%"]
)
def test_other_paths_are_other_routes(served: Served, target: str) -> None:
    answer = served.get(target)
    assert answer.status == 404
    assert "path" in answer.json()


def test_an_absolute_target(served: Served) -> None:
    answer = served.send("GET http://elsewhere/hello HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.status == 200


def test_options_for_the_whole_server(served: Served) -> None:
    assert served.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").status == 404


def test_head_is_a_get_without_the_body(served: Served) -> None:
    full = served.get("/hello")
    with served.connect() as connection:
        request = "HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
        connection.send(request)
        head = connection.answer(has_body=False)
        after = connection.answer()
    assert head.status == 200
    assert head["content-length"] == full["content-length"]
    assert head["etag"] == full["etag"]
    assert after.json() == {"hello": "world"}


def test_connections_are_kept(served: Served) -> None:
    with served.connect() as connection:
        for _ in range(3):
            connection.send(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.answer().status == 200


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    targets = ["/waiting/1", "/hello", "/waiting/2", "/echo/a/b"]
    with served.connect() as connection:
        request = "".join(f"GET {one} HTTP/1.1\r\nHost: h\r\n\r\n" for one in targets)
        connection.send(request)
        bodies = [connection.answer().json() for _ in targets]
    assert bodies[0] == {"number": "1"}
    assert bodies[1] == {"hello": "world"}
    assert bodies[2] == {"number": "2"}
    assert bodies[3]["event"]["rawPath"] == "/echo/a/b"


def test_http_1_0_closes_unless_asked(served: Served) -> None:
    with served.connect() as connection:
        connection.send(b"GET /echo HTTP/1.0\r\n\r\n")
        answer = connection.answer()
        assert connection.rest() == b""
    assert answer.version == "HTTP/1.0"
    assert answer.json()["event"]["requestContext"]["http"]["protocol"] == "HTTP/1.0"
    with served.connect() as connection:
        for _ in range(2):
            connection.send(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert connection.answer().status == 200


@pytest.mark.parametrize(
    ("content_type", "body", "text", "is_base64"),
    [
        ("application/json", '{"é":1}'.encode(), '{"é":1}', False),
        ("application/json", b"\xff\xfe", "//4=", True),
        ("image/png", b"\x89PNG", "iVBORw==", True),
    ],
)
def test_bodies(served: Served, content_type: str, body: bytes, text: str, is_base64: bool) -> None:
    event = served.post("/echo", body, f"Content-Type: {content_type}").json()["event"]
    assert (event["body"], event["isBase64Encoded"]) == (text, is_base64)


def test_an_empty_body(served: Served) -> None:
    assert "body" not in served.post("/echo", b"").json()["event"]


def test_a_body_in_chunks(served: Served) -> None:
    head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    answer = served.send(
        head + "Content-Type: text/plain\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    )
    assert answer.json()["event"]["body"] == "abcdefg"


def test_expect_continue(served: Served) -> None:
    with served.connect() as connection:
        connection.send(
            b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
            b"Content-Type: text/plain\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.answer().status == 100
        connection.send(b"hi")
        assert connection.answer().json()["event"]["body"] == "hi"


def test_binary_answers(served: Served) -> None:
    assert served.get("/binary").body == b"\x00\xff"


@pytest.mark.parametrize(
    "request_text",
    [
        "nonsense\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n",
        "GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
        "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_and_the_server_goes_on(
    served: Served, request_text: str
) -> None:
    assert served.send(request_text).status in {400, 414, 431}
    assert served.get("/hello").status == 200


def test_a_length_that_is_sent_twice(served: Served) -> None:
    head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"
    assert served.send(head).status in {200, 400}
    assert served.get("/hello").status == 200


def test_a_client_that_stops_in_the_middle_of_a_body(served: Served) -> None:
    with served.connect() as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        connection.socket.shutdown(socket.SHUT_WR)
        connection.rest()
    assert served.get("/hello").status == 200


def test_a_slow_client_holds_up_nobody_and_is_refused_in_the_end(served: Served) -> None:
    with served.connect() as slow:
        slow.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
        assert served.get("/hello").status == 200
        answer = slow.answer()
        assert answer.status == 400
        assert answer.json()["type"] == "urn:homeport:problem:body-incomplete"
        assert slow.rest() == b""


def test_whoever_has_sent_all_gets_all_answers(served: Served) -> None:
    for _ in range(50):
        with served.connect() as connection:
            connection.send(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
            connection.socket.shutdown(socket.SHUT_WR)
            assert [connection.answer().status for _ in range(2)] == [200, 200]
            assert connection.rest() == b""
