"""`homeport export` and `homeport import` over data folders: interrupted, killed, and damaged."""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain import exporting
from homeport.domain.events import RecordChanged
from homeport.domain.exporting import entries
from homeport.domain.interchange import LINE_BYTES, render
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli import export
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.cli.lines import Line, lines

DEFINITION = """
[collections.notes.schema]
required = ["n"]
properties.n.type = "integer"
"""


def opened(folder: Path, data: str) -> Backend:
    return build(load(folder, {"HOMEPORT_DATA_FOLDER": str(folder / data)}))


def fill(backend: Backend, spaces: int = 3, records: int = 40) -> None:
    for space in (f"s{number}" for number in range(spaces)):
        keys = [Key(space, "notes", f"{number:04}") for number in range(records)]
        writes = [Put(key, "ann", Data.of({"n": n, "é": "☃"})) for n, key in enumerate(keys)]
        for start in range(0, records, 90):
            backend.store.write(writes[start : start + 90])
        backend.store.put_membership(Membership(space, "ann", Role.OWNER))
        backend.store.put_membership(Membership(space, "ben", Role.READER))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a definition, and `data` with records and memberships."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeport.toml").write_text(DEFINITION)
    backend = opened(tmp_path, "data")
    fill(backend)
    backend.close()
    return tmp_path


def content(file: Path) -> list[dict[str, Any]]:
    """The lines without the header, and without what a store stamps itself."""
    found = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    stamps = ("version", "created", "updated")
    return [{name: one[name] for name in one if name not in stamps} for one in found]


def summary(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_way_there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, again = folder / "a.jsonl", folder / "b.jsonl"
    assert run(["export", str(file), "--data", "data"]) == Exit.OK
    told = capsys.readouterr()
    assert told.out == (
        f"{file} holds 120 records and 6 memberships in {file.stat().st_size:,} bytes.\n"
    )
    assert told.err.startswith("Exporting: 120 records")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(["import", str(file), "--data", "new", "--json"]) == Exit.OK
    done = summary(capsys)
    assert done["records"] == {"created": 120, "replaced": 0, "unchanged": 0, "conflicts": 0}
    assert done["memberships"]["created"] == 6
    assert (done["refused"], done["lines"], done["whole"]) == (0, [], True)
    assert run(["export", str(again), "--data", "new", "--json"]) == Exit.OK
    assert summary(capsys)["records"] == 120
    assert content(again) == content(file)
    assert run(["import", str(file), "--data", "new"]) == Exit.OK
    assert capsys.readouterr().out == (
        "Records: 0 created, 0 replaced, 120 unchanged, 0 conflicts.\n"
        "Memberships: 0 created, 0 replaced, 6 unchanged, 0 conflicts.\n"
    )
    unchanged = folder / "c.jsonl"
    assert run(["export", str(unchanged), "--data", "new"]) == Exit.OK
    assert unchanged.read_text().splitlines()[1:] == again.read_text().splitlines()[1:]


def test_what_was_imported_is_found_and_told_to_subscribers(folder: Path) -> None:
    assert run(["export", "a.jsonl", "--data", "data"]) == Exit.OK
    assert run(["import", "a.jsonl", "--data", "new"]) == Exit.OK
    backend = opened(folder, "new")
    try:
        seen = set[Key]()

        def take(events: Sequence[RecordChanged]) -> dict[int, str]:
            seen.update(one.key for one in events)
            return {}

        for consumer in ("indexing", "subscriber:mine"):
            seen.clear()
            while backend.feed.deliver(consumer, take):
                pass
            assert len(seen) == 120
    finally:
        backend.close()
    assert run(["index", "rebuild", "--data", "new"]) == Exit.OK
    assert run(["index", "verify", "--data", "new"]) == Exit.OK


def test_an_export_sees_one_moment_of_a_backend_that_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 10)
    writing = opened(folder, "data")
    try:
        scan = EmbeddedRecordStore.scan
        count = 0

        def beside(store: EmbeddedRecordStore, *arguments: Any) -> Any:
            nonlocal count
            count += 1
            key = Key("zz", "notes", str(count))
            writing.store.write([Put(key, "ann", Data.of({"n": count}))])
            return scan(store, *arguments)

        monkeypatch.setattr(EmbeddedRecordStore, "scan", beside)
        assert run(["export", "a.jsonl", "--data", "data", "--json"]) == Exit.OK
        assert count == 13
        assert summary(capsys)["records"] == 120
        assert run(["import", "a.jsonl", "--data", "data"]) == Exit.IN_USE
    finally:
        writing.close()


