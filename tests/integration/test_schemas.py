"""Schemas from the definition file to the answers over HTTP, and `homeport schema check`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.container import build
from homeport.definition import Adapters, Definition, DefinitionError, load
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit
from homeport.testing.backend import in_memory
from tests.gateways import Answer
from tests.integration.test_gateway_backend import Caller, guest, running_backend

SCHEMA = {
    "required": ["title"],
    "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}},
}
FILE = '[collections.notes]\nschema = "notes.json"\n'
NOT_TEXT = 'the value is not of type "string"'


def send(caller: Caller, method: str, path: str, value: Any) -> Answer:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = json.dumps(value)
    return caller.served.send(
        f"{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {caller.token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "homeport.toml").write_text(FILE)
    (tmp_path / "notes.json").write_text(json.dumps(SCHEMA))
    return tmp_path


@pytest.mark.parametrize("adapter", ["memory", "embedded"])
def test_every_write_answers_with_the_faults(folder: Path, adapter: str) -> None:
    adapters = Adapters.of(dict.fromkeys(Adapters.names(), adapter))
    definition = replace(load(folder, {}), adapters=adapters)
    bad = {"title": 1, "pages": "many"}
    with running_backend(definition) as served:
        ann = guest(served)
        assert ann.send("PUT", "/v1/records/me/notes/a", {"title": "Bread"}).status == 201
        batch = [
            {"op": "put", "collection": "notes", "id": "b", "data": {"title": "Fine"}},
            {"op": "patch", "collection": "notes", "id": "a", "data": bad},
        ]
        for method, path, body, inside in (
            ("POST", "/v1/records/me/notes", bad, ""),
            ("PUT", "/v1/records/me/notes/a", bad, ""),
            ("PUT", "/v1/records/me/notes/new", bad, ""),
            ("PATCH", "/v1/records/me/notes/a", bad, ""),
            ("POST", "/v1/records/me", {"writes": batch}, "/writes/1/data"),
        ):
            answer = send(ann, method, path, body)
            problem = answer.json()
            assert answer["content-type"] == "application/problem+json"
            del problem["request_id"]
            assert sorted(problem.pop("errors"), key=str) == sorted(
                [
                    {"pointer": f"{inside}/title", "detail": NOT_TEXT},
                    {
                        "pointer": f"{inside}/pages",
                        "detail": 'the value is not of type "integer"',
                    },
                ],
                key=str,
            )
            assert problem == {
                "type": "urn:homeport:problem:invalid",
                "title": "Bad Request",
                "status": 400,
                "detail": "The data does not fit the schema of notes.",
                "instance": path,
            }
        (kept,) = ann.get("/v1/records/me/notes").json()["items"]
        assert kept["data"] == {"title": "Bread"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "this is not JSON"),
        ("[]", "a schema is a JSON object"),
        ('{"a": 1, "a": 2}', "/a: this is not JSON: this name stands twice"),
    ],
)
def test_a_file_that_is_no_schema_stops_the_start(folder: Path, text: str, complaint: str) -> None:
    (folder / "notes.json").write_text(text)
    with pytest.raises(DefinitionError) as refused:
        load(folder, {})
    (problem,) = refused.value.problems
    assert problem.place == str(folder / "notes.json")
    assert problem.key == "collections.notes.schema"
    assert problem.reason.startswith(complaint)


def test_a_schema_that_cannot_be_used_stops_the_start() -> None:
    schema = {"properties": {"title": {"type": "text"}}}
    definition = Definition.of({"collections": {"notes": {"schema": schema}}})
    with pytest.raises(DefinitionError) as refused:
        in_memory(definition)
    assert str(refused.value) == (
        "collections.notes.schema: /properties/title/type: not what this keyword takes"
    )


def test_a_file_is_read_from_the_definitions_folder(folder: Path) -> None:
    found = load(folder, {}).catalog().find("notes")
    assert found is not None and found.schema == SCHEMA
    (folder / "notes.json").unlink()
    with pytest.raises(DefinitionError, match="cannot be read"):
        load(folder, {})


def test_what_validates_is_loaded_for_schemas_alone() -> None:
    program = (
        "import sys; from homeport.testing.backend import in_memory; "
        "from homeport.definition import Definition; b = in_memory(Definition()); "
        "b.records.create(b.guest(), 'me', 'notes', {}); print('jsonschema_rs' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class TestCheck:
    @pytest.fixture
    def stored(self, folder: Path) -> Path:
        backend = build(Definition(data_folder=folder / "homeport-data"))
        for id, data in (("a", {"title": "Bread"}), ("b", {"title": 1}), ("c", {})):
            backend.store.write([Put(Key("ann", "notes", id), "ann", Data.of(data))])
        backend.close()
        return folder

    def check(self, folder: Path, *more: str) -> int:
        return run(["schema", "check", *more, "--definition", str(folder)])

    def test_it_lists_what_does_not_fit(
        self, stored: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.check(stored) == Exit.FAILED
        printed = capsys.readouterr()
        assert printed.out.splitlines() == [
            "notes: 2 of 3 records do not fit.",
            "  ann/notes/b",
            f"    /title: {NOT_TEXT}",
            "  ann/notes/c",
            '    (the whole): "title" is a required property',
        ]
        assert "Checking: 3 records" in printed.err

    def test_it_tells_programs(self, stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.check(stored, "notes", "--json") == Exit.FAILED
        (row,) = json.loads(capsys.readouterr().out)
        wrong: list[dict[str, Any]] = row.pop("listed")
        assert row == {"collection": "notes", "records": 3, "unfit": 2}
        assert [one["id"] for one in wrong] == ["b", "c"]
        assert wrong[0]["errors"] == [{"pointer": "/title", "detail": NOT_TEXT}]

    def test_another_schema_is_tried(self, stored: Path) -> None:
        (stored / "new.json").write_text('{"maxProperties": 1}')
        assert self.check(stored, "notes", "--schema", str(stored / "new.json")) == Exit.OK

    def test_there_may_be_nothing_to_check(
        self, stored: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (stored / "homeport.toml").write_text("")
        assert self.check(stored) == Exit.USAGE
        assert "No collection has a schema" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("more", "complaint"),
        [
            (("recipes",), "The collection recipes has no schema"),
            (("--schema", "new.json"), "Say which collection"),
            (("notes", "--schema", "none.json"), "cannot be read"),
        ],
    )
    def test_wrong_arguments(
        self,
        stored: Path,
        capsys: pytest.CaptureFixture[str],
        more: tuple[str, ...],
        complaint: str,
    ) -> None:
        assert self.check(stored, *more) == Exit.USAGE
        assert complaint in capsys.readouterr().err
