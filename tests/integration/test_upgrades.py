"""Data folders of every released schema open, migrate and keep what is in them."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from homeport.adapters.embedded import migrations
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderUnusable
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.container import build
from homeport.definition import Definition
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit, Failure
from homeport.entrypoints.cli.opening import opened

FOLDERS = Path(__file__).parents[1] / "fixtures" / "data-folders"
SCHEMAS = range(1, len(MIGRATIONS) + 1)
EXACT = '{"title":"Grüße","exact":12345678901234567890.123456789,"place":{"n":[1,2.50]}}'


@pytest.fixture(params=SCHEMAS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a folder as the program of that schema left it."""
    return Path(shutil.copytree(FOLDERS / f"schema-{request.param}", tmp_path / "data"))


SENTENCE = (
    "The data cannot be brought from schema {} to {} (no such table: nowhere). Nothing in it was "
    "changed: go on with the version of homeport that wrote it, and report this."
)


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name != "lock"}


def test_there_is_a_folder_of_every_schema() -> None:
    missing = [n for n in SCHEMAS if not (FOLDERS / f"schema-{n}" / "homeport.db").is_file()]
    assert missing == [], f"make it with the program of that schema: {FOLDERS / 'make.py'}"


def test_it_comes_to_have_the_tables_and_indexes_of_a_new_one(folder: Path, tmp_path: Path) -> None:
    listed = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with closing(Database(folder)) as old, closing(Database(tmp_path / "new")) as new:
        assert old.read(listed) == new.read(listed)


def test_it_opens_and_keeps_everything(folder: Path) -> None:
    backend = build(Definition(data_folder=folder))
    assert backend.database.read("PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert backend.database.read("PRAGMA integrity_check") == [("ok",)]
    identity = backend.identity_provider.sign_in("ada@example.com", "correct horse").identity
    record = backend.store.get(Key(identity.id, "notes", "n1"))
    assert record is not None and record.data is not None
    assert (record.author, record.data.text) == (identity.id, EXACT)
    tombstone = backend.store.get(Key(identity.id, "notes", "n2"))
    assert tombstone is not None and tombstone.deleted
    assert tombstone.version > record.version
    assert backend.store.members("family") == [Membership("family", identity.id, Role.OWNER)]
    bodies = backend.database.read("SELECT body FROM queue")
    assert bodies == [("remember me",)]
    backend.close()


def test_a_failed_migration_leaves_every_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    with closing(apsw.Connection(str(folder / "homeport.db"))) as seen:
        schema = seen.pragma("user_version")
    works = "CREATE TABLE extra (a); UPDATE records SET data = 'lost'"
    steps = (*MIGRATIONS, works, "DROP TABLE memberships; INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as broken:
        broken.setattr(migrations.migrate, "__defaults__", (steps,))
        with pytest.raises(FolderUnusable) as refused:
            Database(folder)
        start = opened(Definition(data_folder=folder), migrates=True)
        with pytest.raises(Failure) as failed, start:
            pass
    sentence = SENTENCE.format(schema, len(steps))
    assert refused.value.detail == sentence
    assert (failed.value.code, str(failed.value)) == (Exit.FOLDER, sentence)
    assert contents(folder) == before
    Database(folder).close()


@pytest.mark.parametrize(
    "command",
    [
        ("identity", "list"),
        ("records", "list", "public", "notes"),
        ("dead-letters", "list"),
        ("schema", "check"),
        ("index", "status"),
        ("import", "nothing.jsonl"),
        ("export", "all.jsonl"),
    ],
)
def test_nothing_but_a_start_migrates(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homeport.toml").write_text("[collections.notes]\nschema = {}\n")
    header = {"type": "homeport-export", "format": 1, "homeport": "0.1.0", "made": "2026-01-31"}
    end = {"type": "end", "records": 0, "memberships": 0}
    (tmp_path / "nothing.jsonl").write_text(f"{json.dumps(header)}\n{json.dumps(end)}\n")
    folder = Path(shutil.copytree(FOLDERS / "schema-1", tmp_path / "data"))
    before = contents(folder)
    assert run([*command, "--data", str(folder)]) == Exit.FOLDER
    assert "Start the server once: it migrates the data." in capsys.readouterr().err
    assert contents(folder) == before