def test_an_interrupted_export_goes_on_wherever_it_was_cut(folder: Path) -> None:
    whole = folder / "whole.jsonl"
    assert run(["export", str(whole), "--data", "data", "--space", "s1"]) == Exit.OK
    text = whole.read_bytes()
    ends = [place + 1 for place, byte in enumerate(text) if byte == ord("\n")]
    cuts = {0, 1, *range(0, len(text), 997), *ends[:6], *(end - 1 for end in ends[:6])}
    cuts |= {len(text) - 1, ends[-2], ends[-2] - 1, ends[-2] + 3} - {len(text)}
    part = folder / "part.jsonl"
    resumed = ["export", str(part), "--data", "data", "--space", "s1", "--resume"]
    for cut in sorted(cuts):
        part.write_bytes(text[:cut])
        part.chmod(0o644)
        assert run(resumed) == Exit.OK
        assert part.read_bytes().split(b"\n", 1)[1] == text.split(b"\n", 1)[1], cut
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert run(resumed) == Exit.FAILED


def test_what_a_file_to_export_to_must_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str, code: Exit) -> str:
        assert run(["export", *arguments, "--data", "data"]) == code
        return capsys.readouterr().err

    mine = folder / "mine"
    for text in ("x", "x\n", '{"type":"record"}\n'):
        mine.write_text(text)
        assert "exists" in told("mine", code=Exit.FAILED)
        assert "is no export" in told("mine", "--resume", code=Exit.FAILED)
        assert mine.read_text() == text
    mine.chmod(0o666)
    told("mine", "--force", code=Exit.OK)
    assert len(content(mine)) == 127
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    assert "is whole" in told("mine", "--resume", code=Exit.FAILED)
    mine.write_bytes(mine.read_bytes()[:2_000])
    assert "other --space" in told("mine", "--resume", "--space", "s1", code=Exit.USAGE)
    told("mine", "--resume", "--force", code=Exit.USAGE)
    told("-", "--resume", code=Exit.USAGE)
    assert "cannot be written" in told("nowhere/a", code=Exit.FAILED)


@pytest.mark.parametrize("end", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_is_to_be_replaced_stays_until_the_new_one_is_whole(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: BaseException,
) -> None:
    mine = folder / "mine"
    mine.write_text("the export of yesterday")

    def broken(*arguments: Any) -> Iterator[object]:
        yield from itertools.islice(entries(*arguments), 3)
        raise end

    before = sorted(folder.iterdir())
    monkeypatch.setattr(export, "entries", broken)
    assert run(["export", "mine", "--force", "--data", "data"]) != Exit.OK
    assert mine.read_text() == "the export of yesterday"
    assert sorted(folder.iterdir()) == before
    assert capsys.readouterr().err.count("homeport: ") == 1


@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_two_exports_do_not_write_to_one_file(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    def told(code: Exit) -> str:
        assert run(["export", "mine", option, "--data", "data"]) == code
        return capsys.readouterr().err

    told(Exit.OK)
    mine = folder / "mine"
    mine.write_bytes(mine.read_bytes()[:-60])  # as one that goes on
    place = mine if option == "--resume" else folder / ".mine.new"
    with place.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        before = mine.read_bytes()
        assert told(Exit.FAILED).endswith(f"Another export writes to {mine}.\n")
        assert place.exists()
        assert mine.read_bytes() == before
    told(Exit.OK)
    assert content(mine)[-1]["type"] == "end"


def test_a_full_disk_says_how_to_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any) -> Iterator[object]:
        yield from itertools.islice(entries(*arguments), 3)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(export, "entries", full)
        assert run(["export", "mine", "--data", "data"]) == Exit.FAILED
    assert "What is there stays: go on with --resume." in capsys.readouterr().err
    assert run(["export", "mine", "--data", "data", "--resume"]) == Exit.OK


def test_an_export_goes_to_no_device_and_not_over_the_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "data" / "homeport.db")
    for name in ("pipe", "data", "data/homeport.db", "data/new", "link"):
        for option in ("--force", "--resume"):
            assert run(["export", name, option, "--data", "data"]) == Exit.USAGE
            assert "homeport: " in capsys.readouterr().err
    assert run(["index", "status", "--data", "data"]) == Exit.OK


