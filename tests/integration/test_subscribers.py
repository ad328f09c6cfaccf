"""Subscribers of a served backend over one data folder, and their dead letters offline."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import Backend, build
from homeport.definition import Definition, load
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli import serve
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.app import gateway_for, settings_of
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import LogFormat
from homeport.testing.gateway import serving
from tests.gateways import PATIENCE, eventually


class App:
    """An app's module: what it was called with, and what its function does."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.act: Callable[[RecordChanged], None] = lambda _: None

    def call(self, event: RecordChanged, record: Record | None) -> None:
        assert record is not None and record.data is not None
        self.seen.append((event.key.id, event.version))
        self.act(event)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()
    monkeypatch.setitem(sys.modules, "some_app", SimpleNamespace(call=app.call))
    return app


def definition(folder: Path) -> Definition:
    subscriber = {"name": "app", "on": "notes", "call": "some_app:call"}
    return Definition.of({"data_folder": folder, "subscribers": [subscriber]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "homeport.toml").write_text(
        'data_folder = "data"\n[[subscribers]]\nname = "app"\non = "notes"\n'
        'call = "some_app:call"\n'
    )
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[], Backend]]:
    backends: list[Backend] = []
    clock = ManualClock()

    def open_() -> Backend:
        for one in backends:
            one.close()
        backends[:] = [build(definition(folder / "data"), clock=clock)]
        return backends[0]

    yield open_
    for one in backends:
        one.close()


def put(backend: Backend, id: str, n: int = 1) -> int:
    key = Key("a", "notes", id)
    backend.store.write([Put(key, "a", Data.of({"n": n}))])
    record = backend.store.get(key)
    assert record is not None
    return record.version


def deliver(backend: Backend) -> None:
    while backend.subscribers[0].deliver():
        pass


def pass_time(backend: Backend, seconds: float) -> None:
    clock: Any = backend.clock
    clock.advance(seconds)


def test_order_holds_for_each_record_past_a_failure(
    app: App, opened: Callable[[], Backend]
) -> None:
    backend = opened()
    first, middle = put(backend, "x", 1), put(backend, "x", 2)
    other, last = put(backend, "y"), put(backend, "x", 3)

    def fail(event: RecordChanged) -> None:
        if event.version == middle:
            raise ValueError("on purpose")

    app.act = fail
    deliver(backend)
    assert app.seen == [("x", first), ("x", middle), ("y", other)]
    app.act = lambda _: None
    backend = opened()
    pass_time(backend, 1.0)
    deliver(backend)
    deliver(backend)
    assert app.seen[3:] == [("x", middle), ("x", last)]


def test_a_crash_repeats_one_call_and_loses_none(app: App, opened: Callable[[], Backend]) -> None:
    class Crash(BaseException):
        """Ends a delivery as the end of the process does: nothing is saved."""

    backend = opened()
    versions = [put(backend, name) for name in "abc"]

    def crash(event: RecordChanged) -> None:
        if event.key.id == "b":
            raise Crash

    app.act = crash
    with pytest.raises(Crash):
        deliver(backend)
    app.act = lambda _: None
    deliver(opened())
    assert app.seen == list(zip("abbc", [versions[0], versions[1], *versions[1:]], strict=True))


def test_one_that_hangs_holds_up_neither_the_index_nor_a_stop(app: App, tmp_path: Path) -> None:
    release, entered = threading.Event(), threading.Event()

    def hang(_: RecordChanged) -> None:
        entered.set()
        release.wait(PATIENCE)

    app.act = hang
    chosen = definition(tmp_path / "data")
    backend = build(chosen, offload=greenlets.offload)
    settings = replace(settings_of(chosen), port=0, log=LogFormat.JSON)
    log = io.StringIO()
    made: list[Gateway] = []

    def make(on_listening: Callable[[str], None]) -> Gateway:
        made.append(gateway_for(backend, settings=settings, on_listening=on_listening, stream=log))
        return made[0]

    with serving(make):
        put(backend, "x")
        assert entered.wait(PATIENCE)
        assert eventually(lambda: bool(backend.index.entries(10, None)))
        put(backend, "y")
        assert eventually(lambda: len(backend.index.entries(10, None)) == 2)
    assert not release.is_set()
    backend.close()
    release.set()
    thread = next(
        (one for one in threading.enumerate() if one.name == "homeport-subscriber:app"), None
    )
    if thread is not None:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert "Traceback" not in log.getvalue()
    app.act = lambda _: None
    again = build(chosen)
    deliver(again)
    again.close()
    assert [id for id, _ in app.seen] == ["x", "x", "y"]


def test_one_that_raises_is_told_in_the_servers_log(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: RecordChanged) -> None:
        raise ValueError("a secret")

    app.act = fail
    chosen = definition(tmp_path / "data")
    backend = build(chosen, offload=greenlets.offload)
    settings = replace(settings_of(chosen), port=0)

    def make(on_listening: Callable[[str], None]) -> Gateway:
        return gateway_for(
            backend, settings=settings, on_listening=on_listening, stream=io.StringIO()
        )

    with serving(make):
        put(backend, "x")
        assert eventually(lambda: "subscriber:app: " in caplog.text)
    backend.close()
    assert "/notes/x failed and will be tried again: ValueError (" in caplog.text
    assert "a secret" not in caplog.text


def dead(backend: Backend, app: App, *ids: str) -> None:
    def fail(_: RecordChanged) -> None:
        raise ValueError("on purpose")

    app.act = fail
    for id in ids:
        put(backend, id)
    for _ in range(5):
        deliver(backend)
        pass_time(backend, 60.0)
    app.act = lambda _: None


