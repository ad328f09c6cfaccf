"""What commands print for programs: one JSON document on standard output."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.arguments import parser, run
from homeport.entrypoints.cli.exits import Exit

NO_RESULTS = {
    "serve": "runs until it is stopped; its log has a format of its own",
    "demo": "tells people a story",
    "init": "writes a file",
    "openapi": "prints JSON always",
    "completion": "prints a script",
}
NOTES = {"collections": {"notes": {"schema": {"required": ["n"]}}}}


def leaves(
    whole: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be called, with those inside of others."""
    inner = [one for one in whole._actions if isinstance(one, argparse._SubParsersAction)]
    if not inner:
        yield name, whole
    for action in inner:
        for part, command in action.choices.items():
            yield from leaves(command, f"{name} {part}".strip())


def test_every_command_that_prints_results_can_print_json() -> None:
    commands = dict(leaves(parser()))
    assert commands.keys() >= NO_RESULTS.keys() | {"index", "version"}
    lacking = [
        name
        for name, command in commands.items()
        if name not in NO_RESULTS and "--json" not in command._option_string_actions
    ]
    assert lacking == []


def definition(folder: Path, **more: Any) -> Definition:
    return Definition.of({"data_folder": folder / "data", **more})


def put(backend: Backend, id: str) -> None:
    backend.store.write([Put(Key("ann", "notes", id), "ann", Data.of({"n": 1}))])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With three records, of which the index has two, and one dead letter of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeport.toml").write_text(
        'data_folder = "data"\n[collections.notes.schema]\nrequired = ["n"]\n'
    )
    clock = ManualClock()
    backend = build(definition(tmp_path, **NOTES), clock=clock)
    backend.indexing.rebuild()
    for id in "abc":
        put(backend, id)
    for _ in range(5):
        while backend.feed.deliver(
            "indexing",
            lambda events: {
                **backend.indexing.consume([one for one in events if one.key.id != "c"]),
                **{n: "on purpose" for n, one in enumerate(events) if one.key.id == "c"},
            },
        ):
            pass
        clock.advance(120)
    backend.close()
    return tmp_path


@pytest.fixture
def printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command and gives what it printed for programs."""
    assert (folder / "data").is_dir()
    capsys.readouterr()

    def printed(*command: str, code: Exit = Exit.OK) -> Any:
        assert run([*command, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return printed


def test_index(printed: Callable[..., Any]) -> None:
    status = printed("index", "status")
    assert status.pop("bytes") > 1000
    assert status.pop("schema").endswith(".2")
    assert status == {
        "documents": 2,
        "rebuilding": False,
        "needs_rebuild": None,
        "lag_seconds": 0.0,
        "dead_letters": 1,
    }
    assert printed("index", "verify", code=Exit.FAILED) == {
        "clean": False,
        "records": 3,
        "indexed": 2,
        "missing": {"count": 1, "listed": [{"space": "ann", "collection": "notes", "id": "c"}]},
        "stale": {"count": 0, "listed": []},
        "stray": {"count": 0, "listed": []},
        "mended": 0,
        "rejected": {"count": 0, "listed": []},
        "needs_rebuild": None,
        "lag_seconds": 0.0,
    }
    repaired = printed("index", "verify", "--repair")
    assert (repaired["clean"], repaired["missing"]["count"], repaired["mended"]) == (False, 1, 1)
    assert printed("index", "verify")["clean"] is True
    rebuilt = {"records": 3, "resumed": 0, "rejected": {"count": 0, "listed": []}}
    assert printed("index", "rebuild") == rebuilt
    assert printed("index", "verify")["clean"] is True


def test_dead_letters(printed: Callable[..., Any]) -> None:
    (letter,) = printed("dead-letters", "list")
    assert (letter["source"], letter["cause"]) == ("indexing", "on purpose")
    assert printed("dead-letters", "show", letter["id"]) == [letter]
    assert printed("dead-letters", "redrive", letter["id"]) == {"redriven": 1}
    assert printed("dead-letters", "list") == []
    assert printed("dead-letters", "drop", "--all") == {"dropped": 0}


def test_the_others(printed: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("version").keys() == {"homeport", "python", "executable"}
    assert printed("routes")[0]["name"] == "create_record"
    (checked,) = printed("schema", "check")
    assert (checked["records"], checked["unfit"]) == (3, 0)
    assert printed("backup", "copy")["counts"]["records"] == 3
    assert printed("restore", "copy", "--data", "new")["counts"]["records"] == 3
    assert printed("export", "all.jsonl")["records"] == 3
    assert printed("import", "all.jsonl", "--data", "new")["records"]["unchanged"] == 3
    assert run(["openapi"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["openapi"] == "3.1.0"


def test_what_the_index_gave_up_is_indexed_once_it_was_redriven(
    printed: Callable[..., Any], folder: Path
) -> None:
    assert printed("dead-letters", "redrive", "--all", "--source", "indexing") == {"redriven": 1}
    assert printed("index", "status")["lag_seconds"] > 0
    backend = build(definition(folder, **NOTES))
    assert backend.feed.deliver("indexing", backend.indexing.consume) == 1
    backend.close()
    assert printed("index", "verify")["clean"] is True


def test_what_the_queue_gave_up_is_delivered_once_it_was_redriven(
    printed: Callable[..., Any], folder: Path
) -> None:
    clock = ManualClock()
    backend = build(definition(folder, **NOTES), clock=clock)
    ann, ben = (backend.identities.guest().identity.principal for _ in range(2))
    message = backend.messages.send(ann, [ben.id], "Hello", "still there?")
    for _ in range(5):
        assert backend.queue.deliver(lambda jobs: {one.id: "on purpose" for one in jobs}) == 1
        clock.advance(120)
    assert backend.queue.next_due() is None
    backend.close()

    (letter,) = printed("dead-letters", "list", "--source", "queue:messages")
    assert letter["body"] == {"sender": ann.id, "message": message.key.id}
    assert letter["attempts"] == 5
    assert printed("dead-letters", "redrive", letter["id"]) == {"redriven": 1}
    assert printed("dead-letters", "list", "--source", "queue:messages") == []

    backend = build(definition(folder, **NOTES))  # by the clock of the command
    while backend.queue.deliver(backend.messages.work):
        pass  # the message is accepted by one job, and comes by another
    (copy,) = backend.records.page(ben, "me", "inbox").records
    assert copy.data is not None and copy.data["text"] == "still there?"
    assert backend.messages.get(ann, message.key.id).data == {
        "to": [ben.id],
        "title": "Hello",
        "text": "still there?",
        "data": {},
        "state": "accepted",
    }
    backend.close()
