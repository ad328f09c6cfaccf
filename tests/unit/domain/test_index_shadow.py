"""Two indexes side by side: the first answers, and nobody notices the second."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Unavailable
from homeport.domain.index_shadow import Comparison, Differs, Sample, ShadowedIndex, ShadowReport
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, IndexChange, Rejection, Removal
from homeport.domain.model.query import (
    All,
    Facet,
    FacetCount,
    Hit,
    Scope,
    SearchPage,
    SearchQuery,
    Words,
)
from homeport.domain.model.record import Key
from tests.unit.domain.tables import check_each

QUERY = SearchQuery(Words("fox"), (Scope("anna"),))


def key(id: str) -> Key:
    return Key("anna", "notes", id)


def note(id: str, version: int = 1) -> Document:
    return Document(key(id), version, "anna", {"title": ("fox",)})


class Answering(MemorySearchIndex):
    """Answers with a page, or does not."""

    def __init__(self, answer: SearchPage | Exception | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.down = False

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        if self.down:
            raise Unavailable("It is down.")
        super().apply(changes)
        return [Rejection(one.key, "odd") for one in changes if one.key.id == "odd"]

    def search(self, query: SearchQuery) -> SearchPage:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or super().search(query)


class Ticking:
    """A timer of which each look takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def page(*hits: tuple[str, int], total: int = 2, red: int = 1) -> SearchPage:
    found = tuple(Hit(key(id), version, 9.0 - n) for n, (id, version) in enumerate(hits))
    return SearchPage(found, total, ((FacetCount("red", red),),))


ANSWER = page(("a", 1), ("b", 2))


def test_how_answers_differ() -> None:
    def compared(case: tuple[SearchPage | Exception, list[Differs]]) -> None:
        answer, differs = case
        comparison = Comparison(Ticking())
        sample = comparison.compare(QUERY, ANSWER, 0.5, Answering(answer))
        assert ([] if sample is None else list(sample.differs)) == differs
        found = comparison.report()
        assert (found.asked, found.equal) == (1, int(not differs))
        assert dict(found.differing) == dict.fromkeys(differs, 1)
        answered = Differs.FAILED not in differs
        assert found.answered == int(answered)
        assert (found.first_seconds, found.second_seconds) == ((0.5, 1.0) if answered else (0, 0))
        assert found.samples == (() if sample is None else (sample,))

    cases: list[tuple[SearchPage | Exception, list[Differs]]] = [
        (ANSWER, []),
        (page(("b", 2), ("a", 1)), [Differs.ORDER]),
        (page(("a", 1), ("c", 2)), [Differs.HITS]),
        (page(("a", 1), ("b", 3)), [Differs.HITS]),
        (page(("a", 1)), [Differs.HITS]),
        (page(("a", 1), ("b", 2), total=3), [Differs.TOTAL]),
        (page(("a", 1), ("b", 2), red=2), [Differs.FACETS]),
        (page(total=0, red=0), [Differs.HITS, Differs.TOTAL, Differs.FACETS]),
        (Unavailable("It is down."), [Differs.FAILED]),
        (ValueError("a bug"), [Differs.FAILED]),
    ]
    check_each(compared, cases)


def test_hits_that_one_of_both_calls_alike_may_come_in_any_order() -> None:
    def scored(**scores: float) -> SearchPage:
        return SearchPage(tuple(Hit(key(id), 1, score) for id, score in scores.items()), 2)

    for one, other in (
        (scored(a=2, b=1), scored(b=3, a=3)),
        (scored(a=2, b=2), scored(b=5, a=3)),
        (scored(a=2, b=2), scored(b=1, a=1)),
    ):
        assert Comparison().compare(QUERY, one, 0.5, Answering(other)) is None
    worse = Comparison().compare(QUERY, scored(a=2, b=1), 0.5, Answering(scored(b=2, a=1)))
    assert worse is not None
    assert worse.differs == (Differs.ORDER,)


def test_what_is_sorted_by_a_field_comes_in_its_order() -> None:
    hits = [Hit(key(id), 1, 0.0, value) for id, value in (("a", 1.0), ("b", 1.0), ("c", None))]
    one, other = SearchPage(tuple(hits), 3), SearchPage((hits[1], hits[0], hits[2]), 3)
    found = Comparison().compare(QUERY, one, 0.5, Answering(other))
    assert found is not None
    assert found.differs == (Differs.ORDER,)


