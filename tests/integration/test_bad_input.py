"""Everything that a client can get wrong, with the very problem document that it gets back.

After each request the server still serves, and nothing was written.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import build
from homeport.definition import Definition
from tests import described, servers

BODY = {"content-type": "application/json"}
PATCH = {"content-type": "application/merge-patch+json"}
NOTES = "/v1/records/me/notes"
ONE = f"{NOTES}/one"
KEY = "0190f1f0-0000-7000-8000-000000000001"
OTHER_KEY = "0190f1f0-0000-7000-8000-000000000002"


@dataclass(frozen=True)
class Case:
    """A request and its answer. `errors` are the pointers and reasons."""

    name: str
    method: str
    path: str
    status: int
    type: str
    detail: str
    errors: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = "own"


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
}
RULE = "The JSON breaks a rule."
BROKEN = "The body is not well-formed JSON."
QUERY = "The query string is not as it should be."
UNEXPECTED = "The body is not as it should be."


def post(name: str, body: bytes, detail: str, errors: Mapping[str, str]) -> Case:
    return Case(name, "POST", NOTES, 400, "invalid", detail, errors, BODY, body)


def query(name: str, path: str, errors: Mapping[str, str], detail: str = QUERY) -> Case:
    return Case(name, "GET", path, 400, "invalid", detail, errors)


def batch(name: str, writes: Any, errors: Mapping[str, str], **changes: Any) -> Case:
    body = json.dumps({"writes": writes}).encode()
    told: dict[str, Any] = {"status": 400, "type": "invalid", "detail": UNEXPECTED, **changes}
    return Case(name, "POST", "/v1/records/me", errors=errors, headers=BODY, body=body, **told)


def ask(
    name: str,
    search: Mapping[str, Any],
    errors: Mapping[str, str],
    detail: str = "The search cannot be done so.",
) -> Case:
    """A search in its JSON form."""
    body = json.dumps(search).encode()
    return Case(name, "POST", "/v1/search", 400, "invalid", detail, errors, BODY, body)


def unknown(what: str, method: str, path: str, fields: Mapping[str, Any]) -> Case:
    """A body with a field too many."""
    body = json.dumps({**fields, "colour": "red"}).encode()
    errors = {"/colour": "unknown"}
    name = f"unknown field of {what}"
    return Case(name, method, path, 400, "invalid", UNEXPECTED, errors, BODY, body)


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels - 1):
        data = {"a": data}
    return data


def match(name: str, tag: str, status: int, kind: str, detail: str, **more: Any) -> Case:
    return Case(name, "PUT", ONE, status, kind, detail, headers={**BODY, **tagged(tag)}, **more)


def tagged(tag: str) -> dict[str, str]:
    return {"if-match": tag}


CASES = [
    # JSON
    post("empty", b"", "The body is missing.", {"": "missing"}),
    post(
        "malformed",
        b'{"a":',
        BROKEN,
        {"": "Expecting value at line 1, column 6"},
    ),
    post("trailing", b"{} {}", BROKEN, {"": "Extra data at line 1, column 4"}),
    post("array", b"[1]", "A record's data is a JSON object.", {"": "not an object"}),
    post("text", b'"a"', "A record's data is a JSON object.", {"": "not an object"}),
    post("null", b"null", "A record's data is a JSON object.", {"": "not an object"}),
    post("latin-1", b'{"a":"\xe9"}', "The body is not UTF-8.", {"": "not UTF-8"}),
    post("nan", b'{"a":NaN}', RULE, {"/a": "NaN is not a JSON number"}),
    post("infinity", b'{"a":[-Infinity]}', RULE, {"/a/0": "-Infinity is not a JSON number"}),
    post(
        "duplicates",
        b'{"a":{"b":1,"b":2},"c~/":1,"c~/":2}',
        RULE,
        {
            "/a/b": "this name stands twice in one object",
            "/c~0~1": "this name stands twice in one object",
        },
    ),
    post(
        "surrogate",
        b'{"a":"\\ud800"}',
        RULE,
        {"/a": "holds a lone surrogate, which is not text"},
    ),
    post(
        "NaN under half a surrogate pair",
        b'{"\\ud800":NaN}',
        RULE,
        {
            "": "a name holds a lone surrogate, which is not text",
            "/?": "NaN is not a JSON number",
        },
    ),
    post("39 digits", b'{"a":%s}' % (b"1" * 39), RULE, {"/a": "a number of more than 38 digits"}),
    post("fraction", b'{"a":0.%s}' % (b"1" * 39), RULE, {"/a": "a number of more than 38 digits"}),
    post("huge", b'{"a":1e126}', RULE, {"/a": "a number outside 1e-130 to 9.99e125"}),
    post("tiny", b'{"a":1e-131}', RULE, {"/a": "a number outside 1e-130 to 9.99e125"}),
    post(
        "33 levels",
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
        RULE,
        {"": "nested deeper than 32 levels"},
    ),
    post(
        "100,000 levels",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        RULE,
        {"": "nested deeper than 32 levels"},
    ),
    Case(
        "body over the limit",
        "POST",
        NOTES,
        413,
        "too-large",
        "The body is over 1,000,000 bytes.",
        headers=BODY,
        body=b'{"a":"' + b"x" * 1_000_000 + b'"}',
    ),
    Case(
        "record over the limit",
        "PUT",
        ONE,
        413,
        "too-large",
        "The record would take 411,165 bytes; 409,600 is the most.",
        headers=BODY,
        body=b'{"a":"' + b"x" * 410_000 + b'"}',
    ),
    Case(
        "form",
        "POST",
        NOTES,
        415,
        "unsupported-media-type",
        "Send the body as application/json in UTF-8.",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=b"a=1",
    ),
    Case(
        "json for a patch",
        "PATCH",
        ONE,
        415,
        "unsupported-media-type",
        "Send the body as application/merge-patch+json in UTF-8.",
        headers=BODY,
        body=b"{}",
        answer_headers={"accept-patch": "application/merge-patch+json"},
    ),
    Case(
        "latin-1 charset",
        "POST",
        NOTES,
        415,
        "unsupported-media-type",
        "Send the body as application/json in UTF-8.",
        headers={"content-type": "application/json; charset=latin-1"},
        body=b"{}",
    ),
    Case(
        "no content type",
        "POST",
        NOTES,
        415,
        "unsupported-media-type",
        "Send the body as application/json in UTF-8.",
        body=b"{}",
    ),
    # Names
    query(
        "id with a space",
        f"{NOTES}/a%20b",
        {"id": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"},
        "This id is not an id.",
    ),
    query(
        "id with a zero",
        f"{NOTES}/a%00b",
        {"id": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"},
        "This id is not an id.",
    ),
    query(
        "id with a dot first",
        f"{NOTES}/.a",
        {"id": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"},
        "This id is not an id.",
    ),
    query(
        "id too long",
        f"{NOTES}/{'a' * 129}",
        {"id": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"},
        "This id is not an id.",
    ),
    query(
        "hidden space",
        "/v1/records/.ann/devices",
        {"space": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"},
        "This space is not an id.",
    ),
    query(
        "collection in capitals",
        "/v1/records/me/Notes",
        {"collection": "1 to 64 of a-z 0-9 _"},
        "This is not a collection's name.",
    ),
    query(
        "collection with a newline",
        "/v1/records/me/notes%0A",
        {"collection": "1 to 64 of a-z 0-9 _"},
        "This is not a collection's name.",
    ),
    # Parameters and fields
    query("unknown parameter", f"{NOTES}?colour=red", {"colour": "unknown"}),
    query("unknown parameter where none is taken", f"{ONE}?limit=1", {"limit": "unknown"}),
    query("parameter twice", f"{NOTES}?limit=1&limit=2", {"limit": "stands twice"},
          "A parameter stands twice."),
    query(
        "limit not a number",
        f"{NOTES}?limit=ten",
        {"limit": "not a whole number"},
    ),
    query("limit 0", f"{NOTES}?limit=0",
          {"limit": "1 to 100"}),
    query("limit 101", f"{NOTES}?limit=101",
          {"limit": "1 to 100"}),
    query("order", f"{NOTES}?order=size",
          {"order": "one of id, -id, updated, -updated"}),
    query("query string not UTF-8", f"{NOTES}?cursor=%ff", {"": "not UTF-8"},
          "The query string is not UTF-8."),
    batch("unknown field", [{"op": "delete", "collection": "notes", "id": "one", "colour": 1}],
          {"/writes/0/colour": "unknown"}),
    batch("unknown op", [{"op": "drop", "collection": "notes", "id": "one"}],
          {"/writes/0/op": "one of create, put, patch, delete"}),
    batch("missing op", [{"collection": "notes"}], {"/writes/0/op": "missing"}),
    batch("wrong types in a batch",
          ["a", {"op": "put", "collection": 7, "id": "one", "data": [], "if_none_match": "1"}],
          {"/writes/0": "not an object", "/writes/1/collection": "not a string",
           "/writes/1/data": "not an object", "/writes/1/if_none_match": "only *"}),
    batch("wrong names in a batch",
          [{"op": "put", "collection": "Notes", "id": ".one", "data": {}}],
          {"/writes/0/collection": "1 to 64 of a-z 0-9 _",
           "/writes/0/id": "1 to 128 of A-Z a-z 0-9 _ - . and no dot at the start"}),
    batch("a batch that is none", {}, {"/writes": "not an array"}),
    batch("empty batch", [],
          {"/writes": "at least 1 item"}),
    batch("91 writes", [{"op": "delete", "collection": "notes", "id": f"i{n}"} for n in range(91)],
          {"/writes": "at most 90 items"}),
    batch("data of a deletion",
          [{"op": "put", "collection": "notes", "id": "new", "data": {}},
           {"op": "delete", "collection": "notes", "id": "one", "data": {}}],
          {"/writes/1/data": "not for delete"}, detail="A deletion has no data."),
    batch("the same record twice",
          [{"op": "put", "collection": "notes", "id": "new", "data": {}}] * 2,
          {"/writes/1": "the same record stands earlier in the batch"},
          detail="A batch writes a record once."),
    batch("one refused of many",
          [{"op": "put", "collection": "notes", "id": "new", "data": {}},
           {"op": "create", "collection": "notes", "id": "one", "data": {}}],
          {"/writes/1": "This id is taken."},
          status=409, type="conflict", detail="This id is taken."),
    batch("a malformed if_match in a batch",
          [{"op": "delete", "collection": "notes", "id": "one"},
           {"op": "put", "collection": "notes", "id": "new", "data": {}, "if_match": '"a", "b"'}],
          {"/writes/1/if_match": 'one "..." as in ETag, or *'},
          detail="If-Match is not one entity tag."),
    batch("a weak if_match in a batch",
          [{"op": "put", "collection": "notes", "id": "one", "data": {}, "if_match": 'W/"1"'}],
          {"/writes/0": "The record is not as you expect: it is at another version."},
          status=412, type="version-mismatch",
          detail="The record is not as you expect: it is at another version."),
    batch("both conditions in a batch",
          [{"op": "put", "collection": "notes", "id": "one", "data": {}, "if_match": "*",
            "if_none_match": "*"}],
          {"/writes/0/if_match": "conflict"},
          detail="If-Match and If-None-Match exclude each other."),
    batch("surrogate in a batch",
          [{"op": "put", "collection": "notes", "id": "new", "data": {"a": "\ud800"}}],
          {"/writes/0/data/a": "holds a lone surrogate, which is not text"}, detail=RULE),
    batch("33 levels in a batch",
          [{"op": "delete", "collection": "notes", "id": "one"},
           {"op": "put", "collection": "notes", "id": "new", "data": nested(33)}],
          {"/writes/1/data": "nested deeper than 32 levels"}, detail=RULE),
    batch("100 levels in a batch",
          [{"op": "put", "collection": "notes", "id": "new", "data": nested(100)}],
          {"": "nested deeper than 32 levels"}, detail=RULE),
    Case("33 levels in a message", "POST", "/v1/messages", 400, "invalid",
         "The message breaks a rule.", {"/data": "nested deeper than 32 levels"}, BODY,
         json.dumps({"to": ["x"], "data": nested(33)}).encode()),
    unknown("a message", "POST", "/v1/messages", {"to": ["x"], "text": "hi"}),
    unknown("a device", "PUT", "/v1/devices/phone", {"platform": "fcm", "token": "abc"}),
    unknown("a search", "POST", "/v1/search", {"q": "a"}),
    unknown("a sign-up", "POST", "/v1/identity/sign-up",
            {"login": "someone", "password": "correct horse"}),
    unknown("a sign-in", "POST", "/v1/identity/sign-in",
            {"login": "someone", "password": "correct horse"}),
    unknown("a refresh", "POST", "/v1/identity/refresh", {"refresh_token": "abc"}),
    # Cursors and checkpoints
    query("bad cursor", f"{NOTES}?cursor=nonsense",
          {"cursor": "not a cursor of this collection and order"},
          "This cursor cannot be used here."),
    query("bad checkpoint", "/v1/changes/me?since=nonsense",
          {"since": "not a checkpoint of this space and collection"},
          "This checkpoint cannot be used here."),
    query("bad search cursor", "/v1/search?q=a&cursor=nonsense",
          {"cursor": "not a cursor of this search"}, "The page cannot be continued."),
    # Expectations
    match("If-Match without quotes", "abc", 400, "invalid", "If-Match is not one entity tag.",
          errors={"If-Match": 'one "..." as in ETag, or *'}, body=b"{}"),
    match("If-Match with two tags", '"a", "b"', 400, "invalid", "If-Match is not one entity tag.",
          errors={"If-Match": 'one "..." as in ETag, or *'}, body=b"{}"),
    match("If-Match weak", 'W/"0000000000000001"', 412, "version-mismatch",
          "The record is not as you expect: it is at another version.", body=b"{}"),
    match("If-Match of another server", '"5f3a"', 412, "version-mismatch",
          "The record is not as you expect: it is at another version.", body=b"{}"),
    match("If-Match stale", '"0000000000000001"', 412, "version-mismatch",
          "The record is not as you expect: it is at another version.", body=b"{}"),
    Case("If-None-Match of a version", "PUT", ONE, 400, "invalid",
         "A write takes If-None-Match only as *.", {"If-None-Match": "not *"},
         {**BODY, "if-none-match": '"0000000000000001"'}, b"{}"),
    Case("If-None-Match where it exists", "PUT", ONE, 412, "version-mismatch",
         "The record is not as you expect: it exists already.",
         headers={**BODY, "if-none-match": "*"}, body=b"{}"),
    Case("both conditions", "PUT", ONE, 400, "invalid",
         "If-Match and If-None-Match exclude each other.", {"If-None-Match": "conflict"},
         {**BODY, "if-match": "*", "if-none-match": "*"}, b"{}"),
    # Idempotency
    Case("Idempotency-Key not a UUID", "POST", NOTES, 400, "invalid", "The key is not a UUID.",
         {"Idempotency-Key": "not a UUID"}, {**BODY, "idempotency-key": "again"}, b"{}"),
    Case("Idempotency-Key with another body", "POST", NOTES, 422, "mismatched",
         "This Idempotency-Key came before with another body.",
         headers={**BODY, "idempotency-key": KEY}, body=b'{"another":1}'),
    Case("Idempotency-Key of a deleted record", "POST", NOTES, 410, "gone",
         "This record was created before, and has been deleted since.",
         headers={**BODY, "idempotency-key": OTHER_KEY}, body=b"{}"),
    # Routes
    Case("unknown path", "GET", "/v1/nothing", 404, "not-found", "There is no such path."),
    Case("slash in an id", "GET", f"{NOTES}/a/b", 404, "not-found", "There is no such path."),
    Case("outside the API", "GET", "/", 404, "not-found", "There is no such path."),
    Case("trailing slash", "GET", f"{NOTES}/", 404, "not-found", "There is no such path."),
    Case("unknown method", "DELETE", NOTES, 405, "method-not-allowed",
         "This path answers to POST, GET, HEAD.", answer_headers={"allow": "POST, GET, HEAD"}),
    Case("made-up method", "BREW", "/v1/health", 405, "method-not-allowed",
         "This path answers to GET, HEAD.", answer_headers={"allow": "GET, HEAD"}),
    Case("a local route's method", "DELETE", "/local/pushes", 405, "method-not-allowed",
         "This path answers to GET, HEAD.", answer_headers={"allow": "GET, HEAD"}),
    query("a local route's parameter", "/local/status?limit=1", {"limit": "unknown"}),
    # Tokens
    Case("no token", "GET", ONE, 401, "unauthenticated",
         "Send an access token: Authorization: Bearer ...", token=None,
         answer_headers={"www-authenticate": 'Bearer realm="homeport"'}),
    Case("garbled token", "GET", ONE, 401, "unauthenticated", "The access token is not valid.",
         token="garbled",
         answer_headers={
             "www-authenticate": 'Bearer realm="homeport", error="invalid_token", '
             'error_description="The access token is not valid."'
         }),
    Case("expired token", "GET", ONE, 401, "unauthenticated", "The access token has expired.",
         token="expired",
         answer_headers={
             "www-authenticate": 'Bearer realm="homeport", error="invalid_token", '
             'error_description="The access token has expired."'
         }),
    Case("another scheme", "GET", ONE, 401, "unauthenticated", "The access token is not valid.",
         headers={"authorization": "Basic YTpi"}, token=None,
         answer_headers={
             "www-authenticate": 'Bearer realm="homeport", error="invalid_token", '
             'error_description="The access token is not valid."'
         }),
    # Searches
    query("query too long", f"/v1/search?q={'a' * 1025}", {"q": "at most 1024 bytes of UTF-8"},
          "The query is too long."),
    query("sort by an undeclared field", "/v1/search?q=a&sort=colour",
          {"sort": "colour is not declared as a keyword, number or date field"},
          "The search cannot be done so."),
    query("highlight of an undeclared field", "/v1/search?q=a&highlight=colour",
          {"highlight": "colour is not declared as a text field"},
          "The search cannot be done so."),
    query("filter without a value", "/v1/search?filter=colour",
          {"filter": "write field:value, field:>10, field:1..5 or field~words"},
          "The filter cannot be used."),
    query("a facet of no field, the second", "/v1/search?facet=a&facet=%0A",
          {"facet": "a field is a dotted path of at most 256 characters"},
          "The filter cannot be used."),
    query("a sort by the distance of an undeclared field", "/v1/search?sort=-place:91,16",
          {"sort": "place:91,16 is not declared as a keyword, number or date field"},
          "The search cannot be done so."),
    query("a facet with its bounds the wrong way round", "/v1/search?facet=size:2..1",
          {"facet": "the lower bound of size comes first"}, "The filter cannot be used."),
    query("an interval of an undeclared field", "/v1/search?facet=seen:month",
          {"facet": "seen is not declared as a date field"}, "The search cannot be done so."),
    ask("too many ranges", {"facets": ["a", "size:" + ",".join(f">{n}" for n in range(21))]},
        {"/facets/1": "at most 20 ranges"}),
    ask("a filter with its bounds the wrong way round", {"filters": ["size:2..1"]},
        {"/filters/0": "the lower bound of size comes first"}, "The filter cannot be used."),
    ask("a filter that is none", {"filters": ["kind:a", "colour"]},
        {"/filters/1": "write field:value, field:>10, field:1..5 or field~words"},
        "The filter cannot be used."),
    ask("a filter of a field that cannot be", {"filters": ["kind:a", "b:1", "\n:2"]},
        {"/filters/2": "a field is a dotted path of at most 256 characters"},
        "The filter cannot be used."),
    ask("a facet of no field", {"facets": ["a\n"]},
        {"/facets/0": "a field is a dotted path of at most 256 characters"},
        "The filter cannot be used."),
    ask("an undeclared sort", {"sort": "colour"},
        {"/sort": "colour is not declared as a keyword, number or date field"}),
    ask("an undeclared highlight", {"highlight": ["colour"]},
        {"/highlight/0": "colour is not declared as a text field"}),
    ask("a query too long", {"q": "a" * 1025}, {"/q": "at most 1024 bytes of UTF-8"},
        "The query is too long."),
    ask("a foreign cursor", {"q": "a", "cursor": "nonsense"},
        {"/cursor": "not a cursor of this search"}, "The page cannot be continued."),
    # What is not the client's to do
    Case("writing the inbox", "POST", "/v1/records/me/inbox", 403, "forbidden",
         "Only the backend itself creates in inbox.", headers=BODY, body=b"{}"),
    Case("another's space", "GET", "/v1/records/someone/notes/one", 404, "not-found",
         "There is nothing here that you may see."),
    Case("a message to nobody", "POST", "/v1/messages", 400, "invalid", UNEXPECTED,
         {"/to": "at least 1 item"}, BODY,
         b'{"to":[],"text":"hi"}'),
    Case("a device of an unknown platform", "PUT", "/v1/devices/phone", 400, "invalid", UNEXPECTED,
         {"/platform": "one of apns, fcm"}, BODY,
         b'{"platform":"pager","token":"abc"}'),
]  # fmt: skip


class Client:
    """One guest on one kept-alive connection. `expired` was a guest's token once."""

    def __init__(self, address: str, expired: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=30)
        session = self.ask("POST", "/v1/identity/guest", token=None)[2]
        self.tokens = {"own": str(session["access_token"]), "expired": expired}

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        token: str | None = "own",
    ) -> tuple[int, dict[str, str], Any]:
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {self.tokens.get(token, token)}"
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        text = answer.read()
        received = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, received, json.loads(text) if text else None

    def stored(self) -> Any:
        """Everything that the guest has."""
        paths = ("/v1/changes/me", "/v1/devices", "/v1/blocks")
        return [self.ask("GET", path)[2]["items"] for path in paths]


