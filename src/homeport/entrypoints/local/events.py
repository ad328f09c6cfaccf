"""HTTP requests as events, and handlers' results as HTTP answers.

Both are API Gateway's payload format 2.0 for HTTP APIs: what a handler gets and gives here is
what it gets and gives on AWS. As there, `rawPath` and the path parameters are percent-decoded,
duplicate headers and query parameters are joined by commas, cookies stand apart, and a body
that is not text is base64.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus

Event: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]

ACCOUNT: Final = "000000000000"
API: Final = "local"
STAGE: Final = "$default"

_TEXT_TYPES: Final = frozenset(
    ("application/json", "application/javascript", "application/xml", "")
)
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


class SecondStamp:
    """A moment as the Common Log Format writes it, `12/Mar/2020:19:03:58 +0000`.

    It is written once a second, not once a request.
    """

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, second: int) -> str:
        if second != self._second:
            at = time.gmtime(second)
            self._second = second
            self._text = (
                f"{at.tm_mday:02d}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:"
                f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
            )
        return self._text


def joined_headers(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; those that came more than once are joined, cookies by semicolons.

    Names come in lower case.
    """
    headers = dict(pairs)
    if len(headers) != len(pairs):
        headers.clear()
        for name, value in pairs:
            if name in headers:
                separator = "; " if name == "cookie" else ","
                headers[name] += separator + value
            else:
                headers[name] = value
    return headers


def query_parameters(raw: str) -> dict[str, str]:
    """Decoded names and values; those of the same name are joined by commas."""
    parameters: dict[str, str] = {}
    for pair in raw.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name, value = unquote_plus(name), unquote_plus(value)
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def body_text(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as an event holds it, and whether that is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _TEXT_TYPES or media_type.startswith("text/") or media_type.endswith("+json"):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return b64encode(body).decode("ascii"), True


def build_event(
    *,
    route_key: str,
    method: str,
    path: str,
    query: str,
    http_version: str,
    headers: dict[str, str],
    path_parameters: dict[str, str] | None,
    body: bytes | None,
    address: str,
    authorizer: Mapping[str, Any],
    request_id: str,
    milliseconds: int,
    time_text: str,
) -> Event:
    """The event for a request. `headers` is taken over; `milliseconds` are since 1970."""
    cookies = headers.pop("cookie", None)
    host = headers.get("host", "")
    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "authorizer": {"lambda": authorizer},
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1" if http_version == "1.1" else "HTTP/1.0",
                "sourceIp": address,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": STAGE,
            "time": time_text,
            "timeEpoch": milliseconds,
        },
        "isBase64Encoded": False,
    }
    if path_parameters is not None:
        event["pathParameters"] = path_parameters
    if query:
        event["queryStringParameters"] = query_parameters(query)
    if cookies is not None:
        event["cookies"] = [one.strip() for one in cookies.split(";") if one.strip()]
    if body:
        event["body"], event["isBase64Encoded"] = body_text(body, headers.get("content-type", ""))
    return event


_is_name: Final = lru_cache(256)(re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch)


class BadResult(Exception):
    """A handler returned what API Gateway would not take either."""


def parse_result(result: Any) -> tuple[int, Headers, str | bytes]:
    """Status, headers and body of what a handler returned. Raises BadResult.

    A result without a status code is, as on AWS, the JSON body of a 200.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200, [("content-type", "application/json")], json.dumps(result)
    status = result["statusCode"]
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise BadResult(f"not a status code: {status!r}")
    headers: Headers = []
    pairs = [*(result.get("headers") or {}).items()]
    pairs += [("set-cookie", cookie) for cookie in result.get("cookies") or ()]
    for name, value in pairs:
        text = value if isinstance(value, str) else str(value)
        if not (text.isascii() and text.isprintable() and _is_name(name)):
            raise BadResult(f"the header {name} cannot be sent")
        headers.append((name, text))
    body = result.get("body") or ""
    if not isinstance(body, str):
        raise BadResult("the body is not text")
    return status, headers, b64decode(body) if result.get("isBase64Encoded") else body
