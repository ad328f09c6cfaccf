"""Search indexes agree: what was applied, in which order of versions, and what a rebuild leaves.

Which questions find what is compared in tests/contract/test_search_agreement.py, over far more
questions than fit between steps; a few are asked here, after what histories do to an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, IndexChange, IndexEntry, Removal
from homeport.domain.model.place import Place
from homeport.domain.model.query import (
    After,
    All,
    Facet,
    Node,
    Not,
    Prefix,
    Scope,
    SearchPage,
    SearchQuery,
    Sort,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Rebuild, SearchIndex
from homeport.testing.search_index import CATALOG
from tests.stateful.agreement import Agreement, Pair, StepIds, step

Change: TypeAlias = tuple[str, int, str]
"""A key, a version, and the text of the document; "" removes it."""

MATCHES: Final[dict[str, Node]] = {
    "everything": All(),
    "run": Words("run"),
    "ru*": Prefix("ru"),
    "-fast": Not(Words("fast")),
    "title:fast": Words("fast", "title"),
}
SCOPES: Final[dict[str, tuple[Scope, ...]]] = {
    "everywhere": (Scope(None),),
    "home": (Scope("home"),),
    "home, not drafts": (Scope("home", None, frozenset({"drafts"})),),
    "nowhere": (),
}

ORDERS: Final = {
    "": None,
    "pages": Sort(FieldRole.NUMBER, "pages"),
    "-pages": Sort(FieldRole.NUMBER, "pages", descending=True),
    "near": Sort(FieldRole.GEO, "home", place=Place(48.2, 16.37)),
}
KEYS: Final = ("home/notes/a", "home/notes/b", "home/drafts/a", "team/notes/a")

changes = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.integers(1, 8),
        st.sampled_from(("run", "run fast", "Fast <b>", "")),
    ),
    min_size=1,
    max_size=4,
)


class SearchIndexes(Agreement[SearchIndex]):
    """One rebuild at most goes on, in both; a restart leaves it behind."""

    def __init__(self) -> None:
        super().__init__()
        self.rebuilds: Pair[Rebuild] | None = None

    def made(self, ids: StepIds) -> SearchIndex:
        return MemorySearchIndex()

    def opened(self, ids: StepIds) -> SearchIndex:
        new = not (self.folder / "search").exists()
        self.index = EmbeddedSearchIndex(self.folder / "search", CATALOG, "none")
        if new:  # as the backend does: an index that was never filled is not kept
            self.index.rebuild().commit()
        assert self.index.needs_rebuild is None
        return self.index

    def closed(self) -> None:
        self.index.close()

    @step()
    def restart(self) -> None:
        if self.rebuilds is not None:
            self.leave()
        self.closed()
        self.tested = self.opened(self._ids[1])

    @step(changes=changes)
    def apply(self, changes: Sequence[Change]) -> None:
        self.both(lambda index: index.apply(list(map(change_of, changes))))

    @step(changes=changes)
    def apply_more(self, changes: Sequence[Change]) -> None:
        self.apply(changes=changes)

    @step(
        match=st.sampled_from(list(MATCHES)),
        scopes=st.sampled_from(list(SCOPES)),
        order=st.sampled_from(("", "pages", "-pages", "near")),
        limit=st.integers(1, 3),
    )
    def search(self, match: str, scopes: str, order: str, limit: int) -> None:
        """Page by page where there is an order; else everything, since scores differ."""
        sort = ORDERS[order]
        facets = (Facet(FieldRole.KEYWORD, "kind"),)

        def found(index: SearchIndex) -> object:
            pages: list[object] = []
            after = None
            for _ in range(100):
                page = index.search(
                    SearchQuery(
                        MATCHES[match],
                        SCOPES[scopes],
                        facets=facets,
                        highlight=("title",),
                        sort=sort,
                        limit=limit if sort else 100,
                        after=after,
                    )
                )
                pages.append(_page(page, sort is None))
                if sort is None or not page.hits:
                    return pages
                after = After(page.hits[-1].sort_value, page.hits[-1].key)
            raise AssertionError("a search does not end")

        self.both(found)

    @step(limit=st.sampled_from((1, 2, 100)))
    def entries(self, limit: int) -> None:
        self.both(lambda index: _entries(index, limit))

    @step(keys=st.lists(st.sampled_from(KEYS), max_size=5))
    def versions(self, keys: Sequence[str]) -> None:
        self.both(lambda index: index.versions(_keys(keys)))

    @step()
    def capabilities(self) -> None:
        self.both(lambda index: (index.capabilities, index.in_place))

    @step()
    def status(self) -> None:
        self.both(lambda index: (index.status().documents, index.status().rebuilding))

    # Rebuilding

    @step()
    def rebuild(self) -> None:
        self.rebuilds = self.both(lambda index: index.rebuild(), lambda _: None) or self.rebuilds
        if self.rebuilds is not None:
            self.same(*(one.place for one in self.rebuilds))
            self.same(*(one.versions(_keys(KEYS)) for one in self.rebuilds))

    @step(changes=changes)
    def fill(self, changes: Sequence[Change]) -> None:
        if self.rebuilds is not None:
            asked = list(map(change_of, changes))
            self.same(*(one.apply(asked) for one in self.rebuilds))
            self.same(*(one.versions(_keys(KEYS)) for one in self.rebuilds))
            self.same(*(_entries(one, 2) for one in self.rebuilds))

    @step(place=st.sampled_from(("here", "there")))
    def keep(self, place: str) -> None:
        for one in self.rebuilds or ():
            one.keep(place)

    @step()
    def leave(self) -> None:
        """All that was applied is kept before: what else stays of it, adapters may differ in."""
        for one in self.rebuilds or ():
            one.keep("left")
            one.leave()
        self.rebuilds = None

    @step()
    def commit(self) -> None:
        for one in self.rebuilds or ():
            one.commit()
            one.abandon()
        self.rebuilds = None
        self.entries(limit=100)

    @step()
    def abandon(self) -> None:
        for one in self.rebuilds or ():
            one.abandon()
        self.rebuilds = None
        self.entries(limit=100)

    def compare_all(self) -> None:
        self.entries(limit=100)
        self.search(match="everything", scopes="everywhere", order="", limit=100)
        for order in ("pages", "-pages", "near"):
            self.search(match="everything", scopes="everywhere", order=order, limit=2)


def change_of(change: Change) -> IndexChange:
    text, version, title = change
    (key,) = _keys([text])
    if not title:
        return Removal(key, version)
    fields: dict[str, Any] = {"text": {"title": (title,)}, "keyword": {"kind": (title[:3],)}}
    if version % 3:
        fields["number"] = {"pages": (float(version % 3),)}
        fields["geo"] = {"home": ((48.2, 16.0 + version % 3), (-16.0, 180.0))[: version % 4]}
    return Document(key, version, "anna", **fields)


def _keys(texts: Sequence[str]) -> list[Key]:
    return [Key(*text.split("/")) for text in texts]


def _entries(index: SearchIndex | Rebuild, limit: int) -> list[IndexEntry]:
    found: list[IndexEntry] = []
    after = None
    for _ in range(100):
        page = index.entries(limit, after)
        if not page:
            return found
        found += page
        after = page[-1].key
    raise AssertionError("the entries do not end")


def _page(page: SearchPage, unordered: bool) -> object:
    hits = [hit._replace(score=0.0) for hit in page.hits]
    if unordered:
        hits.sort(key=lambda hit: hit.key)
    return page.total, page.facets, hits
