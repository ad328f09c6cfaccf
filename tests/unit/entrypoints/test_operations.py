"""The operations table: every entry is whole, and fits the service that it calls."""

from __future__ import annotations

import inspect
import json
from operator import attrgetter
from typing import Any

import pytest

from homeport.container import Backend, Container, assemble
from homeport.definition import Adapters, Definition
from homeport.domain.model.identity import Principal
from homeport.entrypoints import operations
from homeport.entrypoints.forms import Form
from homeport.entrypoints.lambdas.http import handler_for
from homeport.entrypoints.operation import Caller, Document, Header, Operation
from homeport.testing.backend import TestBackend, in_memory

EXAMPLES: dict[str, Any] = {
    "writes": [],
    "op": "put",
    "to": ["x"],
    "platform": "fcm",
    "token": "t",
    "login": "someone",
    "password": "long enough",
    "refresh_token": "r",
    "prefix": "p",
}
"""Values for required fields, so that a transform has something to turn."""


@pytest.fixture(scope="module")
def shared() -> TestBackend:
    return in_memory()


def arguments_of(operation: Operation) -> dict[str, Any]:
    """Names and likely values of everything that an operation can give its method."""
    given: dict[str, Any] = dict.fromkeys(operation.path_parameters, "x")
    if operation.caller is Caller.IDENTITY:
        given["principal"] = "x"
    if isinstance(operation.body, Document):
        given["data"] = {}
    for form in (operation.query, operation.body):
        if isinstance(form, Form):
            for name, kind in form.fields.items():
                given[name] = EXAMPLES[name] if kind.required else kind.default()
    if Header.EXPECTATION in operation.headers:
        given["expect"] = None
    if Header.IDEMPOTENCY_KEY in operation.headers:
        given["idempotency_key"] = None
    return given if operation.transform is None else operation.transform(given)


@pytest.mark.parametrize("operation", operations.OPERATIONS, ids=lambda one: one.name)
def test_an_operation_gives_its_method_what_it_takes(
    operation: Operation, shared: TestBackend
) -> None:
    calls = operation.calls
    method = attrgetter(calls)(shared) if isinstance(calls, str) else calls
    inspect.signature(method).bind(**arguments_of(operation))


def test_names_and_routes_are_unique() -> None:
    names = [one.name for one in operations.OPERATIONS]
    keys = [one.route_key for one in operations.OPERATIONS]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)


def test_the_table_holds_what_the_api_promises() -> None:
    promised = """
        POST /v1/records/{space}/{collection}
        GET /v1/records/{space}/{collection}/{id}
        PUT /v1/records/{space}/{collection}/{id}
        PATCH /v1/records/{space}/{collection}/{id}
        DELETE /v1/records/{space}/{collection}/{id}
        GET /v1/records/{space}/{collection}
        POST /v1/records/{space}
        GET /v1/changes/{space}
        GET /v1/search
        POST /v1/search
        GET /v1/suggest
        POST /v1/messages
        GET /v1/messages/{id}
        PATCH /v1/messages/{id}
        DELETE /v1/messages/{id}
        GET /v1/devices
        PUT /v1/devices/{device}
        DELETE /v1/devices/{device}
        GET /v1/blocks
        PUT /v1/blocks/{identity}
        DELETE /v1/blocks/{identity}
        POST /v1/identity/guest
        POST /v1/identity/sign-up
        POST /v1/identity/sign-in
        POST /v1/identity/refresh
        GET /v1/identity
        GET /v1/health
        GET /v1/openapi.json
    """
    keys = {one.route_key for one in operations.OPERATIONS}
    assert keys == {line.strip() for line in promised.strip().splitlines()}


def test_whoever_is_not_signed_in_is_bounded_by_address() -> None:
    for one in operations.OPERATIONS:
        if one.caller is Caller.ANYBODY and one.method == "POST":
            assert one.limited, one.name


def test_every_part_of_the_container_can_be_built(tmp_path: Any) -> None:
    for adapter in ("memory", "embedded"):
        adapters = Adapters.of(dict.fromkeys(Adapters.names(), adapter))
        container: Container = assemble(
            Definition(adapters=adapters, data_folder=tmp_path / adapter)
        )
        backend = Backend(container)
        for provider in container.providers.values():
            assert provider() is not None
        assert (backend.database is not None, backend.index is not None) == (
            adapter == "embedded",
            True,
        )
        backend.close()


