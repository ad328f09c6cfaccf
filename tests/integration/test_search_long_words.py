"""Words near the longest that are indexed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.domain.model.query import Node, Phrase, Prefix, Scope, SearchQuery, Words
from homeport.testing import CATALOG
from homeport.testing.search_support import key, note
from tests.unit.domain.tables import check

LONGEST = 2047
_GROWING = "\N{LATIN CAPITAL LETTER A WITH STROKE}"
"""Two bytes, whose small letter takes three."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedSearchIndex]:
    index = EmbeddedSearchIndex(tmp_path, CATALOG)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("word", "is_found"),
    [
        ("q" * LONGEST, True),
        ("q" * (LONGEST + 1), False),
        ("q" * 65_531, False),
        ("q" * 400_000, False),
        (_GROWING * (LONGEST // 3), True),
        (_GROWING * (LONGEST // 3 + 1), False),
    ],
    ids=[*"012345"],
)
def test_a_word_is_found_everywhere_or_costs_itself_alone(
    index: EmbeddedSearchIndex, word: str, is_found: bool
) -> None:
    whole = note(key("s"), title=f"before {word} after", body="fox", kind="novel")
    for changes in ([whole], [note(key("s", "b"), title="before after")]):
        assert index.apply(changes) == []

    def found(match: Node) -> list[str]:
        return sorted(hit.key.id for hit in index.search(SearchQuery(match, (Scope("s"),))).hits)

    itself = ["a"] if is_found else []
    table: list[tuple[Node, object]] = [
        (Words(word), itself),
        (Words(word, "title"), itself),
        (Prefix(word[:3]), itself),
        (Prefix(word[:3], "title"), itself),
        (Phrase(("before", "after")), ["b"]),
        (Phrase(("before", "after"), "title"), ["b"]),
        (Words("after", "title"), ["a", "b"]),
        (Words("fox"), ["a"]),
    ]
    check(found, table)
