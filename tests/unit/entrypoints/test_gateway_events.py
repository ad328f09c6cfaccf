"""The event as API Gateway documents payload format 2.0, and its reading of results."""

from __future__ import annotations

from typing import Any

import pytest

from homeport.entrypoints.local import events


def build(**changed: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "route_key": "POST /v1/records/{space}/{collection}",
        "method": "POST",
        "path": "/v1/records/me/notes",
        "query": "",
        "http_version": "1.1",
        "headers": {"host": "api.example:8090", "user-agent": "agent"},
        "path_parameters": {"space": "me", "collection": "notes"},
        "body": None,
        "address": "192.0.2.1",
        "authorizer": {"id": "someone", "kind": "guest", "groups": "[]", "expires": 2},
        "request_id": "r1",
        "milliseconds": 1583348638390,
        "time_text": "12/Mar/2020:19:03:58 +0000",
    }
    return events.build_event(**{**arguments, **changed})


def test_a_whole_event() -> None:
    event = build(
        query="parameter1=value1&parameter1=value2&parameter2=value",
        headers={
            "host": "api.example",
            "header1": "value1,value2",
            "cookie": "cookie1=a; cookie2=b",
            "user-agent": "agent",
            "content-type": "application/json",
        },
        body=b'{"a":1}',
    )
    assert event == {
        "version": "2.0",
        "routeKey": "POST /v1/records/{space}/{collection}",
        "rawPath": "/v1/records/me/notes",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "host": "api.example",
            "header1": "value1,value2",
            "user-agent": "agent",
            "content-type": "application/json",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {
                "lambda": {"id": "someone", "kind": "guest", "groups": "[]", "expires": 2}
            },
            "domainName": "api.example",
            "domainPrefix": "api",
            "http": {
                "method": "POST",
                "path": "/v1/records/me/notes",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "r1",
            "routeKey": "POST /v1/records/{space}/{collection}",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": '{"a":1}',
        "pathParameters": {"space": "me", "collection": "notes"},
        "isBase64Encoded": False,
    }


def test_what_is_not_there_is_left_out() -> None:
    event = build(path_parameters=None)
    assert {"cookies", "queryStringParameters", "pathParameters", "body"}.isdisjoint(event)


@pytest.mark.parametrize(
    ("pairs", "joined"),
    [
        ([("a", "1"), ("b", "2")], {"a": "1", "b": "2"}),
        ([("a", "1"), ("b", "2"), ("a", "3")], {"a": "1,3", "b": "2"}),
        ([("cookie", "a=1"), ("cookie", "b=2; c=3")], {"cookie": "a=1; b=2; c=3"}),
        ([], {}),
    ],
)
def test_duplicate_headers(pairs: list[tuple[str, str]], joined: dict[str, str]) -> None:
    assert events.joined_headers(pairs) == joined


@pytest.mark.parametrize(
    ("raw", "parameters"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1&a=2&b=3", {"a": "1,2", "b": "3"}),
        ("q=caf%C3%A9+noir", {"q": "café noir"}),
        ("a&b=&=c", {"a": "", "b": "", "": "c"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=1&", {"a": "1"}),
        ("a=%zz%", {"a": "%zz%"}),
        ("a=%ff", {"a": "�"}),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_query_parameters(raw: str, parameters: dict[str, str]) -> None:
    assert events.query_parameters(raw) == parameters


@pytest.mark.parametrize(
    ("content_type", "body", "text", "is_base64"),
    [
        ("application/json", b'{"a":"\xc3\xa9"}', '{"a":"é"}', False),
        ("Application/JSON; charset=utf-8", b"{}", "{}", False),
        ("application/merge-patch+json", b"{}", "{}", False),
        ("text/plain", b"hi", "hi", False),
        ("", b"hi", "hi", False),
        ("application/json", b"\xff", "/w==", True),
        ("image/png", b"hi", "aGk=", True),
        ("application/x-www-form-urlencoded", b"a=1", "YT0x", True),
    ],
)
def test_bodies(content_type: str, body: bytes, text: str, is_base64: bool) -> None:
    assert events.body_text(body, content_type) == (text, is_base64)


def test_the_stamp_follows_the_second() -> None:
    stamp = events.SecondStamp()
    assert stamp.text(1583953438) == "11/Mar/2020:19:03:58 +0000"
    assert stamp.text(1583953438) == "11/Mar/2020:19:03:58 +0000"
    assert stamp.text(1583953439) == "11/Mar/2020:19:03:59 +0000"


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        (
            {"statusCode": 201, "headers": {"etag": '"1"', "age": 3}, "body": "x"},
            201,
            [("etag", '"1"'), ("age", "3")],
            "x",
        ),
        ({"statusCode": 204}, 204, [], ""),
        (
            {"statusCode": 200, "cookies": ["a=1; Secure", "b=2"]},
            200,
            [("set-cookie", "a=1; Secure"), ("set-cookie", "b=2")],
            "",
        ),
        ({"statusCode": 200, "body": "/w==", "isBase64Encoded": True}, 200, [], b"\xff"),
        ({"a": 1}, 200, [("content-type", "application/json")], '{"a": 1}'),
    ],
)
def test_results(
    result: dict[str, Any], status: int, headers: list[tuple[str, str]], body: str | bytes
) -> None:
    assert events.parse_result(result) == (status, headers, body)


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "ok"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": {"location": "a\r\nset-cookie: b"}},
        {"statusCode": 200, "headers": {"x": "é"}},
        {"statusCode": 200, "headers": {"x\r\ny": "z"}},
        {"statusCode": 200, "cookies": ["a=1\r\nx: y"]},
        {"statusCode": 200, "body": {"not": "text"}},
    ],
)
def test_results_that_cannot_be_sent(result: dict[str, Any]) -> None:
    with pytest.raises(events.BadResult):
        events.parse_result(result)
