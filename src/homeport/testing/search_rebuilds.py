"""The search index's contract: a new index beside the live one, and one that was left behind."""

from __future__ import annotations

from typing import ClassVar, Final, final

import pytest

from homeport.domain.errors import Conflict
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.query import All, Scope, Words
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.contract import skip_unless
from homeport.testing.search_support import SearchIndexSupport, gone, key, note, words

_IN_PLACE: Final = "this engine has no second index to fill: it is rebuilt in place"


class RebuildsContract(SearchIndexSupport):
    """A rebuild is found whole or not at all, and can be gone on with."""

    swaps: ClassVar[bool] = True
    """Whether a rebuild fills a second index, which takes the first one's place at once."""

    @final
    def test_a_rebuild_takes_over_when_it_is_committed(
        self, index: SearchIndex, space: str
    ) -> None:
        skip_unless(self.swaps, _IN_PLACE)
        self.put(index, note(key(space, "lost"), 1, title="fox"))
        fresh = index.rebuild()
        self.put(fresh, note(key(space, "found"), 1, title="fox"), gone(key(space, "gone"), 5))
        assert self.ids(index, Words("fox"), Scope(space)) == ["lost"]
        assert self.entries(fresh, space) == [IndexEntry(key(space, "found"), 1)]
        fresh.commit()
        fresh.abandon()
        self.settle()
        assert self.ids(index, Words("fox"), Scope(space)) == ["found"]
        self.put(index, note(key(space, "gone"), 4, title="fox"))
        self.put(index, note(key(space, "found"), 1, title="old"))
        assert self.ids(index, Words("fox"), Scope(space)) == ["found"]

    @final
    def test_changes_during_a_rebuild_reach_both(self, index: SearchIndex, space: str) -> None:
        fresh = index.rebuild()
        self.put(index, note(key(space, "a"), 2, title="new fox"), gone(key(space, "b"), 2))
        assert self.ids(index, Words("fox"), Scope(space)) == ["a"]
        self.put(fresh, note(key(space, "a"), 1, title="old"), note(key(space, "b"), 1, title="b"))
        fresh.commit()
        self.settle()
        assert self.ids(index, All(), Scope(space)) == ["a"]
        assert self.ids(index, words("new fox"), Scope(space)) == ["a"]

    @final
    def test_an_abandoned_rebuild_leaves_no_trace(self, index: SearchIndex, space: str) -> None:
        skip_unless(self.swaps, _IN_PLACE)
        self.put(index, note(key(space, "a"), 1, title="fox"))
        fresh = index.rebuild()
        self.put(fresh, note(key(space, "b"), 1, title="fox"))
        fresh.abandon()
        self.settle()
        assert self.ids(index, Words("fox"), Scope(space)) == ["a"]
        index.rebuild().abandon()

    @final
    def test_one_rebuild_at_a_time(self, index: SearchIndex) -> None:
        fresh = index.rebuild()
        with pytest.raises(Conflict):
            index.rebuild()
        fresh.abandon()
        index.rebuild().abandon()

    @final
    def test_whether_it_is_rebuilt_in_place(self, index: SearchIndex) -> None:
        assert index.in_place is not self.swaps

    @final
    def test_a_new_index_tells_its_own_versions(self, index: SearchIndex, space: str) -> None:
        skip_unless(self.swaps, _IN_PLACE)
        self.put(index, note(key(space, "a"), 1, title="fox"), note(key(space, "b"), 1, title="b"))
        fresh = index.rebuild()
        asked = [key(space, id) for id in "abc"]
        assert fresh.versions(asked) == [None, None, None]
        fresh.apply([note(key(space, "b"), 2, title="b"), gone(key(space, "c"), 3)])
        assert fresh.versions(asked) == [None, 2, None]
        fresh.apply([gone(key(space, "b"), 3), note(key(space, "c"), 4, title="c")])
        assert fresh.versions(asked) == [None, None, 4]
        assert index.versions(asked) == [1, 1, None]
        index.apply([note(key(space, "a"), 2, title="fox")])
        assert fresh.versions(asked) == [2, None, 4]
        fresh.abandon()

    @final
    def test_a_new_rebuild_begins_at_no_place(self, index: SearchIndex) -> None:
        for end in ("abandon", "commit"):
            fresh = index.rebuild()
            assert fresh.place == ""
            assert 0 <= fresh.head_start <= 60
            assert fresh.portion >= 1
            fresh.keep("halfway")
            getattr(fresh, end)()
            self.settle()
        index.rebuild().abandon()

    @final
    def test_a_rebuild_that_was_left_is_gone_on_with(self, index: SearchIndex, space: str) -> None:
        place = "".join(map(chr, range(32, 127))) * 31  # nearly 3,000 characters, all of ASCII
        fresh = index.rebuild()
        self.put(fresh, note(key(space, "a"), 5, title="fox"), gone(key(space, "b"), 5))
        fresh.keep("not far")
        assert fresh.place == "not far"
        fresh.keep(place)
        fresh.leave()
        self.settle()
        again = index.rebuild()
        assert again.place == place
        assert again.versions([key(space, "a"), key(space, "b")]) == [5, None]
        self.put(
            again,
            note(key(space, "a"), 4, title="old"),
            note(key(space, "b"), 4, title="old"),
            note(key(space, "c"), 6, title="fox"),
        )
        # Who has left it has no say in it any more.
        fresh.abandon()
        with pytest.raises(Conflict):
            fresh.commit()
        again.commit()
        self.settle()
        assert self.ids(index, Words("fox"), Scope(space)) == ["a", "c"]
        assert self.ids(index, Words("old"), Scope(space)) == []

    @final
    def test_what_was_left_is_not_found(self, index: SearchIndex, space: str) -> None:
        skip_unless(self.swaps, _IN_PLACE)
        self.put(index, note(key(space, "a"), 1, title="fox"))
        fresh = index.rebuild()
        self.put(fresh, note(key(space, "b"), 1, title="fox"))
        fresh.keep("here")
        fresh.leave()
        self.put(index, note(key(space, "c"), 1, title="fox"))
        assert self.ids(index, Words("fox"), Scope(space)) == ["a", "c"]
        again = index.rebuild()
        again.abandon()
        assert self.ids(index, Words("fox"), Scope(space)) == ["a", "c"]
        again = index.rebuild()
        assert again.place == ""
        assert again.versions([key(space, "b")]) == [None]
        again.abandon()

    @final
    def test_the_status_tells_of_a_rebuild_until_it_ends(self, index: SearchIndex) -> None:
        def rebuilding() -> bool:
            self.settle()
            return index.status().rebuilding

        assert not rebuilding()
        fresh = index.rebuild()
        assert rebuilding()
        fresh.leave()
        assert rebuilding()
        index.rebuild().abandon()
        assert not rebuilding()
        index.rebuild().commit()
        assert not rebuilding()
