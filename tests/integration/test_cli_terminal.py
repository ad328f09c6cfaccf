"""What users wrote reaches an operator's terminal as text, and never as its commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import pytest

from homeport.container import build
from homeport.definition import load
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.arguments import run

EVIL: Final = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e\t"
SHOWN: Final = r"\u001b]0;pwned\u0007\u001b[2J\u009b31m\u202e\t"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Printed:
    monkeypatch.chdir(tmp_path)
    schema = '[collections.notes.schema]\nadditionalProperties = { type = "number" }\n'
    (tmp_path / "homeport.toml").write_text(schema)
    backend = build(load(tmp_path, {}))
    key = Key("ann", "notes", "a")
    backend.store.write([Put(key, "ann", Data.of({EVIL: EVIL}))])

    database = backend.database
    assert database is not None
    event = RecordChanged(key, 1, None, "ann", deleted=False).to_json()
    for source, body in (("feed:indexing", event), ("queue:messages", EVIL)):
        letter = (source, body, f"{EVIL}: no\n  at {EVIL}")
        database.write(partial(_bury, letter=letter))
    backend.close()

    def printed(*arguments: str) -> str:
        run(list(arguments))
        out, err = capsys.readouterr()
        return out + err

    return printed


Capture = pytest.CaptureFixture[str]
Printed = Callable[..., str]


def _bury(connection: apsw.Connection, letter: tuple[str, str, str]) -> None:
    connection.execute(
        "INSERT INTO dead_letters (source, body, cause, attempts, died) VALUES (?, ?, ?, 5, 0)",
        letter,
    )


def check(text: str) -> None:
    assert SHOWN in text
    assert text.replace("\n", "").isprintable()


def test_of_dead_letters(printed: Printed) -> None:
    check(printed("dead-letters", "list"))
    check(printed("dead-letters", "show", "1"))
    shown = printed("dead-letters", "show", "2")
    check(shown)
    assert f"cause     {SHOWN}: no\n  at {SHOWN}\n" in shown


def test_of_records_that_do_not_fit(printed: Printed) -> None:
    check(printed("schema", "check"))


def test_of_lines_that_are_refused(printed: Printed, tmp_path: Path) -> None:
    printed("export", "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    record = json.loads(lines[1])
    lines[1] = json.dumps(record, ensure_ascii=False)
    lines.insert(2, json.dumps({**record, EVIL: 1}))
    (tmp_path / "all.jsonl").write_text("\n".join(lines) + "\n")
    check(printed("import", "all.jsonl"))


def test_of_a_file_that_is_not_there(printed: Printed) -> None:
    check(printed("import", EVIL))
