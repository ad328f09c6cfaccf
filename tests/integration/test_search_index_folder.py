"""The embedded index across restarts: what it keeps, what it notices, what it throws away."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import tantivy

from homeport.adapters.embedded import search_by_key, search_index, search_rebuild
from homeport.adapters.embedded.priority import NICENESS
from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.adapters.embedded.search_folder import IndexFolder
from homeport.adapters.embedded.search_generation import Generation
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex, is_scattered
from homeport.adapters.embedded.search_rebuild import portion_of
from homeport.adapters.embedded.search_schema import SearchSchema, key_of
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import HomeportError, Invalid, Unavailable
from homeport.domain.index_rebuild import PAGES
from homeport.domain.indexing import Indexing
from homeport.domain.limits import RETENTION_SECONDS
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document, Rejection, Removal
from homeport.domain.model.query import All, Prefix, Scope, SearchQuery, Words
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put

OTHER_CATALOG = Catalog([Collection("notes", fields={"pages": FieldDeclaration(FieldRole.NUMBER)})])
ALL = SearchQuery(All(), (Scope(None),), limit=100)
LEFT = [f"n{number:03}" for number in range(300) if not 100 <= number < 200]


def note(id: str, version: int = 1, text: str = "fox") -> Document:
    return Document(Key("s", "notes", id), version, "anna", {"title": (text,)})


def ids(index: EmbeddedSearchIndex) -> list[str]:
    return [hit.key.id for hit in index.search(ALL).hits]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index that was filled, committed and closed."""
    folder = tmp_path / "search"
    index = EmbeddedSearchIndex(folder, Catalog())
    fresh = index.rebuild()
    fresh.apply([note("a"), note("b")])
    fresh.commit()
    index.apply([note("c"), note("d", 1), Removal(Key("s", "notes", "d"), 2)])
    index.close()
    return folder


def generation(folder: Path) -> Path:
    current = json.loads((folder / "CURRENT").read_text())
    return folder / str(current["generation"])


MANY = 8
"""Segments of which tantivy makes one."""
KILLED = """
import os, sys
from pathlib import Path
from homeport.adapters.embedded.search_generation import Generation
from homeport.adapters.embedded.search_schema import SearchSchema
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document
from homeport.domain.model.record import Key

schema = SearchSchema(Catalog(), "en")
for batch in [*([(f"{number}{id}", 1) for id in "abc"] for number in range(7)), [("3a", 2)]]:
    child = os.fork()
    if not child:
        writing = Generation(1, Path(sys.argv[1]), schema, lambda: 0)
        writing.apply([Document(Key("s", "notes", id), version, "anna") for id, version in batch])
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Each commit in a process of its own, which ends at once: the last one before it has merged."""