class TestCommand:
    def run(self, folder: Path, *arguments: str) -> int:
        return run(["dead-letters", *arguments, "--definition", str(folder)])

    def test_the_story(
        self,
        folder: Path,
        app: App,
        opened: Callable[[], Backend],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        backend = opened()
        dead(backend, app, "x", "y", "z")
        assert self.run(folder, "list") == Exit.OK  # beside the process that has it open
        assert capsys.readouterr().out.count("a/notes/") == 3
        backend.close()

        assert self.run(folder, "list") == Exit.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["ID", "SOURCE", "DIED", "ATTEMPTS", "WHAT", "CAUSE"]
        assert [line.split()[4] for line in lines[1:]] == ["a/notes/x", "a/notes/y", "a/notes/z"]
        assert self.run(folder, "list", "--json", "--source", "subscriber:app") == Exit.OK
        letters = json.loads(capsys.readouterr().out)
        assert [one["body"]["id"] for one in letters] == ["x", "y", "z"]
        assert letters[0]["cause"].startswith("ValueError: on purpose (")
        one, two, _ = (letter["id"] for letter in letters)

        assert self.run(folder, "show", one) == Exit.OK
        assert "attempts  5" in capsys.readouterr().out
        assert self.run(folder, "redrive", one, "999") == Exit.FAILED
        assert capsys.readouterr().err == "homeport: There is no dead letter 999.\n"
        assert self.run(folder, "drop", two, "--json") == Exit.OK
        assert json.loads(capsys.readouterr().out) == {"dropped": 1}
        assert self.run(folder, "redrive", "--all") == Exit.OK
        assert capsys.readouterr().out.startswith("Redriven: 2.")
        assert self.run(folder, "list") == Exit.OK
        assert capsys.readouterr().out == "There are no dead letters.\n"

        app.seen.clear()
        backend = opened()
        pass_time(backend, 1e9)  # the command went by the machine's clock
        newest = put(backend, "x", 2)
        deliver(backend)
        deliver(backend)
        assert {id for id, _ in app.seen} == {"x", "z"}
        assert app.seen.index(("x", newest)) > 0

    @pytest.mark.parametrize(
        "arguments",
        [
            ("list", "1"),
            ("show",),
            ("redrive",),
            ("drop", "1", "--all"),
            ("forget",),
            ("forget", "--all"),
            ("forget", "subscriber:app", "--source", "subscriber:app"),
        ],
    )
    def test_what_is_typed_wrong(self, folder: Path, arguments: tuple[str, ...]) -> None:
        assert self.run(folder, *arguments) == Exit.USAGE

    @pytest.mark.parametrize("beside", [False, True])
    def test_a_subscriber_that_is_gone_is_told_of_and_forgotten(
        self,
        folder: Path,
        app: App,
        opened: Callable[[], Backend],
        capsys: pytest.CaptureFixture[str],
        beside: bool,
    ) -> None:
        backend = opened()
        dead(backend, app, "x")
        for name in ("y", "z"):
            put(backend, name)
        assert self.run(folder, "forget", "subscriber:app") == Exit.FAILED
        assert "subscriber:app is in use." in capsys.readouterr().err
        backend.close()
        (folder / "homeport.toml").write_text('data_folder = "data"\n')

        assert self.told(folder, capsys) == [
            "subscriber:app is not in the definition, but its place is kept: 2 changes."
        ]
        if beside:
            _ = opened().database
        if not beside:
            again = build(load(folder, {}))
            serve.tell_of_places(again)
            again.close()
            cure = "homeport dead-letters forget subscriber:app\n"
            assert capsys.readouterr().err.endswith(cure)
        names = ("subscriber:app", "subscriber:other")
        assert self.run(folder, "forget", *names) == Exit.FAILED
        assert "To be forgotten there are: subscriber:app." in capsys.readouterr().err
        assert self.run(folder, "forget", *names[:1], "--json") == Exit.OK
        forgotten = {"forgotten": ["subscriber:app"], "dropped": 1}
        assert json.loads(capsys.readouterr().out) == forgotten
        assert self.run(folder, "forget", *names[:1]) == Exit.FAILED
        assert "there are: none." in capsys.readouterr().err
        assert self.told(folder, capsys) == []

    def told(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
        """What doctor has to say of subscribers."""
        run(["doctor", "--json", "--definition", str(folder)])
        found = json.loads(capsys.readouterr().out)["checks"]
        return [one["detail"] for one in found if one["name"] == "subscribers"]

    def test_without_a_folder(self, folder: Path) -> None:
        assert self.run(folder, "list") == Exit.FOLDER


def test_what_ends_the_process_each_time_becomes_a_dead_letter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "some_app.py").write_text(
        "import os\ndef call(event, record):\n"
        "    open('calls', 'a').write(event.key.id)\n"
        "    if event.key.id == 'deadly': os._exit(7)\n"
    )
    monkeypatch.chdir(folder)
    backend = build(definition(folder / "data"))
    for id in ("deadly", "fine"):
        put(backend, id)
    backend.close()
    delivering = (
        "from pathlib import Path\nfrom homeport.container import build\n"
        "from homeport.definition import load\nbackend = build(load(Path('.'), {}))\n"
        "while backend.subscribers[0].deliver(): pass\n"
    )
    command = [sys.executable, "-c", delivering]
    codes = [subprocess.run(command, check=False, timeout=60).returncode for _ in range(6)]
    assert codes == [7] * 5 + [0]
    assert (folder / "calls").read_text() == "deadly" * 5 + "fine"
    assert run(["dead-letters", "list", "--json"]) == Exit.OK
    (letter,) = json.loads(capsys.readouterr().out)
    assert (letter["body"]["id"], letter["attempts"]) == ("deadly", 5)
    assert letter["cause"] == "The process ended during the last attempt."
