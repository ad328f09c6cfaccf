"""Commands of an operator with the AWS profile, and what they say where settings are wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.aws.clients import Clients
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.identities import cheap_hashes
from tests.aws.ministack import Ministack
from tests.aws.operating import (
    Command,
    Deployed,
    deployed,
    domain,
    emulated,
    forbid,
    homeport,
    without_credentials,
)
from tests.aws.search_domains import emulated_fields
from tests.servers import serving

__all__ = ["cheap_hashes", "deployed", "domain", "homeport"]  # fixtures

_GROWTH = Path(__file__).parents[2] / "docs" / "growth.md"


@pytest.fixture
def backend(deployed: Deployed) -> Backend:
    return build(load(Path(), os.environ), clients=deployed.clients)


def write(backend: Backend, *ids: str, **data: Any) -> None:
    for id in ids:
        backend.store.write([Put(Key("public", "notes", id), "ann", Data.of(data))])


# Commands


def test_records_are_read_and_written(backend: Backend, homeport: Command, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"title": "soup"}')
    code, out, err = homeport("records", "put", "public", "notes", "a", "a.json")
    assert (code, err) == (0, "")
    assert "Created public/notes/a" in out
    code, out, _ = homeport("records", "get", "public", "notes", "a", "--json")
    assert (code, json.loads(out)["data"]) == (0, {"title": "soup"})
    code, out, _ = homeport("records", "list", "public", "notes", "--json")
    assert [one["id"] for one in json.loads(out)["items"]] == ["a"]
    code, _, err = homeport("records", "put", "public", "notes", "a", "a.json", "--if-none-match")
    assert code == 1
    assert "records get" in err


def test_records_are_exported(backend: Backend, homeport: Command, tmp_path: Path) -> None:
    write(backend, "a", "b", n=1)
    code, out, _ = homeport("export", "all.jsonl", "--json")
    assert (code, json.loads(out)["records"]) == (0, 2)
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == [
        "homeport-export",
        "record",
        "record",
        "end",
    ]


def test_shards_are_noted_or_what_hinders_is_told(
    backend: Backend, homeport: Command, tmp_path: Path
) -> None:
    spread = tmp_path / "homeport.toml"
    spread.write_text("[collections.later]\nshards = 4\n[collections.other]\nshards = 2\n")
    for n in range(8):
        backend.store.write([Put(Key("public", "later", f"r{n}"), "ann", Data.of({}))])
    code, out, _ = homeport("shards")
    later, other = out.splitlines()
    assert code == 1
    assert "later: 4 shards, not noted in the table" in later
    assert "collections.later.shards = 1" in later
    assert "public/later/r" in later
    assert other == "other: 2 shards, noted in the table now; no record stands elsewhere."
    code, out, _ = homeport("shards", "--json")
    found = {one["collection"]: one for one in json.loads(out)}
    assert (code, found["other"]["noted_before"], found["other"]["strays"]) == (1, True, [])
    assert not found["later"]["noted"]
    assert set(found["later"]["strays"]) <= {f"public/later/r{n}" for n in range(8)}
    spread.write_text("[collections.later]\n[collections.other]\nshards = 2\n")
    assert homeport("shards")[0] == 0
    spread.write_text("[collections.later]\n[collections.other]\n")
    code, _, err = homeport("shards")
    assert (code, "collections.other.shards = 2" in err) == (1, True)


def test_a_store_without_shards_says_so(homeport: Command, tmp_path: Path) -> None:
    code, _, err = homeport("shards", "--data", str(tmp_path / "data"))
    assert (code, '"embedded" has no shards' in err) == (2, True)


def test_an_export_is_imported(backend: Backend, deployed: Deployed, homeport: Command) -> None:
    write(backend, "a", "b", n=1)
    assert homeport("export", "all.jsonl")[0] == 0
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    deployed.create_table()
    code, _, err = homeport("import", "all.jsonl")
    assert (code, backend.store.get(Key("public", "notes", "b")) is None) == (0, False), err


def test_a_collection_goes_on_in_another_one_with_more_shards(
    backend: Backend,
    deployed: Deployed,
    homeport: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As docs/growth.md has it, with its own line of sed, in a table that is not looked through
    by the way."""
    monkeypatch.setattr("homeport.adapters.aws.table_layout._PAGES", 0)
    write(backend, *(f"r{n}" for n in range(12)), text='"collection":"notes"')
    (line,) = re.findall(r"^sed (.+) recipes.jsonl >", _GROWTH.read_text(), re.MULTILINE)
    assert homeport("export", "recipes.jsonl", "--collection", "notes")[0] == 0
    script = line.strip("'").replace("recipes", "notes")
    renamed = subprocess.run(
        ["sed", script, "recipes.jsonl"], cwd=tmp_path, capture_output=True, check=True
    )
    (tmp_path / "new.jsonl").write_bytes(renamed.stdout)
    (tmp_path / "homeport.toml").write_text("[collections.notes]\n[collections.notes2]\nshards=4\n")
    code, _, err = homeport("import", "new.jsonl")
    assert (code, "run `homeport shards`" in err) == (1, True)
    assert homeport("shards")[0] == 0
    assert homeport("import", "new.jsonl")[0] == 0
    moved = build(load(Path(), os.environ), clients=deployed.clients).store
    for n in range(12):
        old, new = (moved.get(Key("public", name, f"r{n}")) for name in ("notes", "notes2"))
        assert old is not None and new is not None
        assert (new.data, new.author) == (old.data, old.author)
    items: Any = deployed.clients.get("dynamodb").scan(TableName="homeport")["Items"]
    shards = {one["pk"]["S"] for one in items if one["sk"]["S"].startswith("notes2#")}
    assert shards == {f"public#{n}" for n in range(4)}