def expired_token(folder: Path) -> str:
    """One that a server on this data folder gave out, long ago."""
    backend = build(Definition(data_folder=folder), clock=ManualClock())
    try:
        return backend.identities.guest().access_token
    finally:
        backend.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("bad-input") / "data"
    expired = expired_token(folder)
    with servers.serving(folder) as server:
        one = Client(server.address, expired)
        assert one.ask("PUT", ONE, BODY, b'{"a":1}')[0] == 201
        for key in (KEY, OTHER_KEY):
            assert one.ask("POST", NOTES, {**BODY, "idempotency-key": key}, b"{}")[0] == 201
        assert one.ask("DELETE", f"{NOTES}/{OTHER_KEY}")[0] == 204
        yield one
        one.connection.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input(client: Client, case: Case) -> None:
    check(client, case)


def check(client: Client, case: Case) -> None:
    before = client.stored()
    status, headers, problem = client.ask(
        case.method, case.path, case.headers, case.body, case.token
    )
    described.check(case.method, case.path, status, headers, json.dumps(problem))
    told = problem.pop("errors", [])
    assert problem == {
        "type": f"urn:homeport:problem:{case.type}",
        "title": TITLES[case.status],
        "status": case.status,
        "detail": case.detail,
        "instance": case.path.partition("?")[0],
        "request_id": headers["x-request-id"],
    }
    assert {one["pointer"]: one["detail"] for one in told} == dict(case.errors)
    assert status == case.status
    assert headers["content-type"] == "application/problem+json"
    for name, value in case.answer_headers.items():
        assert headers[name] == value
    assert client.stored() == before


