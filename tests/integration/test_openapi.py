"""The API's description is valid, whole, and what the backend really answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from homeport.entrypoints import openapi, openapi_problems, openapi_schemas
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.forms import Form
from homeport.entrypoints.operation import PREFIX
from homeport.entrypoints.operations import OPERATIONS
from homeport.testing.backend import in_memory
from tests import described
from tests.clients import Answer, InProcess, new_guest, new_user

KEY = "0190f1f0-0000-7000-8000-000000000001"
NOTES = "/v1/records/me/notes"
ACCOUNT = {"login": "ann@example.org", "password": "correct horse"}


def test_it_is_valid_openapi() -> None:
    validate(openapi.document())


def test_it_has_every_operation_and_no_other() -> None:
    found = {
        (method.upper(), path, one["operationId"], one["summary"] != "")
        for path, methods in openapi.document()["paths"].items()
        for method, one in methods.items()
    }
    assert found == {(one.method, PREFIX + one.path, one.name, True) for one in OPERATIONS}


def test_every_problem_that_an_operation_raises_has_an_example() -> None:
    for one in OPERATIONS:
        kinds = openapi_problems.kinds_of(one)
        assert {kind.__name__ for kind in one.raises} <= set(kinds), one.name


def test_the_limits_are_laid_over_fields_that_exist() -> None:
    used = {one.query for one in OPERATIONS} | {one.body for one in OPERATIONS}
    forms = {one.name: one for one in used if isinstance(one, Form)}
    for name, fields in openapi_schemas.OVERLAYS.items():
        assert set(fields) <= set(forms[name].fields), name


def examples(node: Any) -> list[tuple[dict[str, Any], Any]]:
    """Every example of the document with its schema."""
    found = []
    if isinstance(node, dict):
        if isinstance(node.get("schema"), dict):
            shown = [one["value"] for one in node.get("examples", {}).values()]
            shown += [node["example"]] if "example" in node else []
            found += [(node["schema"], one) for one in shown]
        for one in node.values():
            found += examples(one)
    if isinstance(node, list):
        for one in node:
            found += examples(one)
    return found


def test_examples_are_what_their_schemas_ask_for() -> None:
    found = examples(described.description())
    assert len(found) > len(OPERATIONS)
    for schema, value in found:
        assert described.faults(schema, value) == [], value


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_links_lead_to_operations(operation: Any) -> None:
    known = {one.name: one for one in OPERATIONS}
    for response in described.responses(operation).values():
        for link in response.get("links", {}).values():
            to = known[link["operationId"]]
            assert set(to.path_parameters) <= set(link.get("parameters", {}))


class Watched(InProcess):
    """Holds each answer to the description, and remembers what was answered."""

    def __init__(self) -> None:
        self.backend = in_memory()
        super().__init__(self.backend)
        self.seen: set[tuple[str, int]] = set()
        self.token: str | None = None

    def ask(self, method: str, path: str, *given: Any, **more: Any) -> Answer:
        answer = super().ask(method, path, *given, **more)
        described.check(method, path, answer.status, answer.headers, answer.text)
        operation = described.operation_at(method, path)
        if operation is not None:
            self.seen.add((operation.name, answer.status))
        return answer

    def expect(
        self, method: str, path: str, data: Any = None, status: int = 200, **headers: str
    ) -> Answer:
        """Ask as whoever `token` is of."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.ask(method, path, data, token=self.token, headers=sent)
        assert answer.status == status, answer.text
        return answer


def use_identities(api: Watched) -> None:
    session = api.ask("POST", "/v1/identity/sign-in", ACCOUNT).json
    refresh = {"refresh_token": session["refresh_token"]}
    assert api.ask("POST", "/v1/identity/refresh", refresh).status == 200
    refused = {**ACCOUNT, "password": "wrong horse"}
    assert api.ask("POST", "/v1/identity/sign-in", refused).status == 401
    assert api.ask("POST", "/v1/identity/refresh", {"refresh_token": "none"}).status == 401
    api.expect("GET", "/v1/identity")
    assert api.ask("GET", "/v1/health").status == 200
    tag = api.ask("GET", "/v1/openapi.json").etag
    again = api.ask("GET", "/v1/openapi.json", headers={"if-none-match": tag})
    assert again.status == 304


