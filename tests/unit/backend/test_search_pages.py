"""Pages of a search: what a page holds, and that paging reaches everything once."""

from __future__ import annotations

from homeport.domain import limits
from homeport.domain.search import SearchRequest
from homeport.testing.backend import TestBackend


def test_a_page_ends_at_4_megabytes_and_the_next_goes_on_there(backend: TestBackend) -> None:
    ann = backend.guest()
    filling = "x" * 390_000
    for n in range(12):
        backend.records.put(ann, "me", "notes", f"n{n:02d}", {"title": "big", "filling": filling})
    backend.settle()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        found = backend.search.search(ann, SearchRequest(q="big", limit=100, cursor=cursor))
        size = sum(len(hit.record.data.text) for hit in found.hits if hit.record.data is not None)
        assert found.hits
        assert size <= limits.PAGE_BYTES
        assert found.total == 12
        seen += [hit.record.key.id for hit in found.hits]
        cursor = found.cursor
        if cursor is None:
            break
    assert sorted(seen) == [f"n{n:02d}" for n in range(12)]
