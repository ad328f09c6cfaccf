"""`homeport bundle`: what a function needs, and nothing else, in the same bytes each time."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import time
from pathlib import Path

import boto3
import pytest

from homeport.entrypoints.cli.app_commands import FUNCTIONS
from homeport.entrypoints.lambdas.needs import PORTS
from tests.bundles import answered, bundle
from tests.lambda_runtime import events

ANN = {"id": "ann", "kind": "user", "expires": int(time.time()) + 3600}
NOTES = {"space": "me", "collection": "notes"}
CREATE = "POST /v1/records/{space}/{collection}"
UNCHECKED = 1
"""The flags of bytecode that is never held against its source."""


def digest_of(folder: Path) -> str:
    """Of all names, bytes, modes and times in a folder."""
    whole = hashlib.sha256()
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.stat()
        told = (path.relative_to(folder).as_posix(), status.st_mode, status.st_mtime_ns)
        whole.update(repr(told).encode())
        if path.is_file():
            whole.update(path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "records"
    done = bundle("records", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_knows_every_function() -> None:
    assert set(FUNCTIONS) == set(PORTS)


def test_a_bundle_answers_with_nothing_else_to_import(records: Path) -> None:
    told = answered(records, [events.request(CREATE, body={"a": 1}, token=ANN, **NOTES)])
    assert told["answers"][0]["statusCode"] == 201
    assert told["log"][0]["operation"] == CREATE


def test_only_what_is_needed_is_in_it(records: Path) -> None:
    top = {path.name.partition(".")[0].partition("-")[0] for path in records.iterdir()}
    assert not top & {"boto3", "botocore", "argon2", "jsonschema_rs", "tantivy", "pytest", "bin"}
    own = {path.relative_to(records / "homeport").as_posix() for path in records.rglob("*.py")
           if path.is_relative_to(records / "homeport")}  # fmt: skip
    assert "container/__init__.py" in own and "adapters/memory/record_store.py" in own
    for without in ("testing/", "adapters/embedded/", "adapters/aws/", "entrypoints/cli/"):
        assert not [one for one in own if one.startswith(without)]


def test_its_bytecode_is_never_stale(records: Path) -> None:
    sources = list(records.rglob("*.py"))
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert compiled[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(compiled[4:8], "little") == UNCHECKED
    assert len(list(records.rglob("*.pyc"))) == len(sources) > 100


def test_the_same_bytes_twice(records: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert bundle("records", again).returncode == 0
    assert digest_of(again) == digest_of(records)
    assert bundle("records", again).returncode == 0  # over the older one
    assert digest_of(again) == digest_of(records)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_without_sources(tmp_path: Path) -> None:
    folder = tmp_path / "health"
    assert bundle("health", folder, "--sources", "drop").returncode == 0
    assert list(folder.rglob("*.py")) == []
    told = answered(folder, [events.request("GET /v1/openapi.json")])
    assert told["answers"][0]["statusCode"] == 200


def test_the_definition_goes_along(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "schemas").mkdir(parents=True)
    (app / "homeport.toml").write_text(
        'undeclared_collections = "refuse"\n[collections.notes]\nschema = "schemas/note.json"\n'
    )
    (app / "schemas/note.json").write_text('{"required": ["title"]}')
    folder = tmp_path / "records"
    done = bundle("records", folder, folder=app)
    assert done.returncode == 0, done.stderr
    wrong, right = (
        events.request(CREATE, body=body, token=ANN, **NOTES) for body in ({}, {"title": "x"})
    )
    told = answered(folder, [wrong, right])
    assert [one["statusCode"] for one in told["answers"]] == [400, 201]


def test_options_from_the_environment_stay_out(tmp_path: Path) -> None:
    name = "HOMEPORT_ADAPTERS__PUSH_GATEWAY"
    (tmp_path / "app.py").write_text("class Gateway: pass\n")
    options = {f"{name}__OPTIONS__API_KEY": "s3cret"}
    use = {f"{name}__USE": "app:Gateway"}
    done = bundle("messages", tmp_path / "made", settings=use | options)
    assert done.returncode == 0, done.stderr
    files = [file for file in (tmp_path / "made").rglob("*") if file.is_file()]
    assert [file.name for file in files if b"s3cret" in file.read_bytes()] == []
    settled = json.loads((tmp_path / "made" / "homeport-settled.json").read_text())
    assert settled["variables"] == {"HOMEPORT_PROFILE": "memory", **use}
    inline = {name: '{ use = "app:Gateway", options = { api_key = "s3cret" } }'}
    done = bundle("messages", tmp_path / "other", settings=inline)
    assert done.returncode == 1
    assert f"Set {name}__USE" in done.stderr


def test_a_password_in_the_file_is_told(tmp_path: Path) -> None:
    text = '[opensearch]\nuser = "u"\npassword = "p"\n'
    (tmp_path / "homeport.toml").write_text(text)
    done = bundle("records", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    assert "opensearch.password stands in the definition's file" in done.stderr


def test_the_code_of_subscribers_goes_along(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "kitchen").mkdir(parents=True)
    (app / "homeport.toml").write_text(
        '[[subscribers]]\nname = "welcome"\non = "recipes"\ncall = "kitchen:welcome"\n'
    )
    (app / "kitchen/__init__.py").write_text("import spices\ndef welcome(event, record): ...\n")
    (app / "kitchen/words.txt").write_text("salt")
    (app / "spices.py").write_text("")
    folder = tmp_path / "subscribers"
    done = bundle("subscribers", folder, "--include", "spices", folder=app)
    assert done.returncode == 0, done.stderr
    assert (folder / "kitchen/words.txt").read_text() == "salt"
    told = answered(folder, [])
    assert {"kitchen", "spices"} <= set(told["modules"])
    assert told["log"] == []


def test_services_of_aws_that_are_not_called_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    done = bundle("search", folder, "--json", settings={"HOMEPORT_PROFILE": "aws"})
    assert done.returncode == 0, done.stderr
    services = {path.name for path in (folder / "botocore/data").iterdir() if path.is_dir()}
    assert services == {"dynamodb", "cloudsearchdomain"}
    (described,) = (folder / "botocore/data/dynamodb").glob("*/service-2.json*")
    assert described.stat().st_size < 150_000  # what is said for people is left out
    operations = json.loads(described.read_text())["operations"]
    known = boto3.client("dynamodb", "eu-west-1").meta.service_model.operation_names
    assert operations.keys() == set(known)
    (told,) = json.loads(done.stdout)
    assert told["handler"] == "homeport_function.handler"
    assert sum(told["parts"].values()) == told["bytes"] < 30_000_000


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        (["--python", "3.2"], {}, "python3.2 is not installed here"),
        ([], {"HOMEPORT_PROFILE": "embedded"}, 'adapters.record_store is "embedded"'),
        (["--include", "nowhere"], {}, "There is no package nowhere here to include"),
        (
            ["--platform", "arm64", "--requirements", "missing.txt"],
            {},
            "missing.txt cannot be read",
        ),
    ],
)
def test_what_cannot_be_made_is_said_and_leaves_nothing(
    options: list[str], settings: dict[str, str], expected: str, tmp_path: Path
) -> None:
    done = bundle("records", tmp_path / "records", *options, settings=settings)
    assert done.returncode == 1
    assert expected in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_another_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/mum.txt").write_text("Dear")
    done = bundle("records", tmp_path / "letters")
    assert done.returncode == 1 and "holds something else" in done.stderr
    assert (tmp_path / "letters/mum.txt").read_text() == "Dear"


def test_for_another_machine_pip_fetches_what_is_locked(tmp_path: Path) -> None:
    """The one test that needs packages from elsewhere: those of a machine that this is not."""
    other = "x86_64" if platform.machine() == "aarch64" else "arm64"
    folder = tmp_path / "records"
    locked = Path(__file__).parents[2] / "requirements/dev.txt"
    done = bundle("records", folder, "--platform", other, "--requirements", str(locked))
    if "pip finds no wheels" in done.stderr:
        sentence = f"LEFT OUT: a bundle for {other}, whose wheels cannot be had here"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    assert done.returncode == 0, done.stderr
    machines = {path.read_bytes()[18:20] for path in folder.rglob("*.so")}
    assert machines == {ELF_MACHINES[other]}


ELF_MACHINES = {"x86_64": b"\x3e\x00", "arm64": b"\xb7\x00"}
"""Bytes 18 and 19 of a library say what runs it."""