def segments(folder: Path) -> int:
    return len(json.loads((folder / "meta.json").read_text())["segments"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_first_change_of_a_writer_replaces_what_is_merged_meanwhile(tmp_path: Path) -> None:
    place = tmp_path
    for attempt in range(10):
        place = tmp_path / str(attempt)
        subprocess.run([sys.executable, "-c", KILLED, place], check=True, timeout=60)
        if segments(place) == MANY:
            break  # the last process was killed soon enough
    assert segments(place) == MANY
    index = Generation(1, place, SearchSchema(Catalog(), "en"), lambda: 0)
    assert index.documents() == 21
    index.apply([note("3b", 2), note("new")])
    index.close()
    index.refresh()
    assert segments(place) < MANY, "it was merged"
    assert index.documents() == 22
    assert index.versions([note("3b").key]) == [2]


def put_beside(folder: Path, *documents: Document) -> None:
    """Add documents as a fault might: what is there of them already stays."""
    schema = SearchSchema(Catalog(), "en")
    damaged = tantivy.Index(schema.fields, str(generation(folder)))
    schema.register(damaged)
    writer = damaged.writer(heap_size=15_000_000, num_threads=1)
    for one in documents:
        writer.add_document(schema.document(one))
    writer.commit()
    writer.wait_merging_threads()


def test_a_record_that_is_there_twice_is_told_by_its_lowest_version(folder: Path) -> None:
    put_beside(folder, note("a", 3), note("b", 3), note("c", 3))
    index = EmbeddedSearchIndex(folder, Catalog())
    keys = [note(id).key for id in ("a", "b", "c", "d")]
    assert index.versions(keys) == [1, 1, 1, None]
    index.apply([note("a", 3), note("b", 3), Removal(keys[2], 4)])
    assert index.versions(keys) == [3, 3, None, None]
    assert [entry.key.id for entry in index.entries(10)] == ["a", "b"]
    index.close()


def test_a_comparison_finds_what_is_there_twice_and_leaves_one(tmp_path: Path) -> None:
    store = MemoryRecordStore(ManualClock(), SequentialIds())
    keys = [Key("s", "notes", id) for id in ("a", "b", "gone")]
    records = store.write([Put(key, "anna", Data.of({"title": "fox"})) for key in keys])
    store.write([Delete(keys[2], "anna")])
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    Indexing(store, index, Catalog()).rebuild()
    index.close()
    older = [note(one.key.id, one.version - 1) for one in (records[0], records[2])]
    put_beside(tmp_path / "search", *older, note("gone", records[2].version))
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    indexing = Indexing(store, index, Catalog())
    found = indexing.verify(repair=True)
    assert (found.stale, found.stray, found.left) == ((keys[0],), (keys[2],), 0)
    assert indexing.verify().clean
    assert [entry.key.id for entry in index.entries(10)] == ["a", "b"]
    index.close()


def test_what_was_applied_is_there_after_a_restart(folder: Path) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    assert index.needs_rebuild is None
    assert ids(index) == ["a", "b", "c"]
    index.apply([note("d", 1), note("a", 1, "stale")])
    assert ids(index) == ["a", "b", "c"]
    index.close()


class Panics(SearchSchema):
    """Makes tantivy panic about one document, as some dates in its JSON do."""

    def document(self, document: Document) -> tantivy.Document:
        if document.text.get("title") == ("panic",):
            tantivy.Document.from_dict({"keyword": {"x": "9999-12-31T23:59:59-01:00"}}, self.fields)
        return super().document(document)


@pytest.mark.parametrize("text", ["panic", "\ud800"])
def test_what_tantivy_does_not_take_is_rejected_alone(tmp_path: Path, text: str) -> None:
    index = Generation(1, tmp_path, Panics(Catalog(), "en"), lambda: 0)
    keys = [note(id).key for id in ("a", "b", "c", "new")]
    assert index.apply([note("a"), note("b"), note("c")]) == []
    for version, commit in ((2, True), (3, False)):
        changes = [note("a", version), note("b", version, text), note("c", version)]
        rejections = index.apply([*changes, note("new", version, text)], commit=commit)
        assert [one.key.id for one in rejections] == ["b", "new"]
        assert all(one.cause for one in rejections)
        assert index.versions(keys) == [version, 1, version, None]
    index.commit()
    assert index.documents() == 3
    index.close()


def test_a_writer_that_died_rejects_nothing(tmp_path: Path) -> None:
    """Where the disk is full, or gone, its thread ends: all is for the next try."""
    place = tmp_path / "search"
    index = Generation(1, place, SearchSchema(Catalog(), "en"), lambda: 0)
    index.apply([note("a")])
    shutil.rmtree(place)
    much = [note(f"{number}", text=f"{number} " * 3000) for number in range(3000)]
    with pytest.raises(Unavailable):
        index.apply(much, commit=False)


def test_it_pauses_after_each_change_before_they_are_found(tmp_path: Path) -> None:
    pauses: list[list[str]] = []
    index = EmbeddedSearchIndex(
        tmp_path / "search", Catalog(), pause=lambda: pauses.append(ids(index))
    )
    index.apply([note("a"), note("b")])
    assert pauses == [[], []]
    assert ids(index) == ["a", "b"]
    index.close()


@pytest.mark.skipif(sys.platform != "linux", reason="LEFT OUT: only Linux has it of threads")
@pytest.mark.parametrize("filling", [False, True], ids=["the live index", "a rebuild"])
def test_what_cuts_texts_and_merges_gives_way(tmp_path: Path, filling: bool) -> None:
    priorities: dict[str, int] = {}

    def look() -> None:
        for one in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # a thread of another test that has just ended
                name = (one / "comm").read_text().strip()
                priorities[name] = os.getpriority(os.PRIO_PROCESS, int(one.name))

    index = EmbeddedSearchIndex(tmp_path / "search", Catalog(), pause=look)
    rebuild = index.rebuild() if filling else index
    for id in ("a", "b", "c"):
        rebuild.apply([note(id)])
        time.sleep(0.05)  # until the threads that a commit starts have their names
    index.close()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for name in ("thrd-tantivy-in", "merge_thread_0", "segment_updater"):
        assert priorities[name] == min(own + NICENESS, 19)


def test_what_stays_of_a_removal_goes_when_its_time_is_over(tmp_path: Path) -> None:
    clock = ManualClock()
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog(), clock=clock)
    index.apply([note("a"), note("b")])
    index.apply([Removal(Key("s", "notes", "a"), 5), Removal(Key("s", "notes", "never"), 5)])
    clock.advance(RETENTION_SECONDS - 1)
    index.apply([note("c"), note("a", 4, "stale")])
    assert ids(index) == ["b", "c"], "it keeps what is older away until then"
    clock.advance(1 + 3600)
    index.apply([Removal(Key("s", "notes", "c"), 5)])
    index.close()
    assert kept(tmp_path / "search") == ["b", "c"]
    clock.advance(RETENTION_SECONDS)
    index.apply([note("d")])
    index.close()
    assert kept(tmp_path / "search") == ["b", "d"]


def kept(folder: Path) -> list[str]:
    """The ids of all that is in the index, what stays of removals included."""
    schema = SearchSchema(Catalog(), "en")
    found = tantivy.Index(schema.fields, str(generation(folder))).searcher()
    hits = found.search(tantivy.Query.all_query(), 100).hits
    return sorted(found.doc(address)["key"][0].rpartition(",")[2] for _, address in hits)


def test_documents_of_a_batch_lie_by_key(tmp_path: Path) -> None:
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    keys = [Key(space, "notes", id) for id in ("b", "a") for space in ("t", "s")]
    index.apply([Document(key, 1, "anna", {"title": ("fox",)}) for key in keys])
    index.close()
    schema = SearchSchema(Catalog(), "en")
    found = tantivy.Index(schema.fields, str(generation(tmp_path / "search"))).searcher()
    hits = found.search(tantivy.Query.all_query(), 10).hits
    lying = sorted((place.segment_ord, place.doc, found.doc(place)["key"][0]) for _, place in hits)
    assert [key_of(key) for _, _, key in lying] == sorted(keys)


def test_it_survives_not_being_closed(tmp_path: Path) -> None:
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    index.rebuild().commit()
    index.apply([note("a")])
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "search", copy, ignore=shutil.ignore_patterns("*.lock"))
    # What a crash leaves of a segment that was not committed is passed over.
    (generation(copy) / f"{'0' * 32}.idx").write_bytes(b"half")
    reopened = EmbeddedSearchIndex(copy, Catalog())
    assert reopened.needs_rebuild is None
    assert ids(reopened) == ["a"]
    reopened.close()
    index.close()


