"""A data folder whose database is gone or empty, while the rest of it is there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from homeport.adapters.embedded import backups
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderUnusable
from homeport.adapters.embedded.snapshot import Snapshot
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit, Failure
from homeport.entrypoints.cli.opening import opened


def unlink(database: Path) -> None:
    database.unlink()


def empty(database: Path) -> None:
    os.truncate(database, 0)


@pytest.fixture(params=[unlink, empty])
def lose(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    found: Callable[[Path], None] = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a server leaves that was killed: the records are in the log and in the index."""
    backend = build(Definition(data_folder=tmp_path / "served"))
    backend.store.write([Put(Key("me", "notes", "one"), "me", Data.of({"title": "one"}))])
    backend.indexing.rebuild()
    shutil.copytree(tmp_path / "served", tmp_path / "data")
    backend.close()
    backups.back_up(tmp_path / "served", tmp_path / "backup", 0)
    shutil.rmtree(tmp_path / "served")
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    """All but the lock, and the log's index: it is computed anew from the log."""
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and one.name not in ("lock", "homeport.db-shm")
    }


def lose_the_index(folder: Path) -> None:
    shutil.rmtree(folder / "index")


def lose_the_log(folder: Path) -> None:
    (folder / "homeport.db-wal").unlink()
    (folder / "homeport.db-shm").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("also", "left"),
    [(lose_the_index, "homeport.db-wal"), (lose_the_log, "index")],
)
def test_what_is_left_of_a_database_is_not_begun_beside(
    folder: Path, lose: Callable[[Path], None], also: Callable[[Path], None], left: str
) -> None:
    lose(folder / "homeport.db")
    also(folder)
    before = contents(folder)
    start = opened(Definition(data_folder=folder), migrates=True)
    with pytest.raises(Failure) as refused, start:
        pass
    assert refused.value.code == Exit.FOLDER
    assert "homeport restore FOLDER --force" in str(refused.value)
    assert f"To begin with nothing, remove {folder / left}." in str(refused.value)
    assert contents(folder) == before


def test_nobody_takes_the_log_away(folder: Path, lose: Callable[[Path], None]) -> None:
    """SQLite would, beside an empty file, whatever it was opened for."""
    lose(folder / "homeport.db")
    before = contents(folder)
    for look in (
        lambda: Database(folder, beside=True),
        lambda: Snapshot(folder),
        lambda: backups.back_up(folder, folder.with_name("copy"), 0),
    ):
        with pytest.raises(FolderUnusable, match="a write-ahead log of"):
            look()
    for command in ("identity list", "export -", "index status"):
        assert run([*command.split(), "--data", str(folder)]) == Exit.FOLDER
    assert contents(folder) == before


