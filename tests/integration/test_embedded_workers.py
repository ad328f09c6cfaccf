"""What a further process of a server sees in the data folder, and its index."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.embedded import search_folder
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderInUse
from homeport.adapters.embedded.identity_provider import EmbeddedIdentityProvider
from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.errors import Unauthenticated, Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.query import All, Scope, SearchQuery
from homeport.domain.model.record import Key

QUERY = SearchQuery(All(()), (Scope("s", "notes"),), limit=100)
PATIENCE = 20.0


def put(database: Database, name: str) -> None:
    database.write(
        lambda connection: connection.execute("INSERT INTO settings VALUES (?, 'x')", (name,))
    )


def names(database: Database) -> list[str]:
    return [name for (name,) in database.read("SELECT name FROM settings ORDER BY name")]


class TestDatabase:
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def reading(self, tmp_path: Path, database: Database) -> Iterator[Database]:
        reading = Database(tmp_path, beside=True)
        yield reading
        reading.close()

    def test_each_read_sees_what_was_committed(self, database: Database, reading: Database) -> None:
        before = names(reading)
        for number in range(20):
            put(database, f"~{number:02}")
            assert names(reading) == [*before, *(f"~{one:02}" for one in range(number + 1))]

    def test_no_token_is_good_before_there_is_a_key(
        self, database: Database, reading: Database, tmp_path: Path
    ) -> None:
        def provider(database: Any) -> EmbeddedIdentityProvider:
            return EmbeddedIdentityProvider(database, SystemClock(), SystemIds())

        with closing(Database(tmp_path / "other")) as other:
            strange = provider(other).guest().access_token
        read = provider(reading)
        with pytest.raises(Unauthenticated):
            read.verify(strange)
        guest = provider(database).guest()
        assert read.verify(guest.access_token).principal.id == guest.identity.id
        with pytest.raises(Unauthenticated):
            read.verify(strange)

    def test_several_reads_see_one_moment(self, database: Database, reading: Database) -> None:
        def counts(connection: object) -> list[int]:
            found = []
            for name in ("~a", "~b"):
                (count,) = connection.execute("SELECT count(*) FROM settings").fetchone()  # type: ignore[attr-defined]
                found.append(count)
                put(database, name)
            return found

        first, second = reading.read_all(counts)
        assert first == second
        assert names(reading)[-2:] == ["~a", "~b"]


def document(number: int, version: int = 1) -> Document:
    return Document(Key("s", "notes", f"{number:04}"), version, "author")


def found(index: EmbeddedSearchIndex | EmbeddedIndexBeside) -> list[tuple[str, int]]:
    hits = index.search(QUERY).hits
    versions = index.versions([hit.key for hit in hits])
    return sorted((hit.key.id, version or 0) for hit, version in zip(hits, versions, strict=True))


class TestIndex:
    @pytest.fixture
    def owner(self, tmp_path: Path) -> Iterator[EmbeddedSearchIndex]:
        owner = EmbeddedSearchIndex(tmp_path / "index", Catalog())
        yield owner
        owner.close()

    @pytest.fixture
    def worker(self, tmp_path: Path, owner: EmbeddedSearchIndex) -> Iterator[EmbeddedIndexBeside]:
        worker = EmbeddedIndexBeside(tmp_path / "index", Catalog(), clock=SystemClock())
        yield worker
        worker.close()

    def test_each_sees_what_the_other_has_committed(
        self, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        expected = []
        for number in range(0, 20, 2):
            owner.apply([document(number)])
            expected.append((f"{number:04}", 1))
            assert found(worker) == expected
            with owner.lent():
                worker.apply([document(number + 1)])
                expected.append((f"{number + 1:04}", 1))
                assert found(worker) == expected
                worker.close()
                owner.refresh()
            assert found(owner) == expected

    def test_versions_of_either_win(
        self, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        owner.apply([document(1, 5), document(2, 5)])
        with owner.lent():
            worker.apply([document(1, 4), document(2, 6), Removal(Key("s", "notes", "0003"), 9)])
            worker.close()
        owner.apply([document(1, 3), document(2, 5), document(3, 8)])
        assert found(owner) == [("0001", 5), ("0002", 6)]
        assert found(worker) == [("0001", 5), ("0002", 6)]

    def test_one_alone_writes(
        self, tmp_path: Path, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        owner.apply([document(1)])
        with pytest.raises(Unavailable, match="does not answer"):
            worker.apply([document(2)])
        with owner.lent():
            worker.apply([document(2)])
        with pytest.raises(Unavailable, match="does not answer"):
            owner.apply([document(3)])
        worker.close()
        owner.apply([document(3)])
        assert [one for one, _ in found(owner)] == ["0001", "0002", "0003"]
        with pytest.raises(FolderInUse):
            EmbeddedIndexBeside(tmp_path / "index", Catalog()).apply([document(4)])

    def test_one_that_begins_anew_waits_for_who_it_was_lent_to(
        self, tmp_path: Path, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        owner.rebuild().commit()
        with owner.lent():
            worker.apply([document(1)])
        with ThreadPoolExecutor(1) as thread:
            again = thread.submit(EmbeddedSearchIndex, tmp_path / "index", Catalog())
            with pytest.raises(TimeoutError):
                again.result(0.2)
            worker.apply([document(2)])
            worker.close()
            index = again.result(PATIENCE)
        index.apply([document(3)])
        assert [one for one, _ in found(index)] == ["0001", "0002", "0003"]
        index.close()

    def test_no_rebuild_begins_or_ends_while_another_process_writes(
        self, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        with ThreadPoolExecutor(1) as thread:
            with owner.lent() as meanwhile:
                assert meanwhile is None
                worker.apply([document(1)])
                begin = thread.submit(owner.rebuild)
                with pytest.raises(TimeoutError):
                    begin.result(0.2)
            rebuild = begin.result(PATIENCE)
            rebuild.apply([document(1)])
            with owner.lent() as meanwhile:
                assert meanwhile is not None
                worker.apply([document(2)])
                end = thread.submit(rebuild.commit)
                with pytest.raises(TimeoutError):
                    end.result(0.2)
                assert meanwhile([document(2)]) == []
            end.result(PATIENCE)
        expected = [("0001", 1), ("0002", 1)]
        assert found(owner) == found(worker) == expected
        with owner.lent():
            worker.apply([document(3)])  # which has written to the old one so far
            owner.refresh()
        assert found(owner) == found(worker) == [*expected, ("0003", 1)]

    def test_it_says_who_keeps_it_from_beginning(
        self,
        tmp_path: Path,
        worker: EmbeddedIndexBeside,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(search_folder, "_BORROWER_SECONDS", 0.05)
        with pytest.raises(FolderInUse, match="a process of a server that has ended"):
            EmbeddedSearchIndex(tmp_path / "index", Catalog())
        worker.close()
        EmbeddedSearchIndex(tmp_path / "index", Catalog()).close()

    def test_files_of_either_go_when_they_are_merged(
        self, tmp_path: Path, owner: EmbeddedSearchIndex, worker: EmbeddedIndexBeside
    ) -> None:
        most = 0
        for round_ in range(40):
            changes: list[IndexChange] = [document(one, round_ + 1) for one in range(5)]
            if round_ % 4 < 2:
                owner.apply(changes)
            else:
                with owner.lent():
                    worker.apply(changes)
                    worker.close()
                    owner.refresh()
            most = max(most, len(list((tmp_path / "index").rglob("*"))))
        assert found(owner) == [(f"{one:04}", 40) for one in range(5)]
        assert most < 40, "what one has written and the other merged has gone"
