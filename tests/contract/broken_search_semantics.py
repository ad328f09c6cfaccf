"""Search indexes that keep the contract's small cases, and fail in what the table asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.document import IndexChange, Rejection, Removal
from homeport.domain.model.query import (
    All,
    Node,
    Not,
    Phrase,
    Scope,
    SearchPage,
    SearchQuery,
    Words,
)
from tests.contract.broken_search_answers import ANSWERS
from tests.contract.broken_search_nearness import NEARNESS


class CountsPages(MemorySearchIndex):
    """Goes on after so many hits, not after the last one: what comes or goes moves the rest."""

    def search(self, query: SearchQuery) -> SearchPage:
        if query.after is None:
            return super().search(query)
        whole = super().search(replace(query, after=None, limit=1000))
        places = [place for place, hit in enumerate(whole.hits) if hit.key == query.after.key]
        start = places[0] + 1 if places else len(whole.hits)
        return replace(whole, hits=whole.hits[start : start + query.limit])


class CutsTextShort(MemorySearchIndex):
    """Takes the first words of a text alone."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        def cut(one: IndexChange) -> IndexChange:
            if isinstance(one, Removal):
                return one
            return replace(
                one, text={path: tuple(text[:500] for text in one.text[path]) for path in one.text}
            )

        return super().apply(list(map(cut, changes)))


class TakesBooleansForNothing(MemorySearchIndex):
    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        def without(one: IndexChange) -> IndexChange:
            if isinstance(one, Removal):
                return one
            kept = {path: values for path, values in one.keyword.items() if path != "done"}
            return replace(one, keyword=kept)

        return super().apply(list(map(without, changes)))


class ExcludesWordsOfPhrases(MemorySearchIndex):
    """`-"a phrase"` leaves out whatever has one of its words."""

    def search(self, query: SearchQuery) -> SearchPage:
        def words(node: Node) -> Node:
            if isinstance(node, Not) and isinstance(node.node, Phrase):
                return Not(Words(node.node.words[0]))
            if isinstance(node, All):
                return replace(node, nodes=tuple(map(words, node.nodes)))
            return node

        return super().search(replace(query, match=words(query.match)))


class MergesFacets(MemorySearchIndex):
    """Counts every facet as the first one."""

    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(replace(query, facets=query.facets[:1]))
        return replace(page, facets=page.facets * len(query.facets))


class ReadsThePublicTwice(MemorySearchIndex):
    """Counts what a caller may read in two ways twice."""

    def search(self, query: SearchQuery) -> SearchPage:
        public = [one for one in query.scopes if one.space == "public"]
        twice = super().search(replace(query, scopes=tuple(public[:1]))).total if public else 0
        page = super().search(query)
        return replace(page, total=page.total + twice)


class OpensOtherCollections(MemorySearchIndex):
    """A scope of one collection lets all of its space be found."""

    def search(self, query: SearchQuery) -> SearchPage:
        scopes = tuple(Scope(one.space, None, one.besides) for one in query.scopes)
        return super().search(replace(query, scopes=scopes))


MEANINGS: Final[dict[str, type[MemorySearchIndex]]] = {
    "counts pages": CountsPages,
    "cuts text short": CutsTextShort,
    "takes booleans for nothing": TakesBooleansForNothing,
    "excludes words of phrases": ExcludesWordsOfPhrases,
    "merges facets": MergesFacets,
    "reads the public twice": ReadsThePublicTwice,
    "opens other collections": OpensOtherCollections,
    **{
        name: ANSWERS[name]
        for name in ("leaks facets", "heeds one scope", "skips ties", "highlights unescaped")
    },
    **{
        name: NEARNESS[name]
        for name in (
            "takes every range for half open",
            "finds near in a square",
            "ends at the 180th meridian",
            "knows first points only",
            "sorts the farthest first",
            "forgives two letters always",
        )
    },
}
