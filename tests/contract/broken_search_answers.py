"""Search indexes that answer wrongly, on purpose: each breaks one promise of the port."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.query import (
    All,
    AnyOf,
    Filter,
    Hit,
    Node,
    Not,
    Phrase,
    Prefix,
    Range,
    Scope,
    SearchPage,
    SearchQuery,
    Term,
    Words,
)
from homeport.domain.model.record import Key

_EVERYTHING = (Scope(None),)


class CountsBeyondTheScopes(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        total = super().search(replace(query, scopes=_EVERYTHING)).total
        return replace(super().search(query), total=total if query.scopes else 0)


class LeaksFacets(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        facets = super().search(replace(query, scopes=_EVERYTHING)).facets
        return replace(super().search(query), facets=facets)


class IgnoresBesides(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        scopes = tuple(replace(one, besides=frozenset()) for one in query.scopes)
        return super().search(replace(query, scopes=scopes))


class HeedsOneScope(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        return super().search(replace(query, scopes=query.scopes[:1]))


class HeedsOneFilter(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        return super().search(replace(query, filters=query.filters[:1]))


class ScoresFilters(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        more = len(query.filters) + len(query.scopes) - 1
        hits = tuple(hit._replace(score=hit.score and hit.score + more) for hit in page.hits)
        return replace(page, hits=hits)


class SkipsTies(MemorySearchIndex):
    """A sorted page goes on after all records of the last value."""

    def search(self, query: SearchQuery) -> SearchPage:
        if query.after is not None:
            last = replace(query.after, key=Key("~", "~", "~"))
            query = replace(query, after=last)
        return super().search(query)


class OrdersTiesBackwards(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        if query.sort is None:
            return page
        backwards = sorted(page.hits, key=lambda hit: hit.key, reverse=True)

        def place(hit: Hit) -> int:
            return [one.sort_value for one in page.hits].index(hit.sort_value)

        return replace(page, hits=tuple(sorted(backwards, key=place)))


class PutsValuelessFirst(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        hits = sorted(page.hits, key=lambda hit: query.sort is None or hit.sort_value is not None)
        return replace(page, hits=tuple(hits))


class IgnoresTheOffset(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        return super().search(replace(query, offset=0))


class RepeatsTheLastOfAPage(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        return super().search(replace(query, offset=max(0, query.offset - 1)))


class CountsFacetsOfThePage(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        facets = tuple(tuple(replace(x, count=1) for x in counts) for counts in page.facets)
        return replace(page, facets=facets)


class HighlightsUnescaped(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        return replace(page, hits=tuple(map(_unescaped, page.hits)))


class HighlightsWhatIsExcluded(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        hits = tuple(
            hit._replace(highlights=hit.highlights or (("title", ("<em>a</em>",)),))
            for hit in page.hits
        )
        return replace(page, hits=hits)


def _unescaped(hit: Hit) -> Hit:
    shown = tuple((name, tuple(map(html.unescape, texts))) for name, texts in hit.highlights)
    return hit._replace(highlights=shown)


def _reading(change: Callable[[Node], Node]) -> type[MemorySearchIndex]:
    """An index that takes each part of a query for another."""

    def changed(node: Node) -> Node:
        if isinstance(node, All):
            node = All(tuple(map(changed, node.nodes)))
        elif isinstance(node, Not):
            node = Not(changed(node.node))
        return change(node)

    class Misread(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            return super().search(replace(query, match=changed(query.match)))

    return Misread


def _filtering(change: Callable[[Filter], Filter]) -> type[MemorySearchIndex]:
    """The same for filters."""

    def changed(one: Filter) -> Filter:
        if isinstance(one, AnyOf):
            return AnyOf(tuple(map(changed, one.filters)))
        return change(one)

    class Misread(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            return super().search(replace(query, filters=tuple(map(changed, query.filters))))

    return Misread


def _phrase_as_words(node: Node) -> Node:
    if isinstance(node, Phrase):
        return All(tuple(Words(word, node.field) for word in node.words))
    return node


def _prefix_as_word(node: Node) -> Node:
    return Words(node.text, node.field) if isinstance(node, Prefix) else node


def _word_as_prefix(node: Node) -> Node:
    return Prefix(node.text, node.field) if isinstance(node, Words) else node


def _without_field(node: Node) -> Node:
    if isinstance(node, Words | Phrase | Prefix):
        return replace(node, field=None)
    return node


def _without_negation(node: Node) -> Node:
    return All() if isinstance(node, Not) else node


def _only_negations_find_nothing(node: Node) -> Node:
    if isinstance(node, All) and node.nodes and all(isinstance(one, Not) for one in node.nodes):
        return Words("nowhere")
    return node


def _case_blind(one: Filter) -> Filter:
    if isinstance(one, Term) and isinstance(one.value, str):
        return replace(one, value=one.value.lower())
    return one


def _inclusive(one: Filter) -> Filter:
    if isinstance(one, Range):
        return replace(one, include_low=True, include_high=True)
    return one


def _positive_only(one: Filter) -> Filter:
    if isinstance(one, Range) and one.low is None:
        return replace(one, low=0)
    return one


ANSWERS: Final[dict[str, type[MemorySearchIndex]]] = {
    "counts beyond the scopes": CountsBeyondTheScopes,
    "leaks facets": LeaksFacets,
    "ignores besides": IgnoresBesides,
    "heeds one scope": HeedsOneScope,
    "heeds one filter": HeedsOneFilter,
    "scores filters": ScoresFilters,
    "skips ties": SkipsTies,
    "orders ties backwards": OrdersTiesBackwards,
    "puts valueless first": PutsValuelessFirst,
    "ignores the offset": IgnoresTheOffset,
    "repeats the last of a page": RepeatsTheLastOfAPage,
    "counts facets of the page": CountsFacetsOfThePage,
    "highlights unescaped": HighlightsUnescaped,
    "highlights what is excluded": HighlightsWhatIsExcluded,
    "takes a phrase for words": _reading(_phrase_as_words),
    "takes a prefix for a word": _reading(_prefix_as_word),
    "takes a word for a prefix": _reading(_word_as_prefix),
    "ignores fields": _reading(_without_field),
    "ignores negations": _reading(_without_negation),
    "finds nothing by negations alone": _reading(_only_negations_find_nothing),
    "is blind to case in keywords": _filtering(_case_blind),
    "includes every bound": _filtering(_inclusive),
    "knows no negative numbers": _filtering(_positive_only),
}
