"""The index on CloudSearch finds what the reference finds: hits, totals, facets and orders."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.document import IndexChange
from homeport.domain.model.query import SearchQuery
from tests.aws.search_domains import domain, index_on
from tests.contract.test_search_agreement import changes, check_same_answers, queries


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
            check_same_answers(memory, index, query)