@pytest.mark.usefixtures("cheap_hashes")
def test_identities(backend: Backend, homeport: Command) -> None:
    backend.identities.sign_up("ann@example.org", "correct horse battery")
    code, out, _ = homeport("identity", "show", "ann@example.org", "--json")
    shown = json.loads(out)
    assert (code, shown["login"], shown["devices"]) == (0, "ann@example.org", 0)
    assert homeport("identity", "disable", "ann@example.org")[0] == 0
    _, out, _ = homeport("identity", "list", "--json")
    assert [one["disabled"] for one in json.loads(out)["items"]] == [True]
    assert homeport("identity", "enable", shown["id"])[0] == 0


def test_stored_records_are_held_against_a_schema(
    backend: Backend, deployed: Deployed, homeport: Command, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text('{"required": ["title"]}')
    write(backend, "a", title="x")
    write(backend, "b", n=1)
    deployed.domain.stop()  # nothing but the records is asked for
    code, out, _ = homeport("schema", "check", "notes", "--schema", "schema.json")
    assert code == 1
    assert "1 of 2 records do not fit" in out
    assert "public/notes/b" in out


def test_the_index_is_verified(backend: Backend, homeport: Command) -> None:
    write(backend, "a", title="x")
    backend.indexing.rebuild()
    code, out, err = homeport("index", "verify", "--json")
    assert (code, json.loads(out)["clean"]) == (0, True), err
    code, out, _ = homeport("index", "status", "--json")
    assert (code, json.loads(out)["dead_letters"]) == (0, 0)


def test_what_has_a_data_folder_alone(deployed: Deployed, homeport: Command) -> None:
    code, _, err = homeport("backup", "copy")
    assert code == 2
    assert "point-in-time recovery" in err


# Settings that are wrong: one sentence, and the code of what is not done


def refuses(homeport: Command, code: int, *words: str) -> None:
    """`serve` ends, and says so in a line."""
    ended, out, err = homeport("serve")
    assert (ended, out) == (code, ""), err
    assert err.startswith("homeport: ")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_the_table_is_absent(deployed: Deployed, homeport: Command) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    refuses(homeport, 1, "create it", "aws.table")


def test_the_table_has_other_keys(deployed: Deployed, homeport: Command) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    deployed.create_table(
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        LocalSecondaryIndexes=None,
    )
    refuses(homeport, 1, "has other keys", "aws.table")


def test_the_table_has_other_shards(deployed: Deployed, homeport: Command, tmp_path: Path) -> None:
    (tmp_path / "homeport.toml").write_text("[collections.notes]\nshards = 4\n")
    write(build(load(tmp_path, os.environ), clients=deployed.clients), "a")
    (tmp_path / "homeport.toml").write_text("[collections.notes]\nshards = 2\n")
    refuses(homeport, 1, "4 shards", "collections.notes.shards = 4")


def test_the_table_has_no_stream(deployed: Deployed, homeport: Command) -> None:
    deployed.clients.get("dynamodb").delete_table(TableName="homeport")
    deployed.create_table(StreamSpecification={"StreamEnabled": False})
    refuses(homeport, 1, "no stream")


@pytest.mark.parametrize(
    ("queue", "setting"),
    [
        ("homeport-messages", "aws.messages_queue"),
        ("homeport-messages-dead", "aws.messages_dead_queue"),
        ("homeport-parked", "aws.parked_queue"),
        ("homeport-redriven", "aws.redriven_queue"),
    ],
)
def test_a_queue_is_absent(deployed: Deployed, homeport: Command, queue: str, setting: str) -> None:
    deployed.drop_queue(queue)
    refuses(homeport, 1, setting, "create it")


def test_a_permission_is_missing(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "dynamodb.GetItem")
    refuses(homeport, 1, "dynamodb:GetItem", "allow it")


def test_the_credentials_are_over(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, "dynamodb.GetItem", code="ExpiredTokenException")
    refuses(homeport, 1, "ExpiredTokenException", "renew them")


def test_there_are_no_credentials(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with without_credentials(monkeypatch, tmp_path):
        refuses(homeport, 1, "no AWS credentials", "AWS_PROFILE")


def test_there_is_no_region(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOMEPORT_AWS__REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    refuses(homeport, 1, "No AWS region is set", "AWS_REGION")


def test_an_endpoint_is_not_set(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOMEPORT_AWS__DOCUMENT_ENDPOINT")
    refuses(homeport, 2, "aws.document_endpoint", "HOMEPORT_AWS__DOCUMENT_ENDPOINT")


def test_the_domain_is_not_there_yet(deployed: Deployed, homeport: Command) -> None:
    deployed.domain.stop()
    refuses(homeport, 1, "no endpoint until it is active")


def test_the_domain_has_no_fields_yet(
    deployed: Deployed, homeport: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = emulated_fields()
    del fields["key"]
    with emulated(fields) as other:
        for name in ("SEARCH", "DOCUMENT"):
            monkeypatch.setenv(f"HOMEPORT_AWS__{name}_ENDPOINT", other.endpoint)
        refuses(homeport, 1, "no index field for key", "configure")


def test_the_server_starts_where_all_is_there(
    ministack: Ministack, domain: CloudSearchEmulator, tmp_path: Path
) -> None:
    """In a process of its own, beside ministack."""
    there = Deployed(Clients(session=ministack.session), domain)
    there.prefix = there.bucket = f"homeport-{uuid.uuid4().hex}"
    there.create(push=False)
    settings = {
        name.removeprefix("HOMEPORT_"): value
        for name, value in there.settings().items()
        if name.startswith("HOMEPORT_") and "SERVER" not in name and "PUSH" not in name
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_ENDPOINT_URL", ministack.endpoint)
        patch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
        with serving(tmp_path / "data", settings) as server:
            assert f"the table {there.table}" in server.log.read_text()
            assert server.stop() == 0