@pytest.mark.parametrize("begun", [False, True])
def test_after_a_first_command_that_was_killed_all_begins_anew(
    folder: Path, capsys: pytest.CaptureFixture[str], *, begun: bool
) -> None:
    """It leaves a database's file in which no table was made."""
    assert run(["export", "all.jsonl", "--data", "data"]) == Exit.OK
    database = folder / "new" / "homeport.db"
    database.parent.mkdir()
    database.touch()
    if begun:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    assert (database.stat().st_size > 0) is begun
    capsys.readouterr()
    for command in ("export -", "identity list", "index status"):
        assert run([*command.split(), "--data", "new"]) == Exit.FOLDER
        assert "There is no database" in capsys.readouterr().err
    assert run(["import", "all.jsonl", "--data", "new"]) == Exit.OK
    assert run(["index", "status", "--data", "new"]) == Exit.OK


def test_where_there_is_nothing_to_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "-", "--data", "none"]) == Exit.FOLDER
    (folder / "none").mkdir()
    assert run(["export", "-", "--data", "none"]) == Exit.FOLDER
    (folder / "none" / "homeport.db").touch()
    assert run(["export", "-", "--data", "none"]) == Exit.FOLDER
    assert capsys.readouterr().err.endswith("none/homeport.db.\n")
    database = folder / "data" / "homeport.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert run(["export", "-", "--data", "data"]) == Exit.SCHEMA
    (folder / "homeport.toml").write_text('adapters.record_store = "memory"')
    for command in (["export", "-"], ["import", "a.jsonl"]):
        assert run(command) == Exit.USAGE


def test_standard_output_and_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["export", "-", "--data", "data"]) == Exit.OK
    text = capfdbinary.readouterr().out
    assert text.count(b"\n") == 128
    (folder / "a.jsonl").write_bytes(text)
    with (folder / "a.jsonl").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run(["import", "-", "--data", "new", "--json"]) == Exit.OK
    assert json.loads(capfdbinary.readouterr().out)["records"]["created"] == 120


KILLER = """
import os, signal, sys
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.domain import exporting

exporting._PAGE = 10
name, when, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
real = getattr(EmbeddedRecordStore, name)

def dying(*arguments):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = real(*arguments)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(EmbeddedRecordStore, name, dying)
from homeport.entrypoints.cli import main
main(sys.argv[4:])
"""


