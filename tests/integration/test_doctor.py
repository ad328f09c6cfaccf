"""`homeport doctor`: what is wrong with a data folder, a definition or a port, and its cure."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import apsw
import pytest

from homeport.adapters.embedded.folder import DATABASE
from homeport.container import build
from homeport.definition import Adapters, load
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.arguments import run
from tests.servers import free_port

Found = dict[str, dict[str, str]]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app's folder with a definition, data and a free port."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeport.toml").write_text(f"[server]\nport = {free_port()}\n")
    backend = build(load(tmp_path, {}))
    backend.identities.guest()
    backend.store.write([Put(Key("me", "notes", "one"), "me", Data.of({"title": "one"}))])
    backend.indexing.rebuild()
    backend.close()
    return tmp_path


def data(app: Path) -> Path:
    return load(app, {}).data_folder


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Found]]:
    def examine(*argv: str) -> tuple[int, Found]:
        """The exit code, and the worst finding of each check."""
        capsys.readouterr()
        code = run(["doctor", "--json", *argv])
        found: Found = {}
        for one in json.loads(capsys.readouterr().out)["checks"]:
            assert (one["status"] == "ok") is (one["cure"] == ""), one
            if found.get(one["name"], {"status": "ok"})["status"] == "ok":
                found[one["name"]] = one
        assert code == any(one["status"] == "fault" for one in found.values())
        return code, found

    return examine


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(one.relative_to(folder)): (one.read_bytes(), one.stat().st_mtime_ns)
        for one in folder.rglob("*")
        if one.is_file()
    }


def test_all_is_well_and_stays_as_it_is(
    app: Path, doctor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(app)
    code, found = doctor()
    assert code == 0
    assert {one["status"] for one in found.values()} == {"ok"}
    assert {"versions", "packages", "definition", "folder", "disk", "database"} <= set(found)
    assert "records 1, identities 1" in found["database"]["detail"]
    assert "1 documents" in found["index"]["detail"]
    assert "is free" in found["port"]["detail"]
    assert run(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nAll is well.\n")
    assert contents(app) == before


def test_before_the_first_start(tmp_path: Path, doctor: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    code, found = doctor("--port", str(free_port()))
    assert code == 0
    assert "the first start makes it" in found["folder"]["detail"]
    assert not list(tmp_path.iterdir())


def test_every_problem_of_a_definition_and_still_the_folder(app: Path, doctor: Any) -> None:
    place = data(app)
    (app / "homeport.toml").write_text('[server]\nport = "x"\n[search]\nlanguage = 7\n')
    code = run(["doctor", "--data", str(place)])
    assert code == 1
    code, found = doctor("--data", str(place))
    assert "homeport.toml:2" in found["definition"]["detail"]
    assert found["database"]["status"] == "ok"


def test_a_damaged_database(app: Path, doctor: Any) -> None:
    place = data(app) / DATABASE
    content = bytearray(place.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    place.write_bytes(content)
    code, found = doctor()
    assert code == 1
    assert "restore" in found["database"]["cure"]
    assert found["port"]["status"] == "ok"


def test_what_is_no_database(app: Path, doctor: Any) -> None:
    (data(app) / DATABASE).write_bytes(b"not SQLite at all" * 1000)
    _, found = doctor()
    assert found["database"]["status"] == "fault"


@pytest.mark.parametrize(("schema", "status"), [(99, "fault"), (0, "ok")])
def test_a_database_of_another_version(app: Path, doctor: Any, schema: int, status: str) -> None:
    connection = apsw.Connection(str(data(app) / DATABASE))
    connection.execute(f"PRAGMA user_version = {schema}")
    connection.close()
    _, found = doctor()
    assert found["database"]["status"] == status
    assert f"schema {schema}" in found["database"]["detail"]


def test_an_index_that_is_missing_damaged_or_for_other_fields(app: Path, doctor: Any) -> None:
    index = data(app) / "index"
    segment = next(one for one in index.rglob("*.store"))
    content = segment.read_bytes()
    segment.write_bytes(b"\x00" * 10 + content[10:])
    code, found = doctor()
    assert (code, found["index"]["status"]) == (1, "fault")
    assert "homeport index rebuild" in found["index"]["cure"]
    with (app / "homeport.toml").open("a") as file:
        file.write('[collections.films.fields]\ntitle = "text"\n')
    code, found = doctor()
    assert code == 0
    assert "other fields" in found["index"]["detail"]
    (index / "CURRENT").unlink()
    assert "there is none yet" in doctor()[1]["index"]["detail"]


def test_what_others_may_read(app: Path, doctor: Any) -> None:
    (data(app) / DATABASE).chmod(0o644)
    code, found = doctor()
    assert code == 0
    assert found["folder"]["status"] == "warning"
    assert "chmod 600" in found["folder"]["cure"]


def test_what_belongs_to_another_user(
    app: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    code, found = doctor()
    assert code == 0
    assert found["owner"]["status"] == "warning"
    assert DATABASE in found["owner"]["detail"]


def test_what_a_restore_has_left_aside(app: Path, doctor: Any) -> None:
    place = data(app)
    left = place.with_name(f".{place.name}.123.before-restore")
    place.rename(left)
    code, found = doctor()
    assert code == 1
    assert found["folder"]["status"] == "fault"
    assert str(left) in found["folder"]["detail"]
    assert "Give that its name back" in found["folder"]["cure"]
    shutil.copytree(left, place)
    code, found = doctor()
    assert code == 0
    assert found["left aside"]["status"] == "warning"
    assert str(left) in found["left aside"]["detail"]
    assert found["folder"]["status"] == "ok"


def test_a_folder_that_is_none(app: Path, doctor: Any) -> None:
    (app / "file").write_text("")
    _, found = doctor("--data", str(app / "file"))
    assert found["folder"]["status"] == "fault"


def test_a_folder_that_cannot_be_written(
    app: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the system's own answer: root, who may run this, could write everywhere.
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    assert doctor()[1]["folder"]["status"] == "fault"
    assert doctor("--data", str(app / "new"))[1]["folder"]["status"] == "fault"


@pytest.mark.parametrize(("free", "status"), [(10**6, "fault"), (10**12, "ok")])
def test_room_on_the_disk(
    app: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert doctor()[1]["disk"]["status"] == status


def test_dead_letters_wait(app: Path, doctor: Any) -> None:
    connection = apsw.Connection(str(data(app) / DATABASE))
    connection.execute(
        "INSERT INTO dead_letters (source, body, cause, attempts, died)"
        " VALUES ('queue:messages', '{}', 'it failed', 5, 0)"
    )
    connection.close()
    code, found = doctor()
    assert code == 0
    assert "--source queue:messages" in found["dead letters"]["cure"]


@pytest.mark.parametrize("consumer", ["indexing", "subscriber:newsletter"])
def test_dead_letters_of_the_feed_have_the_name_that_commands_take(
    app: Path, doctor: Any, consumer: str
) -> None:
    connection = apsw.Connection(str(data(app) / DATABASE))
    connection.execute(
        "INSERT INTO dead_letters (source, body, cause, attempts, died, key)"
        " VALUES (?, '{}', 'it failed', 5, 0, 'a')",
        (f"feed:{consumer}",),
    )
    connection.close()
    cure = doctor()[1]["dead letters"]["cure"]
    command = cure.partition(": homeport ")[2].split()
    assert command == ["dead-letters", "list", "--source", consumer]
    assert run([*command, "--json"]) == 0


def test_a_key_that_is_gone(app: Path, doctor: Any) -> None:
    connection = apsw.Connection(str(data(app) / DATABASE))
    connection.execute("DELETE FROM settings")
    connection.close()
    code, found = doctor()
    assert (code, found["token key"]["status"]) == (1, "fault")


def test_a_schema_an_adapter_and_a_subscriber_that_cannot_be_used(app: Path, doctor: Any) -> None:
    (app / "broken.json").write_text('{"type": 7}')
    with (app / "homeport.toml").open("a") as file:
        file.write(
            '[adapters]\npush_gateway = "nowhere.to_be_found:Gateway"\n'
            '[collections.notes]\nschema = "broken.json"\n'
            '[[subscribers]]\nname = "mail"\non = ["notes"]\ncall = "nowhere.to_be_found:mail"\n'
        )
    code, found = doctor()
    assert code == 1
    assert found["adapters"]["status"] == "fault"
    assert found["schema of notes"]["status"] == "fault"
    assert "nowhere" in found["subscribers"]["detail"]
    assert found["database"]["status"] == "ok"


class Strangers(http.server.BaseHTTPRequestHandler):
    """Some other program."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Says nothing."""