def use_records(api: Watched) -> None:
    one = f"{NOTES}/bread"
    api.expect("POST", NOTES, {"title": "Soup"}, 201, idempotency_key=KEY)
    api.expect("POST", NOTES, {"title": "Other"}, 422, idempotency_key=KEY)
    api.expect("DELETE", f"{NOTES}/{KEY}", status=204)
    api.expect("POST", NOTES, {"title": "Soup"}, 410, idempotency_key=KEY)
    api.expect("POST", "/v1/records/me/inbox", {}, 403)
    api.expect("GET", one, status=404)
    tag = api.expect("PUT", one, {"title": "Bread", "kind": "loaf"}, 201).etag
    api.expect("GET", one)
    api.expect("GET", one, status=304, if_none_match=tag)
    api.expect("PUT", one, {"title": "Bread", "kind": "loaf"})
    api.expect("PUT", one, {}, 412, if_match=tag)
    api.expect("PATCH", one, {"minutes": 45})
    api.expect("PATCH", one, {}, 412, if_match=tag)
    api.expect("PATCH", f"{NOTES}/none", {}, 404)
    api.expect("DELETE", one, status=412, if_match=tag)
    create = {"op": "create", "collection": "notes", "id": "old", "data": {"n": 1}}
    api.expect("POST", "/v1/records/me", {"writes": [create]})
    api.expect("POST", "/v1/records/me", {"writes": [create]}, 409)
    api.expect("POST", "/v1/records/me", {"writes": [{**create, "op": "put", "if_match": "*"}]})
    api.expect("POST", "/v1/records/me", {"writes": [{"op": "delete", "collection": "notes",
                                               "id": "old"}]})  # fmt: skip
    api.expect("POST", "/v1/records/me", {"writes": []}, 400)
    api.expect("PUT", one, {"big": "x" * 410_000}, 413)
    api.expect("POST", NOTES, {}, 415, content_type="text/plain")
    api.expect("GET", f"{NOTES}?limit=1")
    api.expect("GET", f"{NOTES}?limit=0", status=400)


def use_search(api: Watched) -> None:
    api.settle()
    question = "q=bread&facet=kind"
    found = api.expect("GET", f"/v1/search?{question}").json
    assert found["hits"] and found["facets"]["kind"]
    api.expect("POST", "/v1/search", {"q": "bread", "facets": ["kind"]})
    assert api.expect("GET", "/v1/suggest?prefix=bre").json["items"]
    api.expect("GET", "/v1/search?space=another", status=404)


def use_messages(api: Watched) -> None:
    ben = new_guest(api)
    sent = api.expect("POST", "/v1/messages", {"to": [ben.id], "text": "hello"}, 202).json
    message = f"/v1/messages/{sent['id']}"
    api.expect("GET", message)
    api.expect("PATCH", message, {"text": "good day"})
    api.expect("DELETE", message, status=204)
    api.expect("GET", message, status=404)
    api.expect("POST", "/v1/messages", {"to": [ben.id]}, 400)
    device = {"platform": "fcm", "token": "a-token"}
    api.expect("PUT", "/v1/devices/phone", device)
    assert api.expect("GET", "/v1/devices").json["items"]
    api.expect("DELETE", "/v1/devices/phone", status=204)
    api.expect("DELETE", "/v1/devices/phone", status=404)
    api.expect("PUT", f"/v1/blocks/{ben.id}", status=204)
    assert api.expect("GET", "/v1/blocks").json["items"]
    api.expect("DELETE", f"/v1/blocks/{ben.id}", status=204)
    api.expect("DELETE", f"/v1/blocks/{ben.id}", status=404)


def use_checkpoints(api: Watched) -> None:
    since = api.expect("GET", "/v1/changes/me").json["checkpoint"]
    api.backend.clock.advance(31 * 24 * 3600)
    api.token = api.ask("POST", "/v1/identity/sign-in", ACCOUNT).json["access_token"]
    api.expect("GET", f"/v1/changes/me?since={since}", status=410)


STORY = (use_identities, use_records, use_search, use_messages, use_checkpoints)
"""Every operation with each of its successes, and much that is refused."""


def test_what_is_answered_is_what_is_described() -> None:
    api = Watched()
    api.token = new_user(api, ACCOUNT["login"], ACCOUNT["password"]).token
    for part in STORY:
        part(api)
    for one in OPERATIONS:
        # Whoever adds an operation, or a status, adds its case to the story.
        assert {(one.name, status) for status in one.statuses} <= api.seen, one.name
    refused = {status for _, status in api.seen if status >= 400}
    assert refused == {400, 401, 403, 404, 409, 410, 412, 413, 415, 422}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_problems_are_what_is_described(operation: Any) -> None:
    """Also those that nobody can bring about at will, such as a store that does not answer."""
    for status, kinds in openapi_problems.statuses(openapi_problems.kinds_of(operation)).items():
        for kind in kinds:
            text = json.dumps(openapi_problems.example(kind))
            headers = openapi_problems.example_headers(kind)
            path = PREFIX + operation.path
            described.check(operation.method, path, status, headers, text)


def test_without_a_token_each_operation_answers_as_described() -> None:
    api = Watched()
    for one in OPERATIONS:
        answer = api.ask(one.method, PREFIX + one.path.replace("{", "").replace("}", ""))
        assert (answer.status == 401) == (one.caller.value == "identity"), one.name


def test_the_command_prints_it_and_writes_it(tmp_path: Any, capsys: Any) -> None:
    assert run(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == openapi.document()
    file = tmp_path / "openapi.json"
    assert run(["openapi", "--output", str(file)]) == 0
    assert json.loads(file.read_text()) == openapi.document()
    assert run(["openapi", "--output", str(tmp_path / "none" / "a.json")]) == 1