def test_32_levels_are_kept_wherever_data_is_sent(client: Client) -> None:
    at = client.connection
    client = Client(f"{at.host}:{at.port}", "")  # its message may still be on its way later
    data = nested(32)
    write = {"op": "put", "collection": "deep", "id": "batched", "data": data}
    batched = client.ask("POST", "/v1/records/me", BODY, json.dumps({"writes": [write]}).encode())
    alone = client.ask("PUT", "/v1/records/me/deep/alone", BODY, json.dumps(data).encode())
    assert (batched[0], alone[0]) == (200, 201)
    kept = client.ask("GET", "/v1/records/me/deep")[2]["items"]
    assert [one["data"] for one in kept] == [data, data]
    message = json.dumps({"to": [alone[2]["author"]], "data": data}).encode()
    status, _, sent = client.ask("POST", "/v1/messages", BODY, message)
    assert (status, sent["data"]) == (202, data)
    assert client.ask("GET", f"/v1/messages/{sent['id']}")[2]["data"] == data
    client.connection.close()


PAGE = "This cursor cannot be used here."
PAGE_OF = "not a cursor of this collection and order"
CHANGES = "This checkpoint cannot be used here."
CHANGES_OF = "not a checkpoint of this space and collection"
SEARCH = "The page cannot be continued."


