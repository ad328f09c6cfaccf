"""Indexes behind aliases: two processes, one of which rebuilds and may die at any point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homeport.adapters.opensearch.lease import LEASE_SECONDS
from homeport.adapters.opensearch.rebuild import OpenSearchRebuild
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.limits import RETENTION_SECONDS
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.query import All, Scope, SearchQuery, Sort
from homeport.testing.search_support import gone, key, note
from tests.opensearch.between import CUT, Answer, Asked, Between, listening
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix
from tests.opensearch.test_faults import World


@pytest.fixture
def world(osmem: str) -> Iterator[World]:
    between, prefix = Between(osmem), new_prefix()
    with listening(between) as url:
        world = World(osmem, between, url, prefix)
        yield world
        world.index.close()
    clean(osmem, prefix)


def indexes(world: World) -> dict[str, set[str]]:
    """Number -> aliases of each index."""
    found = ask(world.server, "GET", f"/{world.prefix}-0*/_alias")
    start = len(world.prefix)
    return {name[start:]: {one[start:] for one in held["aliases"]} for name, held in found.items()}


def ids(index: OpenSearchIndex) -> list[str]:
    return [hit.key.id for hit in index.search(SearchQuery(All(), (Scope("s"),))).hits]


def test_the_aliases_of_an_index_and_of_a_new_one(world: World) -> None:
    assert world.found() == []
    assert indexes(world) == {"-000001": {"", "-write", "-000001-in"}}
    rebuild = world.index.rebuild()
    assert indexes(world) == {
        "-000001": {"", "-write", "-000001-in"},
        "-000002": {"-write", "-000002-in"},
    }
    rebuild.commit()
    assert indexes(world) == {"-000002": {"", "-write", "-000002-in"}}


def test_another_process_writes_to_the_new_one_within_the_head_start(world: World) -> None:
    other = world.another()
    other.apply([note(key("s", "a"), title="fox")])
    rebuild = world.index.rebuild()
    assert 14 < rebuild.head_start <= 15
    other.apply([note(key("s", "early"), title="fox")])
    assert rebuild.versions([key("s", "early")]) == [None], "it knew nothing of the new one"
    world.now += 5
    other.apply([note(key("s", "late"), title="fox")])
    assert rebuild.versions([key("s", "late")]) == [1]
    world.clock.advance(15)
    assert rebuild.head_start == 0
    rebuild.apply([note(key("s", name), title="fox") for name in ("a", "early")])
    rebuild.commit()
    other.apply([note(key("s", "last"), title="fox")])
    assert ids(other) == ids(world.index) == ["a", "early", "last", "late"]


def test_the_old_one_stays_for_its_grace(world: World) -> None:
    other = world.another()
    other.apply([note(key("s", "a"), title="fox")])
    rebuild = world.index.rebuild()
    rebuild.commit(grace=60)
    other.apply([note(key("s", "b"), title="fox")])
    assert set(indexes(world)) == {"-000001", "-000002"}
    world.now += 5
    world.clock.advance(59)
    other.apply([note(key("s", "c"), title="fox")])
    assert set(indexes(world)) == {"-000001", "-000002"}
    world.now += 5
    world.clock.advance(2)
    other.apply([note(key("s", "d"), title="fox")])
    assert set(indexes(world)) == {"-000002"}


def test_one_process_at_a_time(world: World) -> None:
    other = world.another()
    rebuild = world.index.rebuild()
    rebuild.keep("half")
    with pytest.raises(Conflict, match="Another process"):
        other.rebuild()
    world.clock.advance(LEASE_SECONDS + 1)
    again = other.rebuild()
    assert again.place == "half"
    with pytest.raises(Conflict):
        rebuild.keep("more")
    with pytest.raises(Conflict):
        rebuild.commit()
    rebuild.abandon()
    again.apply([note(key("s"), title="fox")])
    again.commit()
    assert ids(world.index) == ["a"]


def _before(world: World, wanted: str, act: Callable[[], object]) -> None:
    """Let something happen just before the next request that is like `GET /path`, which may
    leave its beginning out."""

    def before(asked: Asked) -> Answer | None:
        if f"{asked.method} {asked.path}".partition("?")[0].endswith(wanted):
            world.between.before = lambda asked: None
            act()
        return None

    world.between.before = before


def _kept(world: World, index: str) -> bool:
    """Whether an index holds the document of a rebuild."""
    found = ask(world.server, "POST", f"/{world.prefix}{index}/_mget", {"ids": [".rebuild"]})
    return bool(found["docs"][0]["found"])


class TestAnotherCommitsMeanwhile:
    """The index that two processes meant to fill answers by now: nobody deletes it."""

    @pytest.mark.parametrize("newer", [False, True], ids=["this one answers", "a newer one"])
    def test_before_this_one_takes_it(self, world: World, *, newer: bool) -> None:
        rebuild = world.index.rebuild()
        rebuild.apply([note(key("s"), title="fox")])

        def commit() -> None:
            rebuild.commit()
            if newer:
                again = world.index.rebuild()
                again.apply([note(key("s"), title="fox")])
                again.commit(grace=60)

        _before(world, "-000002-in/_doc/.rebuild", commit)
        with pytest.raises(Conflict, match="ended"):
            world.another().rebuild()
        assert ids(world.index) == ["a"]
        assert not _kept(world, "-000002")
        assert "" in indexes(world)["-000003" if newer else "-000002"]

    def test_after_this_one_took_it_over(self, world: World) -> None:
        """The one that commits stood still between its last look and the swap."""
        rebuild, other = world.index.rebuild(), world.another()
        rebuild.apply([note(key("s"), title="fox")])
        taken: list[OpenSearchRebuild] = []

        def take_over() -> None:
            world.clock.advance(LEASE_SECONDS + 1)
            taken.append(other.rebuild())

        _before(world, "POST /_aliases", take_over)
        rebuild.commit()
        (over,) = taken
        over.keep("the other's removal left it alone")
        over.abandon()
        assert ids(world.index) == ["a"]
        assert set(indexes(world)) == {"-000002"}
        assert not _kept(world, "-000002")
        other.rebuild().commit()
        assert set(indexes(world)) == {"-000003"}

    def test_as_this_one_throws_away_what_was_for_other_fields(self, world: World) -> None:
        rebuild = world.index.rebuild()
        rebuild.apply([note(key("s"), title="fox")])
        world.clock.advance(LEASE_SECONDS + 1)
        index = f"{world.prefix}-000002"
        _before(world, f"GET /{index}/_mapping", lambda: world.index.swap(index, 0))
        with pytest.raises(Conflict, match="answers"):
            world.another(catalog=_declaring(kind=FieldRole.KEYWORD)).rebuild()
        assert ids(world.index) == ["a"]


@pytest.mark.parametrize("died_at", range(20))
def test_a_rebuild_is_gone_on_with_wherever_it_died(world: World, died_at: int) -> None:
    """Its process is gone after so many requests: another one does the whole."""
    world.index.apply([note(key("s", "old"), title="fox")])
    left = [died_at]

    def before(asked: Asked) -> Answer | None:
        left[0] -= 1
        return CUT if left[0] < 0 else None

    world.between.before = before
    dead = world.another()
    try:
        rebuild = dead.rebuild()
        rebuild.keep("half")
        rebuild.apply([note(key("s", "new"), title="fox")])
        rebuild.commit(grace=1)
    except (Unavailable, Conflict):
        pass
    else:
        assert died_at == 19, "this many requests were not enough to see every step fail"
    world.between.before = lambda asked: None
    world.clock.advance(LEASE_SECONDS + 1)
    world.now += 5
    assert ids(world.index) in (["old"], ["new"])
    again = world.index.rebuild()
    assert again.place in ("", "half")
    again.apply([note(key("s", "new"), title="fox")])
    again.commit()
    world.now += 5
    world.index.apply([note(key("s", "more"), title="fox")])
    assert ids(world.index) == ["more", "new"]
    assert len(indexes(world)) == 1
    assert not world.index.status().rebuilding


def test_answers_that_are_lost_do_not_end_a_rebuild(world: World) -> None:
    lost: list[str] = []

    def behind(asked: Asked, answer: Answer) -> Answer:
        """Each way of changing something loses every other answer."""
        path = asked.path.partition("?")[0]
        if asked.method == "GET" or "_search" in path or path.endswith("-000002"):
            return answer
        lost.append(f"{asked.method} {path}")
        return CUT if lost.count(lost[-1]) % 2 else answer

    world.index.apply([note(key("s", "old"), title="fox")])
    world.between.behind = behind
    rebuild = world.index.rebuild()
    rebuild.keep("half")
    rebuild.apply([note(key("s", "new"), title="fox")])
    rebuild.keep("more")
    rebuild.commit()
    world.between.behind = lambda asked, answer: answer
    assert "POST /_aliases" in lost
    assert len(lost) > 10
    assert ids(world.index) == ["new"]
    assert set(indexes(world)) == {"-000002"}


def test_removals_are_remembered_for_as_long_as_tombstones(world: World) -> None:
    world.index.apply([gone(key("s"), 5), note(key("s", "b"), 1, title="fox")])
    world.clock.advance(RETENTION_SECONDS - 3600)
    world.index.apply([note(key("s"), 4, title="fox"), note(key("s", "c"), title="fox")])
    assert ids(world.index) == ["b", "c"]
    held = ask(world.server, "GET", f"/{world.prefix}-000001/_doc/s,notes,a")
    assert held["_source"].keys() == {"key", "version", "expires"}
    world.clock.advance(2 * 3600)
    world.index.apply([note(key("s", "d"), title="fox")])
    with pytest.raises(Unavailable):
        ask(world.server, "GET", f"/{world.prefix}-000001/_doc/s,notes,a")
    assert ids(world.index) == ["b", "c", "d"]


def test_a_record_that_came_back_outlives_its_marker(opensearch: str) -> None:
    """On a real server: the deletion says which version it is of."""
    from homeport.adapters.memory.clock import ManualClock

    prefix, clock = new_prefix(), ManualClock()
    index = index_on(opensearch, clock, prefix)
    index.apply([gone(key("s", name), 5) for name in "ab"])
    ask(opensearch, "POST", f"/{prefix}-0*/_refresh")
    clock.advance(RETENTION_SECONDS + 3601)
    index.apply([note(key("s", "a"), 6, title="fox")])
    ask(opensearch, "POST", f"/{prefix}-0*/_refresh")
    assert ask(opensearch, "GET", f"/{prefix}/_count")["count"] == 1
    assert index.versions([key("s", "a"), key("s", "b")]) == [6, None]
    index.close()
    clean(opensearch, prefix)


def _declaring(**roles: FieldRole) -> Catalog:
    fields = {name: FieldDeclaration(role) for name, role in roles.items()}
    return Catalog([Collection("notes", fields=fields)])


def _with(world: World, catalog: Catalog, language: str = "en") -> OpenSearchIndex:
    return index_on(
        world.server,
        world.clock,
        world.prefix,
        catalog=catalog,
        language=language,
        layout={"tokenizer": STANDARD},
    )


class TestOtherFields:
    @pytest.fixture(autouse=True)
    def _made(self, world: World) -> None:
        first = _with(world, _declaring(pages=FieldRole.NUMBER))
        rebuild = first.rebuild()
        rebuild.apply([note(key("s", "a"), pages=2, kind="x"), note(key("s", "b"), pages=1)])
        rebuild.commit()

    @pytest.mark.parametrize(
        ("catalog", "language", "reason"),
        [
            (_declaring(pages=FieldRole.NUMBER), "en", None),
            (_declaring(pages=FieldRole.NUMBER, title=FieldRole.TEXT), "en", None),
            (_declaring(), "en", None),
            (_declaring(kind=FieldRole.KEYWORD), "en", "fields were declared since: kind"),
            (_declaring(spot=FieldRole.GEO), "en", "fields were declared since: spot"),
            (_declaring(pages=FieldRole.NUMBER), "de", "made for another language"),
        ],
        ids=map(str, range(6)),
    )
    def test_it_says_what_has_to_be_indexed_anew(
        self, world: World, catalog: Catalog, language: str, reason: str | None
    ) -> None:
        found = _with(world, catalog, language).needs_rebuild
        assert found is None if reason is None else reason in str(found)

    def test_new_fields_are_added_and_sort_what_comes_from_then_on(self, world: World) -> None:
        index = _with(world, _declaring(pages=FieldRole.NUMBER, kind=FieldRole.KEYWORD))
        index.apply([note(key("s", "c"), pages=3, kind="a")])

        def by_kind() -> list[str]:
            query = SearchQuery(All(), (Scope("s"),), sort=Sort(FieldRole.KEYWORD, "kind"))
            return [hit.key.id for hit in index.search(query).hits]

        assert by_kind() == ["c", "a", "b"]
        rebuild = index.rebuild()
        rebuild.apply([note(key("s", "a"), pages=2, kind="x"), note(key("s", "c"), kind="y")])
        rebuild.commit()
        assert by_kind() == ["a", "c"]
        assert index.needs_rebuild is None

    def test_what_was_left_for_other_fields_is_thrown_away(self, world: World) -> None:
        left = _with(world, _declaring(pages=FieldRole.NUMBER)).rebuild()
        left.keep("half")
        left.leave()
        other = _with(world, _declaring(kind=FieldRole.KEYWORD)).rebuild()
        assert other.place == ""
        other.commit()

    def test_another_format_stops_changes_until_the_rebuild(self, world: World) -> None:
        index = _with(world, _declaring(pages=FieldRole.NUMBER))
        (name,) = ask(world.server, "GET", f"/{world.prefix}-0*/_alias")
        held: Any = {"format": 0, "filled": True}
        ask(world.server, "PUT", f"/{name}/_mapping", {"_meta": {"homeport": held}})
        assert "another version" in str(index.needs_rebuild)
        with pytest.raises(Unavailable, match="another version: homeport index rebuild"):
            index.apply([note(key("s", "c"))])