def test_a_new_index_needs_its_first_filling(tmp_path: Path) -> None:
    for reason in ("no search index yet", "never filled"):
        index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
        assert reason in (index.needs_rebuild or "")
        index.apply([note("a")])
        index.close()
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    assert ids(index) == []
    index.rebuild().commit()
    assert index.needs_rebuild is None
    index.close()
    index.close()


def leave(folder: Path) -> None:
    """Leave a rebuild behind, that has come some way."""
    index = EmbeddedSearchIndex(folder, Catalog())
    fresh = index.rebuild()
    fresh.apply([note("x")])
    fresh.keep("some way")
    fresh.apply([note("y")])
    index.close()


def only_the_current(folder: Path) -> bool:
    there = {one.name for one in folder.iterdir()} - {"SOUND"}
    return there == {"CURRENT", generation(folder).name}


def test_an_unfinished_rebuild_is_gone_on_with_after_a_restart(folder: Path) -> None:
    leave(folder)
    index = EmbeddedSearchIndex(folder, Catalog())
    assert index.needs_rebuild is None
    assert index.status().rebuilding
    assert ids(index) == ["a", "b", "c"]
    fresh = index.rebuild()
    assert fresh.place == "some way"
    assert [one.key.id for one in fresh.entries(10)] == ["x"]
    fresh.commit()
    assert ids(index) == ["x"]
    assert not index.status().rebuilding
    assert only_the_current(folder)
    index.close()


