"""The index on OpenSearch finds what the reference finds: hits, totals, facets and orders."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.document import IndexChange
from homeport.domain.model.query import SearchQuery
from tests.contract.test_search_agreement import (
    changes,
    check_same_answers,
    fuzzy_queries,
    queries,
)
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix

BATCHES = st.lists(st.lists(changes, min_size=1, max_size=10), min_size=1, max_size=3)
ASKED = st.lists(queries | fuzzy_queries, min_size=10, max_size=20)
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to make a failure smaller would take minutes
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@settings(SETTINGS, max_examples=10)
@given(batches=BATCHES, asked=ASKED)
def test_a_quick_server_gives_the_same_answers(
    osmem: str, batches: list[list[IndexChange]], asked: list[SearchQuery]
) -> None:
    """But for pages after a place, which it loses the documents without a value of, and words
    that its tokenizer cuts elsewhere."""
    kept = [one for one in asked if one.sort is None and "日" not in str(one)]
    _compare(osmem, batches, kept, STANDARD)


@settings(SETTINGS, max_examples=10)
@given(batches=BATCHES, asked=ASKED)
def test_a_real_server_gives_the_same_answers(
    opensearch: str, batches: list[list[IndexChange]], asked: list[SearchQuery]
) -> None:
    _compare(opensearch, batches, asked, None)


def _compare(
    url: str,
    batches: list[list[IndexChange]],
    asked: list[SearchQuery],
    tokenizer: dict[str, str] | None,
) -> None:
    memory, prefix = MemorySearchIndex(), new_prefix()
    layout = {} if tokenizer is None else {"tokenizer": tokenizer}
    index = index_on(url, ManualClock(), prefix, language="none", layout=layout)
    try:
        for batch in batches:
            assert memory.apply(batch) == index.apply(batch)
        ask(url, "POST", f"/{prefix}-0*/_refresh")
        assert memory.entries(100) == index.entries(100)
        for query in asked:
            check_same_answers(memory, index, query)
    finally:
        index.close()
        clean(url, prefix)


@pytest.mark.parametrize("language", ["ar", "de", "el", "nl", "ru", "ta", "tr"])
def test_every_language_has_its_stemmer(opensearch: str, language: str) -> None:
    prefix = new_prefix()
    index = index_on(opensearch, ManualClock(), prefix, language=language)
    try:
        assert index.entries(1) == []
    finally:
        index.close()
        clean(opensearch, prefix)