@pytest.mark.parametrize(
    ("given", "used", "detail", "reason"),
    [
        (NOTES, "/v1/records/me/drafts?cursor=", PAGE, PAGE_OF),
        (NOTES, f"{NOTES}?order=-id&cursor=", PAGE, PAGE_OF),
        (NOTES, "/v1/changes/me?since=", CHANGES, CHANGES_OF),
        ("/v1/changes/me", "/v1/changes/public?since=", CHANGES, CHANGES_OF),
        ("/v1/changes/me", "/v1/changes/me?collection=notes&since=", CHANGES, CHANGES_OF),
        (NOTES, "/v1/search?cursor=", SEARCH, "not a cursor of this search"),
        ("/v1/search", "/v1/search?q=a&cursor=", SEARCH, "not a cursor of this search"),
    ],
)
def test_what_another_question_gave(
    client: Client, given: str, used: str, detail: str, reason: str
) -> None:
    """A cursor or a checkpoint goes with the question that it was given for."""
    until = time.monotonic() + 10
    foreign = None
    while foreign is None and time.monotonic() < until:  # search has one once both are indexed
        answer = client.ask("GET", f"{given}?limit=1")[2]
        foreign = answer.get("cursor") or answer.get("checkpoint")
    pointer = "since" if "since" in used else "cursor"
    check(client, query("foreign", f"{used}{foreign}", {pointer: reason}, detail))


