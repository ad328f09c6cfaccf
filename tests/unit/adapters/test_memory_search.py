"""What a search in memory costs."""

from __future__ import annotations

from collections import Counter

import pytest

from homeport.adapters.memory import search_answers
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.query import All, Fuzzy, Scope, SearchQuery
from homeport.domain.spelling import resembles
from homeport.testing.search_support import key, note


def test_a_word_is_judged_once_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: Counter[tuple[str, str]] = Counter()

    def counted(word: str, asked: str, edits: int) -> bool:
        judged[word, asked] += 1
        return resembles(word, asked, edits)

    monkeypatch.setattr(search_answers, "resembles", counted)
    index = MemorySearchIndex()
    index.apply([note(key("s", f"n{n}"), title="fresh bread", body="more bread") for n in range(9)])
    match = All((Fuzzy("braed"), Fuzzy("bread", "title")))
    page = index.search(SearchQuery(match, (Scope("s"),), highlight=("title", "body")))
    assert page.total == 9
    assert all(dict(hit.highlights)["title"] for hit in page.hits)
    assert judged["fresh", "braed"] == 1
    assert judged["fresh", "bread"] == 1
    assert set(judged.values()) == {1}