def killed(folder: Path, *arguments: str) -> None:
    """Run a command that is killed at a call of the store, as `arguments` begin by saying."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER, *arguments], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("page", ["2", "7", "12"])
def test_a_killed_export_goes_on(folder: Path, page: str) -> None:
    assert run(["export", "whole.jsonl", "--data", "data"]) == Exit.OK
    killed(folder, "scan", "before", page, "export", "part.jsonl", "--data", "data")
    left = (folder / "part.jsonl").read_bytes()
    assert len(left) < (folder / "whole.jsonl").stat().st_size
    assert run(["export", "part.jsonl", "--data", "data", "--resume"]) == Exit.OK
    assert content(folder / "part.jsonl") == content(folder / "whole.jsonl")


def test_nobody_becomes_a_member_of_a_private_space(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = opened(folder, "data")
    owner = backend.identity_provider.guest().identity.id
    backend.close()
    file = folder / "a.jsonl"
    assert run(["export", str(file), "--data", "data", "--space", "s0", "--json"]) == Exit.OK
    capsys.readouterr()
    lines = file.read_text().splitlines()
    lines[1] = render(Membership(owner, "mallory", Role.OWNER))
    file.write_text("\n".join(lines) + "\n")
    assert run(["import", str(file), "--data", "data", "--json"]) == Exit.FAILED
    done = summary(capsys)
    assert [(one["line"], one["errors"][0]["pointer"]) for one in done["lines"]] == [(2, "/space")]
    backend = opened(folder, "data")
    assert backend.store.memberships("mallory") == []
    backend.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["write", "put_membership"])
def test_a_killed_import_goes_on(
    folder: Path, call: str, when: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "whole.jsonl", "--data", "data"]) == Exit.OK
    killed(folder, call, when, "2", "import", "whole.jsonl", "--data", "new")
    capsys.readouterr()
    assert run(["import", "whole.jsonl", "--data", "new", "--json"]) == Exit.OK
    done = summary(capsys)
    assert done["records"]["created"] + done["records"]["unchanged"] == 120
    if call == "write":
        assert done["records"]["unchanged"] == (90 if when == "before" else 120)
    assert run(["export", "again.jsonl", "--data", "new"]) == Exit.OK
    assert content(folder / "again.jsonl") == content(folder / "whole.jsonl")


@pytest.fixture
def exported(folder: Path) -> list[str]:
    """The lines of an export of 4 records, without line feeds."""
    file = folder / "few.jsonl"
    assert run(["export", str(file), "--data", "data", "--space", "s0"]) == Exit.OK
    all_lines = file.read_text().splitlines()
    kept = [all_lines[0], *all_lines[3:7]]
    return [*kept, '{"type":"end","records":4,"memberships":0}']


def record(id: str, **changes: Any) -> str:
    whole = {"type": "record", "space": "s0", "collection": "notes", "id": id, "author": "ann"}
    return json.dumps({**whole, "data": {"n": 1}, **changes})


class TestDamage:
    def test_bad_lines_are_told_and_passed_over(
        self, folder: Path, exported: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        exported[2:2] = ["{", record("x", data={"n": "secret"}), record("a/b"), exported[0]]
        exported[-1] = '{"type":"end","records":7,"memberships":1}'
        (folder / "bad.jsonl").write_text("\n".join(exported) + "\n")
        capsys.readouterr()
        assert run(["import", "bad.jsonl", "--data", "new", "--json"]) == Exit.FAILED
        printed = capsys.readouterr()
        done = json.loads(printed.out)
        assert done["records"]["created"] == 4
        assert (done["refused"], done["whole"]) == (4, True)
        assert [one["line"] for one in done["lines"]] == [3, 4, 5, 6]
        assert done["lines"][1]["errors"] == [
            {"pointer": "/data/n", "detail": 'the value is not of type "integer"'}
        ]
        told = [line for line in printed.err.splitlines() if line.startswith("homeport: ")]
        assert [line.split(":")[1] for line in told] == [f" line {n}" for n in (3, 4, 5, 6)]
        assert "secret" not in printed.err
        assert run(["import", "bad.jsonl", "--data", "new"]) == Exit.FAILED
        assert "Lines refused: 4." in capsys.readouterr().out

    def test_strict_stops_at_the_first(
        self, folder: Path, exported: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        exported[3:3] = ["{", "{"]
        (folder / "bad.jsonl").write_text("\n".join(exported) + "\n")
        capsys.readouterr()
        assert run(["import", "bad.jsonl", "--data", "new", "--strict", "--json"]) == Exit.FAILED
        printed = capsys.readouterr()
        done = json.loads(printed.out)
        assert (done["records"]["created"], done["refused"]) == (2, 1)
        assert "not whole" not in printed.err

    @pytest.mark.parametrize(
        ("text", "code", "sentence"),
        [
            ("", Exit.FAILED, "This is no export"),
            ("hello\n", Exit.FAILED, "This is no export"),
            (record("a") + "\n", Exit.FAILED, "This is no export"),
            ('{"type":"homeport-export","format":"1"}\n', Exit.FAILED, "This is no export"),
            ('{"type":"homeport-export","format":2}\n', Exit.SCHEMA, "The export is of format 2"),
        ],
    )
    def test_what_is_no_export(
        self,
        folder: Path,
        text: str,
        code: Exit,
        sentence: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (folder / "bad.jsonl").write_text(text)
        assert run(["import", "bad.jsonl", "--data", "new"]) == code
        assert capsys.readouterr().err.startswith(f"homeport: {sentence}")
        assert not (folder / "new").exists()

    def test_a_file_that_is_not_there(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["import", "none.jsonl", "--data", "new"]) == Exit.FAILED
        assert capsys.readouterr().err == (
            "homeport: none.jsonl cannot be read: No such file or directory.\n"
        )
        assert not (folder / "new").exists()

    @pytest.mark.parametrize("cut", [1, 60, 400])
    def test_a_truncated_file(
        self, folder: Path, exported: list[str], cut: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "bad.jsonl").write_bytes("\n".join(exported).encode()[:-cut])
        capsys.readouterr()
        assert run(["import", "bad.jsonl", "--data", "new", "--json"]) == Exit.FAILED
        printed = capsys.readouterr()
        assert "the file is not whole: it has no end. What it holds is imported." in printed.err
        assert not json.loads(printed.out)["whole"]

    def test_lines_that_are_missing_or_come_late(
        self, folder: Path, exported: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "bad.jsonl").write_text("\n".join([*exported[:2], *exported[3:], "", "x"]))
        assert run(["import", "bad.jsonl", "--data", "new", "--json"]) == Exit.FAILED
        printed = capsys.readouterr()
        assert "The export had 4 lines between its header and this, not 3." in printed.err
        assert "There is something after the end of the export." in printed.err

    @pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process's peak")
    def test_a_huge_line_takes_no_memory(self, folder: Path, exported: list[str]) -> None:
        file = folder / "huge.jsonl"
        with file.open("wb") as writing:
            writing.write(f"{exported[0]}\n".encode())
            writing.seek(300_000_000, io.SEEK_CUR)  # a hole, which takes no room on the disk
            writing.write("\n".join(["", *exported[1:5]]).encode())
            writing.write(b'\n{"type":"end","records":5,"memberships":0}\n')
        measured = (
            "import re, sys\n"
            "from homeport.entrypoints.cli.arguments import run\n"
            "assert run(sys.argv[1:]) == 1\n"
            # Its own peak: what getrusage says is that of whoever started it, too.
            "status = open('/proc/self/status').read()\n"
            "print(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", measured, "import", "huge.jsonl", "--data", "new"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"line 2: The line has 300,000,001 bytes; {LINE_BYTES:,} is the most." in (
            done.stderr
        )
        *told, most = done.stdout.splitlines()
        assert told[0] == "Records: 4 created, 0 replaced, 0 unchanged, 0 conflicts."
        assert int(most) * 1024 < 200_000_000


def test_lines_of_any_length() -> None:
    found = list(lines(io.BytesIO(b"ab\n\nabc\r\nabcdefgh\nabcd\nab"), 4))
    assert found == [
        Line(1, 3, b"ab", True),
        Line(2, 1, b"", True),
        Line(3, 5, b"abc", True),
        Line(4, 9, None, True),
        Line(5, 5, b"abcd", True),
        Line(6, 2, b"ab", False),
    ]
    assert list(lines(io.BytesIO(b"abcdefgh"), 4)) == [Line(1, 8, None, False)]