def test_a_sample_tells_what_both_said() -> None:
    answer = page(("c", 1), total=9)
    sample = Comparison().compare(QUERY, ANSWER, 0.5, Answering(answer))
    assert sample == Sample(
        QUERY,
        (Differs.HITS, Differs.TOTAL),
        (key("a"), key("b")),
        (key("c"),),
        (2, 9),
    )
    failed = Comparison().compare(QUERY, ANSWER, 0.5, Answering(ValueError("a bug")))
    assert failed is not None
    assert failed.cause == "ValueError: a bug"


def test_samples_end_at_a_hundred() -> None:
    comparison = Comparison()
    for _ in range(150):
        comparison.compare(QUERY, ANSWER, 0.5, Answering(page(("c", 1))))
    found = comparison.report()
    assert (found.asked, len(found.samples)) == (150, 100)
    assert found.differing == ((Differs.HITS, 150),)


def test_the_first_answers_and_the_second_is_asked_the_same() -> None:
    second = Answering(page(("c", 1)))
    told: list[Sample] = []
    both = ShadowedIndex(MemorySearchIndex(), second, told.append)
    both.apply([note("a")])
    assert [hit.key.id for hit in both.search(QUERY).hits] == ["a"]
    both.close()
    assert second.versions([key("a")]) == [1]
    found = both.report()
    assert (found.asked, found.equal, found.samples) == (1, 0, tuple(told))
    assert told[0].query == QUERY


def test_what_the_second_fails_at_reaches_nobody() -> None:
    second = Answering(Unavailable("It is down."))
    both = ShadowedIndex(MemorySearchIndex(), second)
    second.down = True
    assert both.apply([note("a"), note("b")]) == []
    assert both.search(QUERY).total == 2
    second.down = False
    assert both.apply([note("odd")]) == []
    both.close()
    found = both.report()
    assert (found.missed, found.rejected) == (2, 1)
    assert found.differing == ((Differs.FAILED, 1),)


def test_what_the_first_fails_at_does_reach_the_caller() -> None:
    first, second = Answering(Unavailable("It is down.")), Answering()
    both = ShadowedIndex(first, second)
    first.down = True
    with pytest.raises(Unavailable):
        both.apply([note("a")])
    with pytest.raises(Unavailable):
        both.search(QUERY)
    first.down = False
    assert both.apply([note("odd")]) == [Rejection(key("odd"), "odd")]
    both.close()
    assert second.versions([key("a")]) == [None]
    assert both.report() == ShadowReport(rejected=1)


def test_nobody_waits_for_a_slow_second() -> None:
    go_on = threading.Event()

    class Slow(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            assert go_on.wait(30)
            return super().search(query)

    both = ShadowedIndex(MemorySearchIndex(), Slow())
    for _ in range(100):
        both.search(QUERY)
    go_on.set()
    both.close()
    found = both.report()
    assert (found.asked, found.equal, found.skipped) == (64, 64, 36)
    assert both.search(QUERY).total == 0  # after it was closed, too


def test_it_is_the_first_in_all_else() -> None:
    class Special(MemorySearchIndex):
        needs_rebuild = "it was never filled"

    first, second = Special(), MemorySearchIndex()
    both = ShadowedIndex(first, second)
    assert both.needs_rebuild == "it was never filled"
    assert getattr(ShadowedIndex(second, first), "needs_rebuild", None) is None
    second.apply([note("a")])
    both.apply([note("b"), Removal(key("c"), 1)])
    assert [one.key.id for one in both.entries(10)] == ["b"]
    assert both.versions([key("a"), key("b")]) == [None, 1]
    assert both.status() == replace(second.status(), documents=1)
    both.rebuild()
    assert first.status().rebuilding
    assert not second.status().rebuilding
    both.close()


def test_facets_and_everything_are_asked_too() -> None:
    both = ShadowedIndex(MemorySearchIndex(), MemorySearchIndex())
    both.apply([replace(note("a"), keyword={"kind": ("red",)})])
    query = SearchQuery(All(), (Scope(None),), facets=(Facet(FieldRole.KEYWORD, "kind"),))
    assert both.search(query).facets == ((FacetCount("red", 1),),)
    both.close()
    assert both.report().equal == 1
