"""The data folder: whose it is, what schema it holds, and what is refused."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from homeport.adapters.embedded import migrations
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderInUse, FolderUnusable
from homeport.adapters.embedded.migrations import MIGRATIONS, migrate
from homeport.domain.errors import Invalid, Unavailable
from tests.tools import bound_by_modes

HOLD = """
import sys, pathlib
from homeport.adapters.embedded.database import Database
database = Database(pathlib.Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""

REFUSED = """
import pathlib, sys
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderUnusable
try:
    Database(pathlib.Path(sys.argv[1]))
except FolderUnusable as refused:
    print(refused.detail)
"""


@contextlib.contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name != "lock"}


def make(folder: Path) -> None:
    database = Database(folder)
    database.write(
        lambda connection: connection.execute("INSERT INTO settings VALUES ('a', 'kept')").get
    )
    database.close()


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "over" / "data"
    make(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_in_a_folder_that_was_there_the_data_is_for_its_owner_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    database = Database(tmp_path)
    database.write(lambda connection: connection.execute("INSERT INTO settings VALUES (1, 2)").get)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    database.close()
    assert modes == dict.fromkeys(
        ("homeport.db", "homeport.db-shm", "homeport.db-wal", "lock"), 0o600
    )


def test_data_that_others_could_read_is_kept_from_them(tmp_path: Path) -> None:
    make(tmp_path)
    shutil.copy(tmp_path / "homeport.db", tmp_path / "homeport.db-copy")
    for name in ("homeport.db", "homeport.db-copy"):
        (tmp_path / name).chmod(0o644)
    (tmp_path / "notes.txt").touch(0o644)
    Database(tmp_path).close()
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("*.*")}
    assert modes == {"homeport.db": 0o600, "homeport.db-copy": 0o600, "notes.txt": 0o644}


def test_it_keeps_what_was_written(tmp_path: Path) -> None:
    make(tmp_path)
    database = Database(tmp_path)
    assert database.read("SELECT value FROM settings WHERE name = ?", ("a",)) == [("kept",)]
    database.close()


def test_a_folder_in_use_is_refused_until_its_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with held_by_another_process(folder) as process:
        with pytest.raises(FolderInUse) as refused:
            Database(folder)
        assert refused.value.detail == (
            f"The data folder {folder} is in use by process {process.pid}. "
            "Stop that process, or set `data_folder` to another one."
        )
        process.kill()
        process.wait()
        Database(folder).close()


def test_a_folder_is_opened_once_in_a_process_too(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(FolderInUse):
        Database(tmp_path)
    database.close()
    Database(tmp_path).close()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("mine")
    with pytest.raises(Unavailable, match="is not a folder"):
        Database(path)
    assert path.read_text() == "mine"


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    folder = tmp_path / "data"
    command = bound_by_modes(sys.executable, "-c", REFUSED, str(folder))
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == (
        f"The data folder {folder} cannot be written (Permission denied). Give this user the "
        "right to write there, or set `data_folder` to another one.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        Database(Path("/proc/homeport"))


def test_something_else_in_the_databases_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "homeport.db").write_bytes(b"no database at all" * 1000)
    before = contents(tmp_path)
    with pytest.raises(Unavailable, match="damaged, or is no data file"):
        Database(tmp_path)
    assert contents(tmp_path) == before


def test_a_newer_schema_is_refused_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    with monkeypatch.context() as newer:
        steps = (*MIGRATIONS, "CREATE TABLE from_the_future (a)")
        newer.setattr(migrations.migrate, "__defaults__", (steps,))
        Database(tmp_path).close()
    before = contents(tmp_path)
    with pytest.raises(Invalid) as refused:
        Database(tmp_path)
    seen = len(MIGRATIONS)
    assert refused.value.detail == (
        f"The data is of schema {seen + 1}; this program knows schemas up to {seen}. "
        "Install the newer version of homeport that wrote it."
    )
    assert contents(tmp_path) == before


def test_a_migration_takes_the_data_along(tmp_path: Path) -> None:
    make(tmp_path)
    connection = apsw.Connection(str(tmp_path / "homeport.db"))
    step = "ALTER TABLE settings ADD COLUMN note TEXT; UPDATE settings SET note = value || '!'"
    migrate(connection, (*MIGRATIONS, step))
    assert connection.execute("SELECT * FROM settings").fetchall() == [("a", "kept", "kept!")]
    assert connection.execute("PRAGMA user_version").get == len(MIGRATIONS) + 1
    migrate(connection, (*MIGRATIONS, step))
    connection.close()


def test_a_failed_migration_leaves_everything_as_it_was(tmp_path: Path) -> None:
    make(tmp_path)
    connection = apsw.Connection(str(tmp_path / "homeport.db"))
    schema = "SELECT name, sql FROM sqlite_schema ORDER BY name"
    before = connection.execute(schema).fetchall()
    works = "CREATE TABLE extra (a); UPDATE settings SET value = 'lost'"
    fails = "DROP TABLE memberships; INSERT INTO nowhere VALUES (1)"
    with pytest.raises(FolderUnusable, match="nowhere"):
        migrate(connection, (*MIGRATIONS, works, fails))
    assert connection.execute(schema).fetchall() == before
    assert connection.execute("PRAGMA user_version").get == len(MIGRATIONS)
    connection.close()
    database = Database(tmp_path)
    assert database.read("SELECT value FROM settings") == [("kept",)]
    database.close()


def test_a_failed_first_migration_leaves_an_empty_database(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "homeport.db"))
    with pytest.raises(FolderUnusable):
        migrate(connection, (*MIGRATIONS, "INSERT INTO nowhere VALUES (1)"))
    assert connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    connection.close()
    Database(tmp_path).close()