SPECIAL = ["+", "-", "&&", "||", "!", "(", ")", "{", "}", "[", "]", "^", '"', "~", "*", "?", ":",
           "\\", "/"]  # fmt: skip
"""What Lucene's parser gives a meaning to."""
BREAKERS = [
    '"unbalanced',
    '""""',
    "AND OR NOT",
    "- - -",
    "*" * 1024,
    " ".join(SPECIAL),
    *SPECIAL,
    *(f"a{sign}b" for sign in SPECIAL),
    "title:(a OR b)^2~",
    "\u0000\u0001",
    "'; drop table records; --",
    "\U0001f600 \u202e",
]


@pytest.mark.parametrize("text", BREAKERS)
def test_no_query_breaks_the_search(client: Client, text: str) -> None:
    before = client.stored()
    condition = f"title~a {text}"[:1024]
    asked = json.dumps({"q": text, "filters": [condition]}).encode()
    for method, path, body in (
        ("GET", f"/v1/search?q={quote(text)}", None),
        ("GET", f"/v1/search?filter={quote(condition)}", None),
        ("GET", f"/v1/suggest?prefix={quote(text)}", None),
        ("POST", "/v1/search", asked),
    ):
        status, _, found = client.ask(method, path, BODY if body else None, body)
        assert status == 200, found
        assert set(found) >= ({"items"} if "suggest" in path else {"hits", "total", "facets"})
    assert client.stored() == before
