"""Words under `search.language = "none"`, whichever index finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from homeport.container import build
from homeport.definition import Definition
from homeport.domain.search import SearchRequest


def check_words_stay_as_written(
    settings: dict[str, Any], settle: Callable[[], None] = lambda: None, **overrides: Any
) -> None:
    """A backend of `settings` finds a word as it is written, and by no stem of it."""
    definition = Definition.of({"search": {"language": "none"}, **settings})
    backend = build(definition, **overrides)
    try:
        backend.check()
        ann = backend.identities.guest().identity.principal
        backend.records.create(ann, "me", "notes", {"title": "Running shoes"})
        while backend.feed.deliver("indexing", backend.indexing.consume):
            pass
        settle()

        def total(words: str) -> int:
            return backend.search.search(ann, SearchRequest(words)).total

        assert {one: total(one) for one in ("running", "SHOES", "run", "runs", "shoe")} == {
            "running": 1,
            "SHOES": 1,
            "run": 0,
            "runs": 0,
            "shoe": 0,
        }
    finally:
        backend.close()