def test_the_doctor_finds_it(
    folder: Path, lose: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    lose(folder / "homeport.db")
    before = contents(folder)
    assert run(["doctor", "--data", str(folder), "--json"]) == Exit.FAILED
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert found["database"]["status"] == "fault"
    assert "a write-ahead log of" in found["database"]["detail"]
    assert "an index of 1 documents and removals" in found["database"]["detail"]
    assert "homeport restore FOLDER --force" in found["database"]["cure"]
    assert contents(folder) == before


@pytest.mark.parametrize("also", [lose_the_index, lose_the_log, lambda _: None])
def test_a_backup_is_restored_over_it(
    folder: Path, lose: Callable[[Path], None], also: Callable[[Path], None]
) -> None:
    lose(folder / "homeport.db")
    also(folder)
    backup = folder.with_name("backup")
    assert run(["restore", str(backup), "--data", str(folder), "--force"]) == Exit.OK
    with closing(build(Definition(data_folder=folder))) as backend:
        assert backend.store.get(Key("me", "notes", "one")) is not None
    assert sorted(one.name for one in folder.parent.iterdir()) == ["backup", "data"]


def test_a_backup_is_restored_beside_what_an_earlier_restore_kept_aside(folder: Path) -> None:
    unlink(folder / "homeport.db")
    aside = folder.with_name(".data.1.before-restore")
    aside.mkdir()
    backups.restore(folder.with_name("backup"), folder, force=True)
    assert (folder / "homeport.db").is_file()
    assert aside.is_dir()


def test_an_index_of_somebody_elses_is_not_replaced(folder: Path) -> None:
    for one in folder.iterdir():
        if one.is_file():
            one.unlink()
    (folder / "index" / "CURRENT").unlink()
    backup = folder.with_name("backup")
    with pytest.raises(Conflict, match="index in it is not of a data folder"):
        backups.restore(backup, folder, force=True)
    assert (folder / "index").is_dir()


def test_what_a_first_start_has_left_that_was_killed_keeps_no_start_away(tmp_path: Path) -> None:
    with closing(build(Definition(data_folder=tmp_path))) as backend:
        _ = backend.database, backend.index
    assert (tmp_path / "index" / "CURRENT").is_file()
    empty(tmp_path / "homeport.db")
    (tmp_path / "homeport.db-wal").write_bytes(bytes(32))
    with closing(build(Definition(data_folder=tmp_path))) as backend:
        assert backend.store.scan(0, 1, 1) == []


KEPT_IN_MEMORY = dict.fromkeys(
    ("record_store", "change_feed", "message_queue", "push_gateway", "identity_provider"), "memory"
)


def with_an_index_alone(folder: Path, **adapters: str) -> Backend:
    """The backend of a folder with an index of records that are kept elsewhere."""
    chosen = {**KEPT_IN_MEMORY, "search_index": "embedded", **adapters}
    return build(Definition.of({"data_folder": str(folder), "adapters": chosen}))


def index_one(backend: Backend) -> None:
    backend.store.write([Put(Key("me", "notes", "one"), "me", Data.of({"title": "one"}))])
    backend.indexing.rebuild()


def test_an_index_of_records_that_are_elsewhere_is_left_of_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with closing(with_an_index_alone(folder)) as backend:
        index_one(backend)
    (tmp_path / "homeport.toml").write_text(
        "\n".join(f'adapters.{port} = "memory"' for port in KEPT_IN_MEMORY if port[0] != "i")
        + '\nadapters.search_index = "embedded"\nadapters.identity_provider = "embedded"\n'
    )
    at = ["--definition", str(tmp_path), "--data", str(folder)]
    for left in (None, b""):
        if left is not None:
            (folder / "homeport.db").write_bytes(left)
        run(["doctor", *at, "--json"])
        found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
        assert "database" not in found or found["database"]["status"] == "ok"
        assert run(["identity", "list", *at]) == Exit.FOLDER
        assert run(["backup", str(tmp_path / "backup"), *at]) == Exit.FOLDER
        assert capsys.readouterr().err.count(f"There is no database in {folder}.") == 2
    (folder / "homeport.db").unlink()
    with closing(with_an_index_alone(folder, identity_provider="embedded")) as backend:
        backend.identities.guest()
    assert run(["identity", "list", *at]) == Exit.OK


def test_a_database_may_be_opened_after_such_an_index_was_filled(tmp_path: Path) -> None:
    with closing(with_an_index_alone(tmp_path, message_queue="embedded")) as backend:
        index_one(backend)
        backend.queue.enqueue("{}")


def test_the_log_of_such_a_database_is_missed(tmp_path: Path) -> None:
    with closing(with_an_index_alone(tmp_path, identity_provider="embedded")) as backend:
        backend.identities.guest()
        unlink(tmp_path / "homeport.db")
        shutil.copytree(tmp_path, tmp_path / "left")
    left = with_an_index_alone(tmp_path / "left", identity_provider="embedded")
    with closing(left), pytest.raises(FolderUnusable, match="a write-ahead log of"):
        left.identities.guest()


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    database = Database(tmp_path)
    unlink(tmp_path / "homeport.db")
    with pytest.raises(Unavailable):
        database.read("SELECT 1")
    assert not (tmp_path / "homeport.db").exists()
    database.close()
