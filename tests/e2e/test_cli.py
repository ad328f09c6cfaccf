"""The command line as people use it: the installed command, in folders of its own."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.entrypoints.cli.exits import Exit
from tests.clients import Client
from tests.servers import HOMEPORT, Server, free_port, start
from tests.tools import bound_by_modes, needs

_SECONDS = 60


def homeport(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None, bound: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in `folder`; `bound` by the modes of files also as root."""
    command = (str(HOMEPORT), *arguments)
    return subprocess.run(
        bound_by_modes(*command) if bound else command,
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: Exit) -> str:
    """The sentence that a command failed with: one line, and nothing of Python's."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("homeport: ")
    return lines[0].removeprefix("homeport: ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`homeport serve` in a folder without a definition."""
    server = start(tmp_path_factory.mktemp("cli") / "data")
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def used_folder(tmp_path: Path) -> Path:
    """A data folder in which a server has stored the notes of a short demo."""
    server = start(tmp_path / "data")
    demo = homeport("demo", "--url", server.url, "--limit", "50", folder=tmp_path)
    assert demo.returncode == Exit.OK, demo.stderr
    with Client(server.address) as client:
        client.settle()  # else the next start would index the last of them
    assert server.stop() == Exit.OK
    return tmp_path / "data"


class TestServe:
    def test_it_says_where_it_is_and_what_it_serves(self, server: Server) -> None:
        lines = server.log.read_text().splitlines()
        assert lines[0].endswith(f" serves {server.url}")
        assert lines[1].split(maxsplit=1) == ["data", str(server.log.with_suffix(""))]
        assert "built in, with a collection `notes`" in lines[2]

    def test_the_lines_to_try_work_as_they_are_printed(self, server: Server) -> None:
        needs("the lines to try", "curl")
        lines = server.log.read_text().splitlines()
        tries = [line.strip() for line in lines if "curl" in line]
        assert len(tries) == 3
        script = tries[0] + "\n" + tries[1] + "\necho\n"
        # The index follows in a moment: what a person types later, a script must wait for.
        script += f"for i in $(seq 100); do {tries[2]}; echo; sleep 0.1; done | grep -m1 em"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        stored, found = (json.loads(line) for line in done.stdout.splitlines())
        assert stored["data"]["title"] == "Hello"
        assert found["total"] == 1
        assert found["hits"][0]["record"] == stored
        assert found["hits"][0]["highlights"] == {
            "body": ["My first note, found by its <em>words</em>."]
        }

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_stops_when_asked(self, tmp_path: Path, number: signal.Signals) -> None:
        server = start(tmp_path / "data")
        server.process.send_signal(number)
        assert server.process.wait(_SECONDS) == Exit.OK
        assert "Traceback" not in server.log.read_text()

    def test_an_occupied_port(self, tmp_path: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            done = homeport("serve", "--port", port, folder=tmp_path)
        assert refused(done, Exit.PORT) == (
            f"Port {port} at 127.0.0.1 is in use by another program. "
            "Stop that program, or choose another port with --port."
        )
        assert list(tmp_path.iterdir()) == []

    def test_an_address_of_another_machine(self, tmp_path: Path) -> None:
        done = homeport("serve", "--host", "192.0.2.1", folder=tmp_path)
        assert refused(done, Exit.PORT) == (
            f"Cannot listen at 192.0.2.1:8090: {os.strerror(errno.EADDRNOTAVAIL)}. "
            "Choose an address of this machine with --host, or another port with --port."
        )
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_in_use(self, server: Server, tmp_path: Path) -> None:
        data = str(server.log.with_suffix(""))
        for command in (["serve", "--port", str(free_port())], ["index", "rebuild"]):
            done = homeport(*command, "--data", data, folder=tmp_path)
            assert refused(done, Exit.IN_USE) == (
                f"The data folder {data} is in use by process {server.process.pid}. "
                "Stop that process, or set `data_folder` to another one."
            )
        beside = homeport("index", "verify", "--data", data, folder=tmp_path)
        assert beside.returncode == Exit.OK, beside.stdout + beside.stderr
        assert Path(data, "lock").read_text() == f"{server.process.pid}\n"
        with urllib.request.urlopen(f"{server.url}/v1/health") as answer:
            assert answer.status == 200

    def test_a_data_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        done = homeport("serve", "--data", "file", folder=tmp_path)
        assert refused(done, Exit.FOLDER) == f"The data folder {tmp_path}/file is not a folder."

    def test_an_unwritable_data_folder(self, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir(mode=0o500)
        done = homeport("serve", "--data", "kept/data", folder=tmp_path, bound=True)
        assert "cannot be written (Permission denied)" in refused(done, Exit.FOLDER)
        assert list((tmp_path / "kept").iterdir()) == []

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write")
    def test_a_data_folder_where_nobody_can_write(self, tmp_path: Path) -> None:
        done = homeport("serve", "--data", "/proc/homeport", folder=tmp_path)
        assert refused(done, Exit.FOLDER) == (
            "The data folder /proc/homeport cannot be written (No such file or directory). Give "
            "this user the right to write there, or set `data_folder` to another one."
        )

    def test_an_index_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "index").touch()
        done = homeport("serve", "--port", "0", "--data", "data", folder=tmp_path)
        assert refused(done, Exit.FOLDER) == (
            "The search index cannot be read or written (File exists). Remove "
            f"{tmp_path}/data/index: it is made anew from the records."
        )

    def test_an_index_that_cannot_be_written(self, tmp_path: Path) -> None:
        assert start(tmp_path / "data").stop() == Exit.OK
        index = tmp_path / "data" / "index"
        shutil.rmtree(index)
        index.mkdir(mode=0o500)
        done = homeport("serve", "--port", "0", "--data", "data", folder=tmp_path, bound=True)
        assert refused(done, Exit.FOLDER) == (
            "The search index cannot be read or written (Permission denied). Give this user the "
            f"right to write in its folder. It is {index}."
        )
        told = homeport("doctor", "--data", "data", folder=tmp_path, bound=True).stdout
        assert f"{index} cannot be written by this user." in told

    @pytest.mark.parametrize("kind", ["Unavailable", "Invalid"])
    def test_an_adapter_of_ones_own_that_does_not_start(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "own.py").write_text(
            "from homeport.adapters.memory.change_feed import MemoryChangeFeed\n"
            "from homeport.adapters.memory.record_store import MemoryRecordStore\n"
            "from homeport.domain import errors\n\n\n"
            "class Store(MemoryRecordStore):\n    def __init__(self):\n"
            f"        raise errors.{kind}('The database far away is not ready.')\n\n\n"
            "class Feed(MemoryChangeFeed):\n    def __init__(self):\n        pass\n"
        )
        adapters = "[adapters]\nrecord_store = 'own:Store'\nchange_feed = 'own:Feed'\n"
        (tmp_path / "homeport.toml").write_text(adapters)
        done = homeport("serve", "--port", "0", folder=tmp_path)
        assert refused(done, Exit.FAILED) == "The database far away is not ready."

    def test_a_newer_schema(self, tmp_path: Path) -> None:
        assert start(tmp_path / "data").stop() == Exit.OK
        database = sqlite3.connect(tmp_path / "data" / "homeport.db")
        database.execute("PRAGMA user_version = 99")
        database.close()
        before = (tmp_path / "data" / "homeport.db").read_bytes()
        done = homeport("serve", "--data", "data", folder=tmp_path)
        assert refused(done, Exit.SCHEMA) == (
            f"The data is of schema 99; this program knows schemas up to {len(MIGRATIONS)}. "
            "Install the newer version of homeport that wrote it."
        )
        assert (tmp_path / "data" / "homeport.db").read_bytes() == before

    def test_a_wrong_key(self, tmp_path: Path) -> None:
        (tmp_path / "homeport.toml").write_text("[adapters]\n\nsearch = 'memory'\n")
        assert refused(homeport("serve", folder=tmp_path), Exit.USAGE) == (
            "homeport.toml:3: adapters.search: there is no such key. "
            "Did you mean search_index? Allowed: record_store, change_feed, search_index, "
            "push_gateway, message_queue, identity_provider."
        )
        assert not (tmp_path / "homeport-data").exists()

    def test_a_field_that_the_index_cannot_search(self, tmp_path: Path) -> None:
        engine = "[adapters]\nsearch_index = 'cloudsearch'\n"
        server = "[aws]\nsearch_endpoint = 'a.invalid'\ndocument_endpoint = 'b.invalid'\n"
        field = "[collections.shops.fields]\n'main.place' = 'geo'\n"
        (tmp_path / "homeport.toml").write_text(engine + server + field)
        (tmp_path / "homeport-data").mkdir()
        for command in (["serve", "--port", str(free_port())], ["index", "rebuild"]):
            assert refused(homeport(*command, folder=tmp_path), Exit.USAGE) == (
                'collections.shops.fields."main.place": the role geo needs an index with the '
                'capability geo, which "cloudsearch" has not. Give the field another role, or set '
                "adapters.search_index to one that has it."
            )

    def test_a_wrong_variable(self, tmp_path: Path) -> None:
        done = homeport("serve", folder=tmp_path, environ={"HOMEPORT_PORT": "1"})
        assert "HOMEPORT_PORT: there is no such setting. Did you mean HOMEPORT_SERVER__PORT?" in (
            refused(done, Exit.USAGE)
        )


class TestDemo:
    def test_it_tells_its_story_and_can_be_repeated(self, server: Server, tmp_path: Path) -> None:
        for way in (("--limit", "600"), ("--limit", "600", "--batch", "90")):
            done = homeport("demo", "--url", server.url, *way, folder=tmp_path)
            assert done.returncode == Exit.OK, done.stderr
            assert "600 of 600 notes" in done.stderr
            for part in (
                "600 notes: the docstrings of",
                "the index had caught up",
                "ada searches q=read file:",
                "*",
                "kind: ",
                "ada types asy: asyncio",
                '"title": "A note for you"',
                "what APNS would get:",
                '"aps": {',
                "what FCM would get:",
                '"notification": {',
            ):
                assert part in done.stdout

    def test_it_needs_the_notes_declared(self, tmp_path: Path) -> None:
        (tmp_path / "homeport.toml").touch()
        server = start(tmp_path / "data")
        try:
            done = homeport("demo", "--url", server.url, folder=tmp_path)
        finally:
            server.stop()
        assert done.returncode == Exit.FAILED
        assert "does not declare the collection `notes`" in done.stderr

    def test_what_init_writes_is_enough_for_it(self, tmp_path: Path) -> None:
        assert homeport("init", folder=tmp_path).returncode == Exit.OK
        server = start(tmp_path / "data")
        try:
            assert "homeport.toml" in server.log.read_text().splitlines()[2]
            done = homeport("demo", "--url", server.url, "--limit", "50", folder=tmp_path)
        finally:
            server.stop()
        assert done.returncode == Exit.OK, done.stderr


class TestIndex:
    def test_a_lost_index_is_seen_and_rebuilt(self, used_folder: Path, tmp_path: Path) -> None:
        def index(action: str) -> subprocess.CompletedProcess[str]:
            return homeport("index", action, "--data", "data", folder=tmp_path)

        verified = index("verify")
        assert (verified.returncode, verified.stdout) == (Exit.OK, _EQUAL), verified.stderr
        shutil.rmtree(used_folder / "index")
        lost = index("verify")
        assert lost.returncode == Exit.FAILED
        assert lost.stdout.startswith("54 missing from the index:\n")
        assert "The cause: the search index was never filled." in lost.stdout or (
            "The cause: there is no search index yet." in lost.stdout
        )
        assert lost.stdout.endswith("Mend it with: homeport index rebuild\n")
        status = index("status")
        assert status.returncode == Exit.OK
        assert (
            dict(line.split(maxsplit=1) for line in status.stdout.splitlines())["documents"] == "0"
        )
        rebuilt = index("rebuild")
        assert (rebuilt.returncode, rebuilt.stdout) == (Exit.OK, "The index holds 54 records.\n")
        assert rebuilt.stderr.startswith("Rebuilding the index: 54 records")
        assert index("verify").stdout == _EQUAL

    def test_serve_rebuilds_what_is_damaged(self, used_folder: Path, tmp_path: Path) -> None:
        for file in (used_folder / "index").rglob("*.store"):
            file.write_bytes(b"\0" * 100)
        server = start(used_folder)
        assert server.stop() == Exit.OK
        log = server.log.read_text()
        assert "homeport: the search index is damaged: " in log
        assert "Rebuilding the index: 54 records" in log
        done = homeport("index", "verify", "--data", "data", folder=tmp_path)
        assert done.stdout == _EQUAL


_EQUAL = "The index equals the 54 records.\n"
"""50 notes, the last note of each user, a message sent and a message received."""


_UNREAD = """
import os, sys
end, output = os.pipe()
os.close(end)
os.dup2(output, 1)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_server_whose_output_nobody_reads_serves(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", _UNREAD, HOMEPORT, "serve"]
    server = start(tmp_path / "data", command=command)
    assert server.stop() == Exit.OK
    assert "homeport: " not in server.log.read_text()


def test_output_that_nobody_reads_is_no_trouble(tmp_path: Path) -> None:
    routes = subprocess.Popen(
        [HOMEPORT, "routes", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert routes.stdout is not None and routes.stderr is not None
    routes.stdout.close()
    assert routes.stderr.read() == b""
    assert routes.wait(_SECONDS) == Exit.FAILED
    routes.stderr.close()