def event(shared: TestBackend, who: Principal | None, route: str, **changes: Any) -> dict[str, Any]:
    """An event as API Gateway sends it (payload 2.0), from whoever the authorizer found."""
    method, _, path = route.partition(" ")
    context: dict[str, Any] = {"problem": "missing"}
    if who is not None:
        expires = shared.clock.now() // 1_000_000 + 60
        context = {"id": who.id, "kind": str(who.kind), "groups": "[]", "expires": expires}
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "requestId": "r-1",
            "http": {"method": method, "path": path},
            "authorizer": {"lambda": context},
        },
        "isBase64Encoded": False,
        **changes,
    }


CREATE = "POST /v1/records/{space}/{collection}"
GET = "GET /v1/records/{space}/{collection}/{id}"


class TestHandlers:
    @pytest.fixture
    def handler(self, backend: TestBackend) -> Any:
        return handler_for("records", backend, backend.clock)

    def create(self, backend: TestBackend, handler: Any, who: Principal, body: str) -> Any:
        return handler(
            event(
                backend,
                who,
                CREATE,
                pathParameters={"space": "me", "collection": "notes"},
                headers={"content-type": "application/json"},
                body=body,
            ),
            None,
        )

    def test_a_record_goes_in_and_comes_out_with_its_text_untouched(
        self, backend: TestBackend, handler: Any
    ) -> None:
        ann = backend.guest()
        text = '{"z": 1.50,\n "a": 12345678901234567890123456789012345678}'
        made = self.create(backend, handler, ann, text)
        assert made["statusCode"] == 201
        location = made["headers"]["location"]
        _, _, _, space, collection, id = location.split("/")
        where = {"space": space, "collection": collection, "id": id}
        read = handler(event(backend, ann, GET, pathParameters=where), None)
        assert text in read["body"]
        assert json.loads(read["body"])["author"] == ann.id
        assert read["headers"]["etag"] == made["headers"]["etag"]
        again = event(backend, ann, GET, pathParameters=where)
        again["headers"] = {"if-none-match": f'W/{read["headers"]["etag"]}, "other"'}
        assert handler(again, None)["statusCode"] == 304

    def test_a_message_may_be_changed_to_any_data_that_it_may_be_sent_with(
        self, backend: TestBackend
    ) -> None:
        handler = handler_for("messages", backend, backend.clock)
        ann = backend.guest()

        def ask(route: str, media_type: str, body: dict[str, Any], **more: Any) -> Any:
            headers = {"content-type": media_type}
            asked = event(backend, ann, route, headers=headers, body=json.dumps(body), **more)
            answer = handler(asked, None)
            return answer["statusCode"], json.loads(answer["body"])

        deepest: dict[str, Any] = {}
        for _ in range(31):
            deepest = {"a": deepest}
        body = {"to": [ann.id], "data": deepest}
        status, message = ask("POST /v1/messages", "application/json", body)
        assert status == 202

        def patch(data: dict[str, Any]) -> Any:
            where = {"id": message["id"]}
            patch = "application/merge-patch+json"
            return ask("PATCH /v1/messages/{id}", patch, {"data": data}, pathParameters=where)

        status, changed = patch({**deepest, "b": 1})
        assert (status, changed["data"]) == (200, {**deepest, "b": 1})
        status, refused = patch({"a": deepest})
        assert (status, refused["errors"][0]["pointer"]) == (400, "/data")

    def test_a_base64_body_is_read_as_well(self, backend: TestBackend, handler: Any) -> None:
        made = handler(
            event(
                backend,
                backend.guest(),
                CREATE,
                pathParameters={"space": "me", "collection": "notes"},
                headers={"content-type": "application/json"},
                body="eyJhIjoxfQ==",
                isBase64Encoded=True,
            ),
            None,
        )
        assert json.loads(made["body"])["data"] == {"a": 1}

    def test_a_principal_that_expired_since_is_refused(
        self, backend: TestBackend, handler: Any
    ) -> None:
        asked = event(backend, backend.guest(), GET, pathParameters={})
        backend.clock.advance(61)
        answer = handler(asked, None)
        assert answer["statusCode"] == 401
        assert "expired" in answer["headers"]["www-authenticate"]

    def test_a_fault_of_ours_shows_nothing_of_itself(
        self, backend: TestBackend, handler: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = event(backend, backend.guest(), GET, pathParameters={"nonsense": "secret"})
        answer = handler(broken, None)
        assert answer["statusCode"] == 500
        assert "secret" not in answer["body"]
        assert "nonsense" not in answer["body"]
        assert "r-1" in caplog.text
