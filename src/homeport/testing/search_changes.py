"""The search index's contract: versions, removals, entries, convergence."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, ClassVar, Final, final

import pytest

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import IndexChange, IndexEntry
from homeport.domain.model.query import After, All, Scope, SearchQuery, Sort, Words
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Rebuild, SearchIndex
from homeport.testing.search_support import (
    DRAFTS,
    NOTES,
    SearchIndexSupport,
    gone,
    key,
    note,
)

_LARGE: Final = 2**62
"""As large as real versions are, and more than a float can tell apart."""


class ChangesContract(SearchIndexSupport):
    """The index keeps the newest document of each key, whatever reaches it, and in any order."""

    histories: ClassVar[int] = 15
    """How many random histories the test of convergence runs through."""

    @final
    def test_a_newer_document_replaces_all_of_an_older_one(
        self, index: SearchIndex, space: str
    ) -> None:
        self.put(index, note(key(space), 1, title="a fox", body="in the woods"))
        self.put(index, note(key(space), 2, title="a hound"))
        for text in ("fox", "woods"):
            assert self.ids(index, Words(text), Scope(space)) == []
        (hit,) = self.hits(index, Words("hound"), Scope(space))
        assert (hit.key, hit.version) == (key(space), 2)

    @final
    @pytest.mark.parametrize("version", [_LARGE, _LARGE + 1])
    def test_what_is_not_newer_is_ignored(
        self, index: SearchIndex, space: str, version: int
    ) -> None:
        self.put(index, note(key(space), _LARGE + 1, title="new"))
        self.put(index, note(key(space), version, title="old"), gone(key(space, "b"), 1))
        self.put(index, gone(key(space), version))
        (hit,) = self.hits(index, All(), Scope(space))
        assert hit.version == _LARGE + 1
        assert self.ids(index, Words("old"), Scope(space)) == []

    @final
    def test_a_removal_is_remembered(self, index: SearchIndex, space: str) -> None:
        self.put(index, note(key(space), 1, title="fox"))
        self.put(index, gone(key(space), 3), gone(key(space, "unknown"), 3))
        for name in ("a", "unknown"):
            self.put(index, note(key(space, name), 2, title="fox"))
            self.put(index, note(key(space, name), 3, title="fox"))
        assert self.ids(index, All(), Scope(space)) == []
        assert self.entries(index, space) == []
        self.put(index, note(key(space), 4, title="back again"))
        assert self.ids(index, Words("back"), Scope(space)) == ["a"]

    @final
    def test_one_batch_may_hold_a_key_twice(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "a"), 2, title="second"),
            note(key(space, "a"), 1, title="first"),
            note(key(space, "b"), 1, title="first"),
            gone(key(space, "b"), 2),
            gone(key(space, "c"), 1),
            note(key(space, "c"), 2, title="second"),
        )
        assert self.ids(index, Words("second"), Scope(space)) == ["a", "c"]
        assert self.ids(index, Words("first"), Scope(space)) == []

    @final
    def test_nothing_is_a_batch_too(self, index: SearchIndex) -> None:
        assert index.apply([]) == []

    @final
    def test_same_ids_elsewhere_are_other_records(self, index: SearchIndex, space: str) -> None:
        places = [key(space), key(space, collection=DRAFTS), key(f"{space}x")]
        self.put(index, *(note(place, title="fox") for place in places))
        self.put(index, gone(places[0], 2))
        for place, count in zip(places, (0, 1, 1), strict=True):
            found = self.hits(index, Words("fox"), Scope(place.space, place.collection))
            assert [hit.key for hit in found] == [place] * count

    @final
    def test_odd_documents_are_taken(self, index: SearchIndex, space: str) -> None:
        odd = "\x00\x1f \U0001f98a </em> \u202e fox"
        many: dict[str, Any] = {f"field.{number}": f"value {number}" for number in range(200)}
        self.put(
            index,
            note(key(space, "a"), title=odd, kind=odd, tag=odd),
            note(key(space, "b"), title="fox " * 20_000),
            note(key(space, "c"), size=[1e300, -1e300, 5e-324, -0.0], title="fox"),
            note(key(space, "d"), **many, title=[f"fox {number}" for number in range(1000)]),
            note(key(space, "e"), title="", kind="", body="fox"),
        )
        assert self.ids(index, Words("fox"), Scope(space)) == ["a", "b", "c", "d", "e"]

    @final
    def test_entries_are_paged_by_key(self, index: SearchIndex, space: str) -> None:
        names = ["b", "-x", "a", "_y", "B", "x.y", "10"]
        places = [key(space, name, collection) for name in names for collection in (NOTES, DRAFTS)]
        for version, place in enumerate(places, start=1):
            index.apply([note(place, version, title="fox")])
        self.put(index, gone(places[0], 99))
        versions = {place: version for version, place in enumerate(places, start=1)}
        expected = [IndexEntry(place, versions[place]) for place in sorted(places[1:])]
        for limit in (1, 3, 100):
            assert self.entries(index, space, limit) == expected

    @final
    @pytest.mark.parametrize("first", ["-5", "-", "_", "9", "TO", "NOT"])
    def test_pages_go_on_after_the_keys_of_any_space(
        self, index: SearchIndex, space: str, first: str
    ) -> None:
        odd = f"{first}{space}"
        self.put(index, *(note(key(odd, id), 1, title="fox", pages=1) for id in "abc"))
        assert [one.key.id for one in self.entries(index, odd, 1)] == ["a", "b", "c"]
        sort = Sort(FieldRole.NUMBER, "pages")
        query = SearchQuery(All(), (Scope(odd),), sort=sort, limit=1)
        found = []
        while hits := index.search(query).hits:
            found += [hit.key.id for hit in hits]
            query = replace(query, after=After(hits[-1].sort_value, hits[-1].key))
        assert found == ["a", "b", "c"]

    @final
    def test_versions_are_those_of_documents_in_the_order_asked_for(
        self, index: SearchIndex, space: str
    ) -> None:
        self.put(
            index,
            note(key(space, "a"), _LARGE + 1, title="fox"),
            note(key(space, "b"), 2, title="fox"),
            note(key(space, "a", DRAFTS), 3, title="fox"),
            note(key(space, "c"), 4, title="fox"),
            gone(key(space, "c"), 5),
            gone(key(space, "d"), 6),
        )
        asked = [key(space, id) for id in ("never", "c", "b", "d", "a")]
        asked += [key(space, "a", DRAFTS), key(f"{space}x")]
        assert index.versions(asked) == [None, None, 2, None, _LARGE + 1, 3, None]
        assert index.versions([]) == []
        many = [key(space, f"n{number}") for number in range(100)]
        self.put(index, *(note(place, 7, title="fox") for place in many[::2]))
        assert index.versions(many) == [7, None] * 50

    @final
    def test_versions_do_not_wait_until_searches_show_a_change(
        self, index: SearchIndex, space: str
    ) -> None:
        place = key(space)
        for version in (1, 2):
            assert index.apply([note(place, version, title="fox")]) == []
            assert index.versions([place]) == [version]
        assert index.apply([gone(place, 3)]) == []
        assert index.versions([place]) == [None]

    @final
    def test_the_status_counts_documents(self, index: SearchIndex, space: str) -> None:
        self.settle()
        before = index.status()
        self.put(
            index,
            note(key(space, "a"), 1, title="fox"),
            note(key(space, "b"), 1, title="fox"),
            note(key(space, "a"), 2, title="fox"),
            note(key(space, "c"), 1, title="fox"),
            gone(key(space, "c"), 2),
            gone(key(space, "d"), 2),
        )
        after = index.status()
        assert after.documents == before.documents + 2
        assert after.schema == before.schema != ""
        assert after.size is None or after.size > 0
        assert not after.rebuilding

    @final
    def test_the_index_comes_to_equal_the_store(self, index: SearchIndex, space: str) -> None:
        """Under duplicates, reordering, replay and a concurrent rebuild."""
        for seed in range(self.histories):
            history = _History(random.Random(seed), f"{space}-{seed}")
            history.run(index)
            self.settle()
            expected = history.expected()
            assert self.entries(index, history.space) == expected, f"seed {seed}"
            for text in _TEXTS:
                found = self.hits(index, Words(text), Scope(history.space))
                assert {hit.key for hit in found} == history.with_text(text), f"seed {seed}"


_TEXTS: Final = ("red", "green", "blue")


class _History:
    """Records that change, and a delivery of their changes that goes as wrong as it may."""

    def __init__(self, chance: random.Random, space: str) -> None:
        self._chance = chance
        self.space = space
        self._records: dict[Key, tuple[int, str | None]] = {}
        self._waiting: list[IndexChange] = []
        self._delivered: list[IndexChange] = []
        self._version = 0

    def run(self, index: SearchIndex) -> None:
        fresh: Rebuild | None = None
        unscanned: list[Key] = []
        for _ in range(self._chance.randint(5, 20)):
            for _ in range(self._chance.randint(0, 6)):
                self._write()
            self._deliver(index)
            if fresh is None:
                if self._chance.random() < 0.3:
                    fresh, unscanned = index.rebuild(), sorted(self._records)
            elif unscanned:
                unscanned = self._scan(fresh, unscanned)
            else:
                fresh.commit()
                fresh = None
        while unscanned and fresh is not None:
            unscanned = self._scan(fresh, unscanned)
        while self._waiting:
            self._deliver(index)
        if fresh is not None:
            fresh.commit()

    def expected(self) -> list[IndexEntry]:
        return [
            IndexEntry(place, version)
            for place, (version, text) in sorted(self._records.items())
            if text is not None
        ]

    def with_text(self, text: str) -> set[Key]:
        return {place for place, (_, held) in self._records.items() if held == text}

    def _write(self) -> None:
        place = key(self.space, self._chance.choice("abcdef"), self._chance.choice([NOTES, DRAFTS]))
        self._version += 1
        text = None if self._chance.random() < 0.3 else self._chance.choice(_TEXTS)
        self._records[place] = (self._version, text)
        self._waiting.append(self._change(place))

    def _change(self, place: Key) -> IndexChange:
        version, text = self._records[place]
        return gone(place, version) if text is None else note(place, version, title=text)

    def _deliver(self, index: SearchIndex) -> None:
        """Some of what waits, in any order, with some of what was delivered before."""
        self._chance.shuffle(self._waiting)
        some = self._chance.randint(0, len(self._waiting))
        batch, self._waiting = self._waiting[:some], self._waiting[some:]
        again = self._chance.sample(self._delivered, min(len(self._delivered), 3))
        self._delivered += batch
        assert index.apply([*batch, *again]) == []

    def _scan(self, fresh: Rebuild, unscanned: list[Key]) -> list[Key]:
        """Some records as they are now, as a scan of the store finds them."""
        some = self._chance.randint(1, len(unscanned))
        assert fresh.apply([self._change(place) for place in unscanned[:some]]) == []
        return unscanned[some:]
