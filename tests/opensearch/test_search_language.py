"""`search.language = "none"` on a search server."""

from __future__ import annotations

from tests.opensearch.indexes import ask, clean, new_prefix
from tests.plain_words import check_words_stay_as_written


def test_words_stay_as_they_are_written(opensearch: str) -> None:
    prefix = new_prefix()
    try:
        check_words_stay_as_written(
            {
                "profile": "memory",
                "adapters": {"search_index": "opensearch"},
                "opensearch": {"url": opensearch, "prefix": prefix},
            },
            lambda: ask(opensearch, "POST", f"/{prefix}-0*/_refresh"),
        )
    finally:
        clean(opensearch, prefix)
