"""What a machine and its people do to an operator's commands: nothing is lost, and what is wrong
is told in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.entrypoints.cli.exits import Exit
from tests import commands
from tests.tools import bound_by_modes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and ulimit")

READING = ["doctor", "identity list --json", "records get public recipes soup", "export -"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    commands.prepare(tmp_path / "app")
    return tmp_path / "app"


def shell(script: str, folder: Path, *, bound: bool = False) -> subprocess.CompletedProcess[str]:
    """What bash does with a line, `bound` by the modes of files also as root; nobody ever sees a
    traceback."""
    command = [str(shutil.which("bash")), "-c", script]
    done = subprocess.run(
        bound_by_modes(*command) if bound else command,
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        encoding="utf-8",
        errors="backslashreplace",
    )
    assert "Traceback" not in done.stderr + done.stdout, done
    assert "Exception ignored" not in done.stderr, done
    return done


@pytest.mark.parametrize("command", READING)
def test_output_that_goes_nowhere(folder: Path, command: str) -> None:
    full = shell(f"homeport {command} > /dev/full", folder)
    assert full.returncode == Exit.FAILED
    assert full.stderr.endswith("the output cannot be written: No space left on device.\n")
    assert shell(f"homeport {command} >&-", folder).returncode == Exit.OK
    assert shell(f"homeport {command} | true", folder).stderr.count("homeport: ") == 0


def test_work_goes_on_where_nobody_looks_at_its_progress(folder: Path) -> None:
    for script in (
        "homeport backup monday 2> >(true) && test -f monday/manifest.json",
        "homeport backup tuesday >&- 2>&- <&- && test -f tuesday/manifest.json",
        "homeport export monday.jsonl 2> >(true) && tail -1 monday.jsonl | grep -q '\"end\"'",
        "homeport import monday.jsonl --data new 2> >(true)",
    ):
        assert shell(script, folder).returncode == Exit.OK


def test_names_that_are_not_text(folder: Path) -> None:
    for command in (r"backup $'b\xff'", r"doctor --data $'b\xff'", r"identity show $'b\xff'"):
        done = shell(f"homeport {command}", folder)
        assert done.returncode == Exit.USAGE
        assert done.stderr == "homeport: b\\xff is not UTF-8: only names that are can be used.\n"
    assert not list(folder.glob("b[!r]*"))


def test_working_folders_that_are_not_text_or_gone(folder: Path) -> None:
    inside = shell(r"mkdir $'\xff' && cd $'\xff' && homeport backup monday", folder)
    assert inside.returncode == Exit.USAGE
    assert inside.stderr.endswith("\\xff is not UTF-8: only names that are can be used.\n")
    gone = shell("mkdir gone && cd gone && rmdir ../gone && homeport backup monday", folder)
    assert gone.returncode == Exit.FOLDER
    assert gone.stderr.startswith("homeport: The folder that this runs in is gone")


class TestWhereNobodyMayLook:
    @pytest.mark.parametrize(
        "command",
        [
            "export -",
            "identity list",
            "records list public recipes",
            "dead-letters list",
            "backup monday",
            "index status",
            "schema check",
            "serve --port 0",
        ],
    )
    def test_data_that_this_user_may_not_see(self, folder: Path, command: str) -> None:
        (folder / "var/lib/homeport").chmod(0)
        done = shell(f"homeport {command} --data var/lib/homeport", folder, bound=True)
        (folder / "var/lib/homeport").chmod(0o700)
        assert done.returncode == Exit.FOLDER, done
        assert "(Permission denied)" in done.stderr

    @pytest.mark.parametrize("what", ["", "homeport.db"])
    def test_the_doctor_says_whose_they_are_to_be(self, folder: Path, what: str) -> None:
        place = folder / "var/lib/homeport" / what
        mode = place.stat().st_mode
        place.chmod(0)
        done = shell("homeport doctor --data var/lib/homeport", folder, bound=True)
        place.chmod(mode)
        assert done.returncode == Exit.FAILED
        assert "cannot be read (Permission denied)." in done.stdout
        assert "Run homeport as its owner." in done.stdout
        assert "report it" not in done.stdout

    @pytest.mark.parametrize("length", [256, 5000])
    def test_a_name_that_no_folder_can_have(self, folder: Path, length: int) -> None:
        for command in ("export -", "identity list", "backup monday", "serve --port 0"):
            done = shell(f"homeport {command} --data {'a' * length}", folder)
            assert done.returncode == Exit.FOLDER, done
            assert "(File name too long)" in done.stderr
        told = shell(f"homeport doctor --data {'a' * length}", folder).stdout
        assert "(File name too long)" in told
        assert "report it" not in told

    def test_a_path_that_is_too_long_for_sqlite(self, folder: Path) -> None:
        deep = "/".join(["a" * 200] * 3)
        done = shell(f"homeport serve --port 0 --data {deep}", folder)
        assert done.returncode == Exit.FOLDER
        assert "too long: it has" in done.stderr
        told = shell(f"homeport doctor --data {deep}", folder).stdout
        assert "too long: it has" in told
        assert "restore" not in told


class TestFullDisk:
    """A limit on the size of files (in KiB) stands for it."""

    def test_an_export_goes_on_once_there_is_room(self, folder: Path) -> None:
        told = shell(
            "homeport export - > all.jsonl && ulimit -f 1; cat all.jsonl > x.jsonl", folder
        )
        assert told.returncode != 0
        # As the process left it that found the disk full.
        begun = (folder / "x.jsonl").read_bytes()
        assert len(begun) == 1024
        assert shell("homeport export x.jsonl --resume", folder).returncode == Exit.OK
        records = (folder / "x.jsonl").read_text().splitlines()[1:]
        assert records == (folder / "all.jsonl").read_text().splitlines()[1:]

    def test_nothing_half_done_is_left(self, folder: Path) -> None:
        before = {one.name for one in folder.iterdir()} | {"good"}
        assert shell("homeport backup good", folder).returncode == Exit.OK
        for command in ("backup bad", "restore good --data bad"):
            done = shell(f"ulimit -f 60; homeport {command}", folder)
            assert done.returncode == Exit.FAILED
            assert "disk" in done.stderr
        assert shell("ulimit -f 0; homeport init .", folder).returncode == Exit.FAILED
        fresh = shell("ulimit -f 0; homeport init fresh", folder)
        assert fresh.stderr == "homeport: fresh/homeport.toml cannot be written: File too large.\n"
        assert {one.name for one in folder.iterdir()} == before | {"fresh"}
        assert shell("homeport init fresh", folder).returncode == Exit.OK

    def test_the_data_stay_as_they_are(self, folder: Path) -> None:
        dump = "homeport export -; homeport identity list"
        made = shell("homeport backup good && homeport export all.jsonl", folder)
        assert made.returncode == Exit.OK
        before = shell(dump, folder).stdout
        for command in (
            "restore good --force",
            "records put public recipes soup soup.json",
            "identity disable ann@example.org",
            "import all.jsonl --replace",
        ):
            done = shell(f"ulimit -f 0; homeport {command}", folder)
            assert done.returncode in (Exit.FAILED, Exit.FOLDER)
            assert "disk" in done.stderr.lower()
        lines = shell(dump, folder).stdout.splitlines()
        assert lines[1:] == before.splitlines()[1:]  # but for the time in the header
        assert shell("homeport doctor", folder).returncode == Exit.OK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_goes_on_later(folder: Path, number: signal.Signals) -> None:
    shell("homeport export all.jsonl", folder)
    header, *records = (folder / "all.jsonl").read_bytes().splitlines(keepends=True)
    with subprocess.Popen(
        [Path(sys.executable).with_name("homeport"), "import", "-", "--data", "new"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(header + records[0])
        process.stdin.flush()
        shell("until test -e new/index; do sleep 0.02; done", folder)
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait(60) == Exit.INTERRUPTED
    assert said.startswith("homeport: interrupted.")
    again = shell("homeport import all.jsonl --data new --json", folder)
    assert again.returncode == Exit.OK
    done = json.loads(again.stdout)["records"]
    assert done["created"] + done["unchanged"] == len(records) - 1