def _spoil(folder: Path) -> None:
    for file in (folder / str(int(generation(folder).name) + 1)).glob("*.store"):
        file.write_bytes(file.read_bytes()[:-20])


def _cut(folder: Path) -> None:
    (folder / "REBUILD").write_bytes(b'{"generation": 3')


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / str(int(generation(folder).name) + 1))


@pytest.mark.parametrize("damage", [_spoil, _cut, _remove])
def test_what_is_left_and_damaged_is_thrown_away(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    leave(folder)
    damage(folder)
    index = EmbeddedSearchIndex(folder, Catalog())
    assert index.needs_rebuild is None
    assert ids(index) == ["a", "b", "c"]
    fresh = index.rebuild()
    assert (fresh.place, fresh.entries(10)) == ("", [])
    fresh.abandon()
    assert not index.status().rebuilding
    assert only_the_current(folder)
    index.close()


def test_what_is_left_for_other_fields_is_thrown_away(folder: Path) -> None:
    leave(folder)
    index = EmbeddedSearchIndex(folder, OTHER_CATALOG)
    fresh = index.rebuild()
    assert (fresh.place, fresh.entries(10)) == ("", [])
    fresh.commit()
    index.close()
    assert only_the_current(folder)


def test_a_process_that_ends_right_after_the_swap_has_finished_it(folder: Path) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    fresh = index.rebuild()
    fresh.apply([note("x")])
    fresh.keep("all")
    said = (folder / "REBUILD").read_bytes()
    fresh.commit()
    index.close()
    (folder / "REBUILD").write_bytes(said)
    index = EmbeddedSearchIndex(folder, Catalog())
    assert not index.status().rebuilding
    assert ids(index) == ["x"]
    assert index.rebuild().place == ""
    index.close()


def test_only_the_current_generation_is_kept(folder: Path) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    for _ in range(3):
        fresh = index.rebuild()
        fresh.apply([note("new")])
        fresh.commit()
    assert only_the_current(folder)
    assert ids(index) == ["new"]
    index.close()


@pytest.mark.parametrize(
    ("catalog", "language"), [(OTHER_CATALOG, "en"), (Catalog(), "de"), (Catalog(), "none")]
)
def test_other_fields_or_another_language_need_a_rebuild(
    folder: Path, catalog: Catalog, language: str
) -> None:
    index = EmbeddedSearchIndex(folder, catalog, language)
    assert "made for other fields" in (index.needs_rebuild or "")
    assert ids(index) == []
    index.close()


@pytest.mark.parametrize("abandoned", [False, True])
def test_one_for_other_fields_stays_until_a_rebuild_is_committed(
    folder: Path, abandoned: bool
) -> None:
    for _ in range(2):
        index = EmbeddedSearchIndex(folder, OTHER_CATALOG)
        rebuild = index.rebuild()
        rebuild.apply([note("a")])
        rebuild.keep("half")
        if abandoned:
            rebuild.abandon()
        index.close()
    index = EmbeddedSearchIndex(folder, Catalog())
    assert (index.needs_rebuild, ids(index)) == (None, ["a", "b", "c"])
    index.close()
    index = EmbeddedSearchIndex(folder, OTHER_CATALOG)
    index.rebuild().commit()
    assert index.needs_rebuild is None
    assert only_the_current(folder)
    index.close()
    assert EmbeddedSearchIndex(folder, Catalog()).needs_rebuild


@pytest.mark.parametrize("lent", [False, True])
def test_one_for_other_fields_that_lacks_changes_is_not_gone_back_to(
    folder: Path, lent: bool
) -> None:
    index = EmbeddedSearchIndex(folder, OTHER_CATALOG)
    if lent:
        with index.lent():
            beside = EmbeddedIndexBeside(folder, OTHER_CATALOG, clock=ManualClock())
            beside.apply([note("new")])
            beside.close()
            index.refresh()
    else:
        index.apply([note("new")])
    assert ids(index) == ["new"]
    assert "made for other fields" in (index.needs_rebuild or "")
    index.close()
    assert EmbeddedSearchIndex(folder, Catalog()).needs_rebuild


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="en"):
        EmbeddedSearchIndex(tmp_path, Catalog(), "klingon")