@pytest.fixture
def stranger() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Strangers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_port_that_another_program_has(app: Path, doctor: Any, stranger: int) -> None:
    code, found = doctor("--port", str(stranger))
    assert (code, found["port"]["status"]) == (1, "fault")
    assert "another program. Asked, it is not Homeport" in found["port"]["detail"]
    assert "--port" in found["port"]["cure"]


def test_a_host_that_is_none(app: Path, doctor: Any) -> None:
    code, found = doctor("--host", "no host", "--port", str(free_port()))
    assert (code, found["port"]["status"]) == (1, "fault")
    assert found["port"]["detail"].startswith("Cannot listen at no host:")
    assert "--host" in found["port"]["cure"]


def test_a_package_that_is_missing(app: Path, doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "tantivy":
            raise metadata.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setitem(sys.modules, "homeport.adapters.embedded.search_schema", None)
    code, found = doctor()
    assert code == 1
    assert found["packages"]["detail"] == "Missing: tantivy."
    assert "pip install" in found["packages"]["cure"]
    assert "is missing" in found["index"]["detail"]
    assert found["database"]["status"] == "ok"


def test_what_a_crash_has_left(app: Path, doctor: Any, tmp_path: Path) -> None:
    """Changes that are only in the write-ahead log are seen, and stay there."""
    place = data(app)
    backend = build(load(app, {}))
    backend.store.write([Put(Key("me", "notes", "two"), "me", Data.of({"title": "two"}))])
    shutil.copytree(place, tmp_path / "crashed")
    backend.close()
    (tmp_path / "crashed" / f"{DATABASE}-shm").unlink()
    before = contents(tmp_path / "crashed")
    assert before[f"{DATABASE}-wal"][0]
    _, found = doctor("--data", str(tmp_path / "crashed"))
    assert "records 2" in found["database"]["detail"]
    assert contents(tmp_path / "crashed") == before


def test_a_backend_in_memory_has_no_folder(app: Path, doctor: Any) -> None:
    use = "\n".join(f'{port} = "memory"' for port in Adapters.names())
    with (app / "homeport.toml").open("a") as file:
        file.write(f"[adapters]\n{use}\n")
    code, found = doctor()
    assert code == 0
    assert "folder" not in found
