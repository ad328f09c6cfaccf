"""`homeport index`: beside a process that has the data folder, and with a shadow."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.embedded import search_folder
from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.errors import Unavailable
from homeport.domain.index_records import Stage
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document, IndexChange, Rejection
from homeport.domain.model.query import Scope, SearchQuery, Words
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put
from homeport.entrypoints.cli.arguments import run
from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.cli.serve import _ready_index

OWN_INDEX = """
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex

class Mine(EmbeddedSearchIndex):
    def __init__(self, data_folder, catalog, language):
        super().__init__(data_folder / "mine", catalog, language)
"""
WORDS = ("fox", "hound", "hedge", "meadow", "river")


def put(backend: Backend, *ids: str, text: str = "a fox in the meadow") -> None:
    for id in ids:
        backend.store.write([Put(Key("ann", "notes", id), "ann", Data.of({"text": text}))])


def follow(backend: Backend) -> None:
    while backend.feed.deliver("indexing", backend.indexing.consume):
        pass


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(OWN_INDEX)
    (tmp_path / "homeport.toml").write_text('data_folder = "data"\n')
    return tmp_path


@pytest.fixture
def server(app: Path) -> Iterator[Backend]:
    """What a running server is to a command: it has the data folder, and three records in it."""
    backend = build(load(app, {}))
    backend.indexing.rebuild()
    put(backend, "a", "b", "c")
    follow(backend)
    yield backend
    backend.close()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def printed(*command: str, code: Exit = Exit.OK) -> Any:
        capsys.readouterr()
        assert run(["index", *command, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return printed


class TestBesideAServer:
    def test_status_sees_what_was_committed(
        self, server: Backend, printed: Callable[..., Any]
    ) -> None:
        assert printed("status")["documents"] == 3
        put(server, "d")
        assert printed("status")["lag_seconds"] > 0
        follow(server)
        status = printed("status")
        assert (status["documents"], status["lag_seconds"]) == (4, 0.0)

    def test_a_long_outage_of_the_index_is_seen_and_ends_by_itself(
        self, server: Backend, printed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(changes: object) -> list[Rejection]:
            raise Unavailable("The index does not answer.")

        clock = ManualClock(time.time_ns() // 1000)
        feed = EmbeddedChangeFeed(server.database, clock)
        put(server, *(f"n{number}" for number in range(30)))
        with monkeypatch.context() as patched:
            patched.setattr(server.index, "apply", down)
            for _ in range(3600):
                feed.deliver("indexing", server.indexing.consume, 2000)
                clock.advance(1)
        assert feed.lag("indexing") >= 3599
        status = printed("status")
        assert (status["documents"], status["dead_letters"]) == (3, 0)
        assert status["lag_seconds"] > 0
        clock.advance(30)
        while feed.deliver("indexing", server.indexing.consume, 2000):
            pass
        assert (feed.lag("indexing"), server.index.status().documents) == (0, 33)

    def test_dead_letters_that_a_repair_has_made_good_are_told_and_go(
        self,
        server: Backend,
        printed: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def refuse(changes: Sequence[IndexChange]) -> list[Rejection]:
            return [Rejection(one.key, "It cannot be.") for one in changes]

        clock = ManualClock(time.time_ns() // 1000)
        feed = EmbeddedChangeFeed(server.database, clock)
        put(server, "d")
        with monkeypatch.context() as patched:
            patched.setattr(server.index, "apply", refuse)
            while not feed.dead_letters("indexing"):
                feed.deliver("indexing", server.indexing.consume)
                clock.advance(60)
        told = "Dead letters whose changes are in the index by now: 1."
        assert run(["index", "status"]) == Exit.OK
        assert "none: no change waits" in capsys.readouterr().out
        assert run(["index", "verify"]) == Exit.FAILED
        assert told not in capsys.readouterr().out
        server.close()
        for command in (["verify", "--repair"], ["verify"]):
            assert run(["index", *command]) == Exit.OK
            assert told in capsys.readouterr().out
        assert run(["dead-letters", "redrive", "--all", "--source", "indexing"]) == Exit.OK
        assert printed("status")["dead_letters"] == 0

    def test_verify_compares_while_writes_go_on(
        self, server: Backend, printed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is on its way is waited for; what never comes is told."""
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            follow(server)

        monkeypatch.setattr("homeport.container.choosing.time.sleep", sleep)
        put(server, "d")
        server.store.write([Delete(Key("ann", "notes", "a"), "ann")])
        assert printed("verify")["clean"] is True
        assert waited
        server.index.apply([Document(Key("ann", "notes", "stray"), 1, "ann")])
        found = printed("verify", code=Exit.FAILED)
        assert found["stray"]["listed"] == [{"space": "ann", "collection": "notes", "id": "stray"}]

    def test_verify_follows_a_rebuild(self, server: Backend, printed: Callable[..., Any]) -> None:
        assert printed("verify")["clean"] is True
        before = printed("status")["schema"]
        server.indexing.rebuild()
        assert printed("verify")["clean"] is True
        assert printed("status")["schema"] != before

    @pytest.mark.parametrize("command", [["rebuild"], ["verify", "--repair"]])
    def test_one_process_alone_writes_the_folder(
        self, server: Backend, command: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert server.database is not None
        assert run(["index", *command]) == Exit.IN_USE
        assert "is in use by process" in capsys.readouterr().err

    def test_a_process_that_a_killed_server_has_left_is_waited_for(
        self,
        server: Backend,
        app: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(search_folder, "_BORROWER_SECONDS", 0.05)
        assert server.database is not None
        server.close()
        left = EmbeddedIndexBeside(app / "data" / "index", Catalog(), clock=SystemClock())
        assert run(["index", "rebuild"]) == Exit.IN_USE
        told = capsys.readouterr().err
        assert "in use by a process of a server that has ended" in told
        assert "Remove" not in told
        left.close()
        assert run(["index", "rebuild"]) == Exit.OK

    def test_an_index_that_the_server_makes_for_other_fields(
        self, server: Backend, app: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert server.database is not None
        (app / "homeport.toml").write_text(
            'data_folder = "data"\n[collections.notes.fields]\ntext = "keyword"\n'
        )
        assert run(["index", "status"]) == Exit.FAILED
        assert "start it anew" in capsys.readouterr().err


class TestAnotherDefinition:
    OTHER = 'data_folder = "data"\n[collections.notes.fields]\ntext = "keyword"\n'

    @pytest.fixture
    def left(self, server: Backend, app: Path) -> Path:
        """The index of a server that has ended, below another definition than it was made for."""
        server.close()
        (app / "homeport.toml").write_text(self.OTHER)
        return app / "data" / "index"

    def test_looking_changes_nothing(
        self, left: Path, app: Path, printed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = {one: one.read_bytes() for one in left.rglob("*") if one.is_file()}
        status = printed("status")
        assert (status["documents"], status["lag_seconds"]) == (0, None)
        assert "made for other fields" in status["needs_rebuild"]
        assert status["bytes"] > 0
        assert printed("verify", code=Exit.FAILED)["missing"]["count"] == 3
        assert run(["index", "verify", "--repair"]) == Exit.FAILED
        assert run(["index", "status"]) == Exit.OK
        out = capsys.readouterr().out
        assert "lag           all is to be indexed anew: homeport index rebuild" in out
        assert (
            before.items()
            <= {one: one.read_bytes() for one in left.rglob("*") if one.is_file()}.items()
        )
        (app / "homeport.toml").write_text('data_folder = "data"\n')
        status = printed("status")
        assert (status["documents"], status["needs_rebuild"]) == (3, None)
        assert printed("verify")["clean"] is True

    def test_a_rebuild_that_dies_leaves_the_old_one(
        self, left: Path, app: Path, printed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("homeport.domain.index_rebuild.IndexRebuild._verify", die)
            assert run(["index", "rebuild"]) != Exit.OK
        assert printed("status")["rebuilding"] is True
        (app / "homeport.toml").write_text('data_folder = "data"\n')
        assert printed("verify")["clean"] is True
        (app / "homeport.toml").write_text(self.OTHER)
        assert printed("rebuild")["records"] == 3
        assert printed("verify")["clean"] is True
        (app / "homeport.toml").write_text('data_folder = "data"\n')
        assert "made for other fields" in printed("status")["needs_rebuild"]

    def test_where_there_is_no_index_looking_makes_none(
        self, left: Path, printed: Callable[..., Any]
    ) -> None:
        shutil.rmtree(left)
        status = printed("status")
        assert (status["documents"], status["bytes"]) == (0, 0)
        assert status["needs_rebuild"] == "there is no search index yet"
        assert not left.exists()


class TestWithoutData:
    @pytest.mark.parametrize("command", ["status", "verify", "verify --repair"])
    def test_where_there_is_no_database_looking_makes_none(
        self, app: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        empty = app / "empty"
        empty.mkdir()
        assert run(["index", *command.split(), "--data", str(empty)]) == Exit.FOLDER
        assert f"There is no database in {empty}." in capsys.readouterr().err
        assert list(empty.iterdir()) == []

    @pytest.mark.parametrize("command", ["status", "verify", "rebuild"])
    def test_a_folder_that_cannot_be(
        self, app: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        assert run(["index", command, "--data", str(app / ("d" * 256))]) == Exit.FOLDER
        assert "Choose a data folder with a shorter name." in capsys.readouterr().err
        assert run(["index", command, "--data", str(app / "none")]) == Exit.FOLDER
        assert not (app / "none").exists()


class TestRebuild:
    def test_one_that_was_interrupted_is_gone_on_with(
        self, app: Path, printed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        backend = build(load(app, {}))
        put(backend, *(f"n{number:03}" for number in range(600)))

        def interrupt(stage: Stage, count: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            backend.indexing.rebuild(interrupt)
        backend.close()
        assert run(["index", "status"]) == Exit.OK
        assert "a rebuild has begun" in capsys.readouterr().out
        found = printed("rebuild")
        assert found["records"] == 600
        assert found["resumed"] > 0
        assert printed("verify")["clean"] is True
        assert printed("status")["rebuilding"] is False

    def test_what_was_left_of_records_that_are_gone_is_not_served(self, app: Path) -> None:
        backend = build(load(app, {}))
        fresh = backend.index.rebuild()
        fresh.apply([Document(Key("ann", "notes", "old"), 1, "ann")])
        fresh.keep("some way")
        fresh.leave()
        _ready_index(backend)
        assert backend.index.entries(10) == []
        assert backend.index.status().rebuilding is False
        backend.close()

    def test_a_rate_and_a_new_beginning(
        self, server: Backend, printed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.close()
        found = printed("rebuild", "--rate", "1000", "--fresh", "--grace", "0")
        assert found == {"records": 3, "resumed": 0, "rejected": {"count": 0, "listed": []}}
        assert run(["index", "rebuild"]) == Exit.OK
        shown = capsys.readouterr()
        assert shown.out == "The index holds 3 records.\n"
        assert "Rebuilding the index: 3 of 3 records" in shown.err
        assert "Comparing the index: 3 of 3 entries" in shown.err

    def test_a_repair_is_not_enough_for_an_index_that_was_never_filled(
        self, app: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        backend = build(load(app, {}))
        put(backend, "a")
        backend.close()
        assert run(["index", "verify", "--repair"]) == Exit.FAILED
        assert "homeport index rebuild" in capsys.readouterr().err
        assert run(["index", "verify"]) == Exit.FAILED
        assert capsys.readouterr().out.endswith("Mend it with: homeport index rebuild\n")

    @pytest.mark.parametrize(
        "command",
        [
            ["rebuild", "--rate", "0"],
            ["rebuild", "--grace", "-1"],
            ["rebuild", "--repair"],
            ["verify", "--fresh"],
            ["status", "--rate", "5"],
            ["verify", "--queries", "some.txt"],
            ["verify", "--shadow"],
            ["shadow"],
            ["shadow", "--shadow"],
        ],
    )
    def test_what_makes_no_sense_is_refused(self, server: Backend, command: list[str]) -> None:
        server.close()
        assert run(["index", *command]) == Exit.USAGE


class TestShadow:
    @pytest.fixture
    def shadowed(self, app: Path, server: Backend) -> Path:
        """An index of one's own beside the first, with nothing in it yet."""
        put(server, *(f"{word}{n}" for n, word in enumerate(WORDS)), text="some fox, or a hound")
        follow(server)
        server.close()
        with (app / "homeport.toml").open("a") as file:
            file.write('[search]\nshadow = "mine:Mine"\n')
        return app

    def test_from_an_empty_shadow_to_the_cut_over(
        self, shadowed: Path, printed: Callable[..., Any]
    ) -> None:
        empty = printed("shadow", code=Exit.FAILED)
        assert empty["equal"] < empty["asked"]
        assert empty["samples"][0]["second"] == []
        assert printed("rebuild", "--shadow")["records"] == 8
        assert printed("verify", "--shadow")["clean"] is True
        assert printed("status", "--shadow")["documents"] == 8
        same = printed("shadow")
        assert (same["equal"], same["differing"]) == (same["asked"], {})
        assert same["asked"] > 20
        backend = build(load(shadowed, {}))
        put(backend, "new")
        follow(backend)
        backend.close()
        assert printed("status", "--shadow")["documents"] == 9
        (shadowed / "homeport.toml").write_text(
            'data_folder = "data"\n[adapters]\nsearch_index = "mine:Mine"\n'
        )
        assert printed("verify")["clean"] is True

    def test_questions_of_ones_own(
        self, shadowed: Path, printed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (shadowed / "asked.txt").write_text('fox\n\n"some fox" -hound\nriver*\n')
        printed("rebuild", "--shadow")
        assert printed("shadow", "--queries", "asked.txt")["asked"] == 3
        assert run(["index", "shadow", "--queries", "asked.txt"]) == Exit.OK
        assert "3 queries, 3 answered alike by both." in capsys.readouterr().out
        assert run(["index", "shadow", "--queries", "none.txt"]) == Exit.USAGE
        (shadowed / "asked.txt").write_text("fox\n" + "f" * 2000)
        assert run(["index", "shadow", "--queries", "asked.txt"]) == Exit.USAGE
        assert "Line 2 of asked.txt" in capsys.readouterr().err

    def test_differences_are_told_to_people(
        self, shadowed: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (shadowed / "asked.txt").write_text("fox\n")
        assert run(["index", "shadow", "--queries", "asked.txt"]) == Exit.FAILED
        out = capsys.readouterr().out
        assert "1 queries, 0 answered alike by both." in out
        assert "1 differ: other records are found" in out
        assert "the first alone has ann/notes/" in out

    def test_a_shadow_is_another_index(self, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (app / "homeport.toml").write_text('[search]\nshadow = "embedded"\n')
        assert run(["index", "status"]) == Exit.USAGE
        assert "name another" in capsys.readouterr().err
        (app / "homeport.toml").write_text('[search]\nshadow = "solr"\n')
        assert run(["index", "status"]) == Exit.USAGE
        assert "is not an adapter of this release" in capsys.readouterr().err

    def test_the_log_says_how_often_both_differ(
        self, shadowed: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        backend = build(load(shadowed, {}))
        with caplog.at_level("INFO", "homeport.search.shadow"):
            backend.index.search(SearchQuery(Words("fox"), (Scope(None),)))
            backend.close()
        (line,) = caplog.messages
        assert "(hits, total): 1 of 1 queries" in line

    def test_a_shadow_that_is_down_stops_nobody(self, shadowed: Path) -> None:
        (shadowed / "mine.py").write_text(
            f"from {Unavailable.__module__} import Unavailable\n{OWN_INDEX}"
            "    def apply(self, changes):\n        raise Unavailable('It is down.')\n"
        )
        backend = build(load(shadowed, {}))
        put(backend, "new")
        follow(backend)
        assert backend.index.versions([Key("ann", "notes", "new")]) != [None]
        assert backend.feed.dead_letters("indexing") == []
        backend.close()