def test_a_folder_in_use_or_unusable_is_unavailable(folder: Path, tmp_path: Path) -> None:
    first = EmbeddedSearchIndex(folder, Catalog())
    first.apply([note("x")])
    second = EmbeddedSearchIndex(folder, Catalog())
    with pytest.raises(Unavailable):
        second.apply([note("y")])
    first.close()
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        EmbeddedSearchIndex(tmp_path / "file", Catalog())


def _shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    place = len(content) // 3
    if file.suffix == ".json":  # a letter less in an option that is as it would be without
        place = content.index(b":", place)
    content[place] ^= 0x55
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [_shorten, _empty, _flip, Path.unlink])
def test_damaged_files_are_noticed_and_replaced(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    files = [
        one
        for one in sorted(generation(folder).iterdir())
        if one.suffix != ".lock" and one.name != ".managed.json"
    ]
    assert len(files) > 6
    for file in [*files, folder / "CURRENT"]:
        spoiled = folder.with_name("spoiled")
        shutil.copytree(folder, spoiled)
        damage(spoiled / file.relative_to(folder))
        index = EmbeddedSearchIndex(spoiled, Catalog())
        assert index.needs_rebuild, file.name
        assert ids(index) == []
        fresh = index.rebuild()
        fresh.apply([note("again")])
        fresh.commit()
        assert not index.needs_rebuild
        assert ids(index) == ["again"]
        index.close()
        shutil.rmtree(spoiled)


def test_files_are_read_once_and_again_when_they_look_otherwise(folder: Path) -> None:
    held, number = IndexFolder(folder), int(generation(folder).name)
    file = min(generation(folder).glob("*.idx"))
    assert held.damage(number, anew=False) is None
    _flip(file)
    assert held.damage(number, anew=False) == f"{file.name} is damaged"
    held.keep_sound(number)  # as if it had been left like this
    assert held.damage(number, anew=False) is None
    assert held.damage(number) == f"{file.name} is damaged"
    copied = folder.with_name("copied")
    shutil.copytree(folder, copied)
    assert IndexFolder(copied).damage(number, anew=False) == f"{file.name} is damaged"
    for said in (b"", b"{}", b'{"generation": 1, "files": 3}', b"[]"):
        (folder / "SOUND").write_bytes(said)
        assert held.damage(number, anew=False) == f"{file.name} is damaged"


def test_what_was_written_is_noted_when_the_index_is_closed(folder: Path) -> None:
    before = (folder / "SOUND").read_bytes()
    index = EmbeddedSearchIndex(folder, Catalog())
    index.apply([note("more")])
    index.close()
    after = (folder / "SOUND").read_bytes()
    noted = json.loads(after)["files"]
    assert after != before
    assert {one.name for one in generation(folder).glob("*.idx")} <= noted.keys()
    EmbeddedSearchIndex(folder, OTHER_CATALOG).close()  # it begins anew, and is not filled
    assert (folder / "SOUND").read_bytes() == after


def test_a_start_that_keeps_nothing_still_ends(folder: Path) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    index.apply([note("more")])
    (folder / "SOUND").unlink()
    (folder / "SOUND.new").mkdir()  # where it would be written
    index.close()
    assert not (folder / "SOUND").exists()
    assert set(ids(EmbeddedSearchIndex(folder, Catalog()))) >= {"more"}


def test_a_rebuild_that_cannot_follow_fails_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    rebuild = index.rebuild()
    rebuild.apply([note("a"), note("b"), note("c")])

    def full(*_: object, **__: object) -> list[Rejection]:
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(rebuild.fresh, "apply", full)
        index.apply([note("x")])
    index.apply([note("y")])
    assert sorted(ids(index)) == ["a", "b", "c", "x", "y"]
    for ask in (
        lambda: rebuild.apply([note("z")]),
        lambda: rebuild.versions([note("a").key]),
        lambda: rebuild.entries(10),
        lambda: rebuild.keep("here"),
        rebuild.commit,
    ):
        with pytest.raises(Unavailable, match="cannot be written"):
            ask()
    rebuild.leave()
    assert sorted(ids(index)) == ["a", "b", "c", "x", "y"]
    again = index.rebuild()
    again.apply([note("a")])
    again.commit()
    assert ids(index) == ["a"]
    index.close()


def scattered(index: EmbeddedSearchIndex) -> bool:
    return index.is_scattered


def test_one_in_many_pieces_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    for number in range(4):
        index.apply([note(f"x{number}")])
    assert not scattered(index), "there are too few of them"
    monkeypatch.setattr(search_index, "_MANY", 7)
    assert not scattered(index), "and too few pieces"
    monkeypatch.setattr(search_index, "_PIECES", 4)
    assert scattered(index)
    with monkeypatch.context() as patched:
        patched.setattr(search_index, "_OUTSIDE", 0.9)
        assert not scattered(index), "most are in one piece"
    fresh = index.rebuild()
    fresh.apply([note(f"y{number}") for number in range(10)])
    fresh.commit()
    assert not scattered(index)
    index.close()


def test_what_was_left_counts_as_room_and_can_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = EmbeddedSearchIndex(folder, Catalog())
    size = index.status().size or 0
    rooms = [2 * size - 1, 2 * size]
    for room, has in zip(rooms, (False, True), strict=True):
        monkeypatch.setattr(IndexFolder, "room", lambda _, room=room: room)
        assert index.has_room_to_rebuild is has
    rebuild = index.rebuild()
    rebuild.apply([note("x")])
    rebuild.keep("some way")
    index.forget_left()
    assert index.status().rebuilding, "somebody is at it"
    rebuild.leave()
    monkeypatch.setattr(IndexFolder, "room", lambda _: rooms[0])
    assert index.has_room_to_rebuild
    index.forget_left()
    assert not index.status().rebuilding
    assert only_the_current(folder)
    index.close()


def test_writes_searches_and_rebuilds_go_on_side_by_side(tmp_path: Path) -> None:
    index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
    stop = threading.Event()
    trouble: list[HomeportError] = []

    def keep(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()
            except HomeportError as exc:
                trouble.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def search() -> None:
        for match in (Words("fox"), Prefix("f"), All()):
            page = index.search(SearchQuery(match, (Scope("s"),), limit=100))
            assert page.total == len(page.hits)

    threads = [keep(search), keep(search)]
    try:
        for turn in range(4):
            fresh = index.rebuild()
            index.apply([note(f"n{turn}{number}") for number in range(10)])
            fresh.apply([Document(one.key, one.version, "anna") for one in index.entries(100)])
            index.apply([note(f"n{turn}0", 2, "hound fox")])
            fresh.commit()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert trouble == []
    assert len(ids(index)) == 40
    index.close()


@pytest.mark.parametrize("beyond", [0.0, 0.5 / PAGES, 1 / PAGES])
def test_a_rebuild_is_kept_so_often_that_few_segments_stay(beyond: float) -> None:
    """As many more come until it is kept."""
    documents = 19_001
    while documents < 10_000_000:
        commit = int(portion_of(documents) * (1 + beyond))
        segments: list[int] = []
        for size in (*[commit] * (documents // commit), documents % commit):
            segments = _merged(_merged(_merged([*segments, size])))
        assert len(segments) <= 9
        assert not is_scattered(segments), documents
        documents = int(documents * 1.013)


def _merged(segments: list[int]) -> list[int]:
    """As tantivy does it: eight or more that are alike. All of up to 10,000 documents are."""
    levels: list[list[int]] = []
    top = math.inf
    for size in sorted(segments, reverse=True):
        height = math.log2(max(size, 10_000))
        if height < top - 0.75:
            top = height
            levels.append([])
        levels[-1].append(size)
    return [one for level in levels for one in ([sum(level)] if len(level) >= 8 else level)]


@pytest.mark.parametrize("documents", [0, 1, 18_000])
def test_what_a_commit_holds_makes_no_portions(documents: int) -> None:
    assert portion_of(documents) == 19_000


def test_a_rebuild_goes_by_the_index_before_whatever_fields_that_was_made_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def portion_of(documents: int) -> int:
        asked.append(documents)
        return 7

    monkeypatch.setattr(search_rebuild, "portion_of", portion_of)
    for catalog in (Catalog(), OTHER_CATALOG):
        index = EmbeddedSearchIndex(folder, catalog)
        rebuild = index.rebuild()
        assert rebuild.portion == 7
        rebuild.abandon()
        index.close()
    (generation(folder) / "meta.json").write_text("{")
    index = EmbeddedSearchIndex(folder, OTHER_CATALOG)
    index.rebuild().abandon()
    index.close()
    assert asked == [4, 4, 0]


class TestByKey:
    """What is read in the order of keys, where tantivy would look up too many."""

    @pytest.fixture
    def index(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[EmbeddedSearchIndex]:
        """Of 300 notes, 100 of which are gone; in several segments."""
        monkeypatch.setattr(search_by_key, "_FEW", 0)
        monkeypatch.setattr(search_by_key, "_MANY", 8)
        monkeypatch.setattr(search_by_key, "_LOOK_SECONDS", 1.0)
        monkeypatch.setattr(search_by_key, "_FENCES", 40)
        index = EmbeddedSearchIndex(tmp_path / "search", Catalog())
        for start in range(5):
            index.apply([note(f"n{number:03}") for number in range(start, 300, 5)])
        for start in range(100, 200, 20):
            gone = range(start, start + 20)
            index.apply([Removal(Key("s", "notes", f"n{number:03}"), 2) for number in gone])
        yield index
        index.close()

    @pytest.fixture
    def unordered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("tantivy was to order a page.")

        monkeypatch.setattr(search_by_key.ByKey, "_ordered", refuse)

    def walk(self, index: EmbeddedSearchIndex, limit: int) -> list[list[str]]:
        pages: list[list[str]] = []
        after: Key | None = None
        while page := index.entries(limit, after):
            after = page[-1].key
            pages.append([one.key.id for one in page])
        return pages

    @pytest.mark.parametrize("limit", [5, 8, 20, 64, 299, 5000])
    def test_entries_hold_each_document_once(self, index: EmbeddedSearchIndex, limit: int) -> None:
        pages = self.walk(index, limit)
        assert max(map(len, pages)) <= limit
        assert [id for page in pages for id in page] == LEFT

    @pytest.mark.usefixtures("unordered")
    def test_entries_are_found_between_two_keys(self, index: EmbeddedSearchIndex) -> None:
        assert 10 <= len(index.entries(40)) <= 40

    def test_more_than_a_page_before_the_key_ahead_is_ordered(
        self, index: EmbeddedSearchIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search_by_key.ByKey, "_sample", lambda *_: ["ks,notes,n299"] * 9)
        assert [len(page) for page in self.walk(index, 64)] == [64, 64, 64, 8]

    @pytest.mark.usefixtures("unordered")
    @pytest.mark.parametrize("limit", [9, 64])
    @pytest.mark.parametrize("offset", [0, 1, 37, 99, 100, 150, 191, 199, 200, 500])
    def test_a_far_page_is_found_between_two_keys(
        self, index: EmbeddedSearchIndex, offset: int, limit: int
    ) -> None:
        page = index.search(replace(ALL, offset=offset, limit=limit))
        assert [hit.key.id for hit in page.hits] == LEFT[offset : offset + limit]
        assert page.total == 200

    @pytest.mark.usefixtures("unordered")
    @pytest.mark.parametrize("offset", [0, 3, 7])
    def test_a_few_are_read_and_ordered(self, index: EmbeddedSearchIndex, offset: int) -> None:
        few = replace(ALL, filters=(Words("hound"),), offset=offset, limit=4)
        index.apply([note(f"n{number:03}", 3, "hound") for number in range(0, 70, 10)])
        found = [hit.key.id for hit in index.search(few).hits]
        assert found == LEFT[0:70:10][offset : offset + 4]

    def test_what_takes_long_to_find_is_found_once(
        self, index: EmbeddedSearchIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("A far page was to be found by counting.")

        monkeypatch.setattr(search_by_key, "_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(search_by_key.ByKey, "_far", refuse)
        page = index.search(replace(ALL, offset=150, limit=9))
        assert [hit.key.id for hit in page.hits] == LEFT[150:159]

    def test_a_sample_of_mostly_removed_documents_is_bounded(
        self, index: EmbeddedSearchIndex
    ) -> None:
        reader = search_by_key.ByKey(index._live._translator, index._live._index.searcher())
        assert 10 <= len(reader._sample(1, 20)) <= 20
        assert len(reader._sample(2)) >= 90

    def test_samples_are_of_all_segments(self, index: EmbeddedSearchIndex) -> None:
        pages = [index.search(replace(ALL, offset=at, limit=1)).hits for at in range(200)]
        assert [hits[0].key.id for hits in pages] == LEFT
