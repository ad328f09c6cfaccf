"""The index on CloudSearch finds what the reference finds: hits, totals, facets and orders."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.document import IndexChange
from homeport.domain.model.query import After, SearchPage, SearchQuery
from tests.aws.search_domains import domain, index_on
from tests.contract.test_search_agreement import changes, queries


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    batches=st.lists(st.lists(changes, min_size=1, max_size=10), min_size=1, max_size=3),
    asked=st.lists(queries, min_size=10, max_size=20),
)
def test_both_give_the_same_answers(
    batches: list[list[IndexChange]], asked: list[SearchQuery]
) -> None:
    clock = ManualClock()
    memory = MemorySearchIndex()
    with domain(clock, "none", delay=2.0) as emulator:
        index = index_on(emulator, clock)
        for batch in batches:
            assert memory.apply(batch) == index.apply(batch)
        emulator.settle()
        assert memory.entries(100) == index.entries(100)
        for query in asked:
            if query.sort is None:
                whole = replace(query, limit=100)
                assert _unordered(memory.search(whole)) == _unordered(index.search(whole))
            else:
                _same_pages(memory, index, query)


def _same_pages(memory: MemorySearchIndex, index: CloudSearchIndex, query: SearchQuery) -> None:
    hits = True
    while hits:
        page = memory.search(query)
        assert page == index.search(query)
        hits = bool(page.hits)
        if hits:
            query = replace(query, after=After(page.hits[-1].sort_value, page.hits[-1].key))


def _unordered(page: SearchPage) -> SearchPage:
    hits = tuple(sorted((hit._replace(score=0.0) for hit in page.hits), key=lambda hit: hit.key))
    return replace(page, hits=hits)
