"""Backups of a data folder: made, restored, and refused where they are not whole."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.adapters.embedded import backups
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import DataFolder, FolderInUse, FolderUnusable
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.domain.errors import Conflict, Unavailable
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit

ROWS = "SELECT name, value FROM settings ORDER BY name"


def write(database: Database, name: str) -> None:
    database.write(
        lambda connection: connection.execute("INSERT INTO settings VALUES (?, 'kept')", (name,))
    )


def made(folder: Path, *names: str) -> Path:
    database = Database(folder)
    for name in names:
        write(database, name)
    database.close()
    return folder


def names_in(folder: Path) -> list[str]:
    database = Database(folder)
    try:
        return [name for name, _ in database.read(ROWS)]
    finally:
        database.close()


def entries(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_backup_of_an_open_database_has_one_moment(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    write(database, "before")
    seen = 0

    def meanwhile(done: int) -> None:
        nonlocal seen
        seen += done
        write(database, f"meanwhile-{seen}")

    manifest = backups.back_up(tmp_path / "data", tmp_path / "backup", 7, meanwhile)
    assert len(database.read(ROWS)) > 1
    database.close()
    assert seen == manifest.bytes == (tmp_path / "backup" / "homeport.db").stat().st_size
    assert (manifest.made, manifest.schema) == (7, len(MIGRATIONS))
    assert manifest.counts["settings"] == 1
    assert entries(tmp_path) == ["backup", "data"]
    assert entries(tmp_path / "backup") == ["homeport.db", "manifest.json"]
    backups.restore(tmp_path / "backup", tmp_path / "again")
    assert names_in(tmp_path / "again") == ["before"]


def test_a_backup_is_for_its_owner_alone(tmp_path: Path) -> None:
    made(tmp_path / "data")
    backups.back_up(tmp_path / "data", tmp_path / "backup", 0)
    modes = [tmp_path / "backup", *(tmp_path / "backup").iterdir()]
    assert [stat.S_IMODE(one.stat().st_mode) for one in modes] == [0o700, 0o600, 0o600]


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    made(tmp_path / "data")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backups.back_up(tmp_path / "data", tmp_path / "backup", 0, interrupted)
    assert entries(tmp_path) == ["data"]


def test_what_killed_processes_have_left_goes_and_drafts_in_work_stay(tmp_path: Path) -> None:
    made(tmp_path / "data")
    for name in (".backup.1.partial", ".backup.2.partial", ".other.3.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "homeport.db").write_text("a part")
    held = os.open(tmp_path / ".backup.2.partial", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    backups.back_up(tmp_path / "data", tmp_path / "backup", 0)
    os.close(held)
    assert entries(tmp_path) == [".backup.2.partial", ".other.3.partial", "backup", "data"]


def test_two_of_one_name_and_one_in_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made(tmp_path / "data")

    def meanwhile(_: int) -> None:
        (tmp_path / "twice").mkdir(exist_ok=True)
        (tmp_path / "twice" / "mine").touch()

    with pytest.raises(Conflict, match="exists already"):
        backups.back_up(data, tmp_path / "twice", 0, meanwhile)
    assert entries(tmp_path / "twice") == ["mine"]
    capsys.readouterr()
    assert run(["backup", str(data / "inside"), "--data", str(data)]) == Exit.FAILED
    assert "would be in the data folder. Choose another name." in capsys.readouterr().err
    assert "inside" not in entries(data)


@pytest.mark.parametrize("moment", [1, 2])
def test_a_restore_that_is_interrupted_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    data = made(tmp_path / "data", "old")
    backups.back_up(data, tmp_path / "backup", 0)
    made(data, "newer")
    renames = 0

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == moment:
            raise KeyboardInterrupt
        self.replace(target)
        return target

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            backups.restore(tmp_path / "backup", data, force=True)
    assert names_in(data) == ["newer", "old"]
    assert entries(tmp_path) == ["backup", "data"]


KILLED = """
import os, pathlib, signal, sys
from homeport.adapters.embedded import backups
rename = pathlib.Path.rename
def killed(self, target):
    if self.name.endswith(".partial"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = killed
backups.restore(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), force=True)
"""


@pytest.mark.parametrize("cure", ["its name", "another restore"])
@pytest.mark.parametrize("empty", [False, True])
def test_after_a_restore_that_was_killed_nothing_begins_with_an_empty_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], empty: bool, cure: str
) -> None:
    data = made(tmp_path / "the [data]", "old")
    backups.back_up(data, tmp_path / "backup", 0)
    made(data, "newer")
    restoring = [sys.executable, "-c", KILLED, str(tmp_path / "backup"), str(data)]
    with subprocess.Popen(restoring) as process:
        assert process.wait(60) == -signal.SIGKILL
    left = data.with_name(f".{data.name}.{process.pid}.before-restore")
    assert left.is_dir() and not data.exists()
    if empty:  # as whoever watches over a service makes it
        data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for place in (data, tmp_path / "link"):
        with pytest.raises(FolderUnusable) as refused:
            Database(place)
        assert refused.value.detail == (
            f"A restore of {data} was killed: the data that it was to replace are in {left}. "
            "Give that its name back, or restore the backup once more."
        )
    assert not (data / "lock").exists()
    assert run(["doctor", "--data", str(data), "--json"]) == Exit.FAILED
    (found,) = [
        one for one in json.loads(capsys.readouterr().out)["checks"] if one["name"] == "folder"
    ]
    assert (found["status"], str(left) in found["detail"]) == ("fault", True)
    if cure == "its name":
        if empty:
            data.rmdir()
        left.rename(data)
        assert names_in(data) == ["newer", "old"]
    else:
        backups.restore(tmp_path / "backup", data)
        assert names_in(data) == ["old"]
        assert left.is_dir()  # its owner's to delete: doctor tells of it


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("told", ["before", "by the rename"])
def test_a_mount_point_cannot_be_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: bool,
    told: str,
) -> None:
    backups.back_up(made(tmp_path / "old", "old"), tmp_path / "backup", 0)
    data = tmp_path / "data"
    if there:
        made(data, "newer")
    else:
        data.mkdir()

    def rename(self: Path, target: Path) -> Path:
        assert told == "by the rename"  # as of a folder of the same file system
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self))

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os.path, "ismount", lambda path: told == "before" and path == data)
    capsys.readouterr()
    command = ["restore", str(tmp_path / "backup"), "--data", str(data)]
    assert run([*command, *(["--force"] if there else [])]) == Exit.FOLDER
    assert capsys.readouterr().err == (
        f"homeport: Nothing can be put in the place of {data}: it is a mount point, or part of a "
        f"container's image. Choose a folder inside it, such as {data}/data.\n"
    )
    assert entries(tmp_path) == ["backup", "data", "old"]
    assert names_in(data) == (["newer"] if there else [])


def test_a_restore_into_what_a_link_names_keeps_the_link(tmp_path: Path) -> None:
    data = made(tmp_path / "disk" / "data", "old")
    backups.back_up(data, tmp_path / "backup", 0)
    made(data, "newer")
    link = tmp_path / "data"
    link.symlink_to(data)
    assert run(["restore", str(tmp_path / "backup"), "--data", str(link), "--force"]) == Exit.OK
    assert link.is_symlink()
    assert names_in(data) == ["old"]
    assert entries(tmp_path) == ["backup", "data", "disk"]


def test_a_restore_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backups.back_up(made(tmp_path / "data"), tmp_path / "backup", 0)
    file = tmp_path / "file"
    file.write_text("mine")
    for more in ([], ["--force"]):
        command = ["restore", str(tmp_path / "backup"), "--data", str(file), *more]
        assert run(command) == Exit.FAILED
        assert f"{file} is not a folder." in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "1"},
        {"schema": None},
        {"bytes": "1"},
        {"bytes": True},
        {"counts": None},
        {"sha256": 5},
        {"made": 1.5},
        {"format": True},
        {"more": 1},
        None,
    ],
)
def test_a_garbled_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object] | None
) -> None:
    backups.back_up(made(tmp_path / "data"), tmp_path / "backup", 0)
    manifest = tmp_path / "backup" / "manifest.json"
    said = json.loads(manifest.read_text())
    manifest.write_text("[" * 100_000 if change is None else json.dumps({**said, **change}))
    assert run(["restore", str(tmp_path / "backup"), "--data", str(tmp_path / "new")]) == 1
    assert "is no backup: it has no manifest.json that can be read." in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made(tmp_path / "data", "old")
    backup = tmp_path / "backup"
    assert run(["backup", str(backup), "--data", str(data)]) == Exit.OK
    assert run(["backup", str(backup), "--data", str(data)]) == Exit.FAILED
    assert f"{backup} exists already. Choose another name." in capsys.readouterr().err
    assert run(["restore", str(backup), "--data", str(data)]) == Exit.FAILED
    assert "is not empty" in capsys.readouterr().err
    made(data, "newer")
    assert run(["restore", str(backup), "--data", str(data), "--force", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["counts"]["settings"] == 1
    assert names_in(data) == ["old"]
    assert entries(tmp_path) == ["backup", "data"]


def test_force_replaces_nothing_but_a_data_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made(tmp_path / "data")
    backups.back_up(data, tmp_path / "backup", 0)
    (data / "letters.txt").write_text("mine")
    arguments = ["restore", str(tmp_path / "backup"), "--data", str(data), "--force"]
    assert run(arguments) == Exit.FAILED
    assert (data / "letters.txt").read_text() == "mine"
    assert capsys.readouterr().err == (
        f"homeport: {data} stays as it is: letters.txt in it is not of a data folder. Choose "
        "another --data.\n"
    )


@pytest.mark.parametrize(
    "theirs",
    [
        ["lock", "index/thesis.tex"],
        ["lock", "homeport.db.notes"],
        ["lock", "homeport.db/notes"],
        ["homeport.db-shm"],
        ["lock"],
        ["homeport.db", "homeport.db.notes"],
    ],
)
def test_force_replaces_nothing_that_only_has_names_of_ours(
    tmp_path: Path, theirs: list[str]
) -> None:
    backups.back_up(made(tmp_path / "data"), tmp_path / "backup", 0)
    target = tmp_path / "theirs"
    for name in theirs:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("mine")
    with pytest.raises(Conflict, match=r"theirs stays as it is: .* is not of a data folder\."):
        backups.restore(tmp_path / "backup", target, force=True)
    assert [(target / name).read_text() for name in theirs] == ["mine"] * len(theirs)


def test_a_folder_in_use_is_not_replaced(tmp_path: Path) -> None:
    data = made(tmp_path / "data", "old")
    backups.back_up(data, tmp_path / "backup", 0)
    database = Database(data)
    arguments = ["restore", str(tmp_path / "backup"), "--data", str(data), "--force"]
    assert run(arguments) == Exit.IN_USE
    assert database.read(ROWS) == [("old", "kept")]
    database.close()


@pytest.mark.parametrize("damage", ["a bit", "the end", "the file", "the manifest", "the counts"])
def test_a_damaged_backup_is_refused_and_the_data_stay(tmp_path: Path, damage: str) -> None:
    data = made(tmp_path / "data", "old")
    backup = tmp_path / "backup"
    backups.back_up(data, backup, 0)
    file, manifest = backup / "homeport.db", backup / "manifest.json"
    content = bytearray(file.read_bytes())
    if damage == "a bit":
        content[5000] ^= 1
        file.write_bytes(content)
    elif damage == "the end":
        file.write_bytes(content[:-1])
    elif damage == "the file":
        file.unlink()
    elif damage == "the manifest":
        manifest.write_text("{")
    else:
        said = json.loads(manifest.read_text())
        said["counts"]["settings"] = 2
        manifest.write_text(json.dumps(said))
    with pytest.raises(backups.NoBackup):
        backups.restore(backup, data, force=True)
    assert names_in(data) == ["old"]
    assert entries(tmp_path) == ["backup", "data"]


@pytest.mark.parametrize("what", ["schema", "format"])
def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path, what: str) -> None:
    made(tmp_path / "data")
    backups.back_up(tmp_path / "data", tmp_path / "backup", 0)
    manifest = tmp_path / "backup" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), what: 99}))
    again = str(tmp_path / "again")
    assert run(["restore", str(tmp_path / "backup"), "--data", again]) == Exit.SCHEMA
    assert entries(tmp_path) == ["backup", "data"]


def test_where_there_is_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")
    assert run(["backup", str(tmp_path / "backup"), "--data", missing]) == Exit.FOLDER
    assert capsys.readouterr().err == f"homeport: There is no data folder {missing}.\n"
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unavailable, match="There is no database"):
        backups.back_up(tmp_path / "empty", tmp_path / "backup", 0)
    command = ["backup", str(tmp_path / "backup"), "--data", str(tmp_path / "empty")]
    assert run(command) == Exit.FOLDER
    (tmp_path / "empty" / "homeport.db").write_bytes(b"no database at all" * 1000)
    assert run(command) == Exit.FOLDER
    (tmp_path / "empty" / "homeport.db").unlink()
    capsys.readouterr()
    assert run(["restore", missing, "--data", str(tmp_path / "data")]) == Exit.FAILED
    assert "is no backup" in capsys.readouterr().err
    assert entries(tmp_path) == ["empty"]


def test_no_restore_takes_the_place_of_data_that_a_command_works_on(tmp_path: Path) -> None:
    data, backup = made(tmp_path / "data", "old"), tmp_path / "backup"
    backups.back_up(data, backup, 1)
    command = Database(data, beside=True)
    with pytest.raises(FolderInUse, match="in use by a command"):
        backups.restore(backup, data, force=True)
    write(command, "acknowledged")
    command.close()
    assert names_in(data) == ["acknowledged", "old"]

    def meanwhile(_: int) -> None:
        with pytest.raises(FolderInUse, match="being restored"):
            Database(data, beside=True)

    backups.restore(backup, data, force=True, progress=meanwhile)
    assert names_in(data) == ["old"]
    Database(data, beside=True).close()


@pytest.mark.parametrize("beside", [False, True])
def test_a_restore_in_the_middle_of_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    """Whoever is to have the folder has opened what to lock, and not locked it."""
    data, backup = made(tmp_path / "data", "old"), tmp_path / "backup"
    backups.back_up(data, backup, 1)
    locked = []

    def lock(file: int, how: int) -> None:
        locked.append(file)
        if len(locked) == 1:
            backups.restore(backup, data, force=True)
        flock(file, how)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lock)
    owner = DataFolder(data, beside=beside)
    with pytest.raises(FolderInUse):
        backups.restore(backup, data, force=True)
    owner.close()
    backups.restore(backup, data, force=True)
