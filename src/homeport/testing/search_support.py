"""What the parts of the search index's contract share: a catalog, documents, questions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import pytest

from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.document import Document, IndexChange, IndexEntry, Removal
from homeport.domain.model.query import All, Hit, Node, Phrase, Scope, SearchQuery, Words
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Rebuild, SearchIndex
from homeport.testing.contract import Contract

NOTES: Final = "notes"
DRAFTS: Final = "drafts"
"""A collection that is not declared."""

CATALOG: Final = Catalog(
    [
        Collection(
            NOTES,
            fields={
                "title": FieldDeclaration(FieldRole.TEXT),
                "kind": FieldDeclaration(FieldRole.KEYWORD),
                "pages": FieldDeclaration(FieldRole.NUMBER),
                "seen": FieldDeclaration(FieldRole.DATE),
                "home": FieldDeclaration(FieldRole.GEO),
            },
        )
    ]
)
"""What the index under test is made for. `body`, `tag` and `size` are not declared."""


class SearchIndexSupport(Contract):
    """An index made for CATALOG, and short ways to fill it and to ask it."""

    stems: ClassVar[bool] = False
    """Whether the index goes by English stems: running finds run."""

    geo: ClassVar[bool] = False
    """Whether it knows distances: the capability GEO."""
    fuzzy: ClassVar[bool] = False
    """Whether it finds words that are nearly as asked: the capability FUZZY."""

    @pytest.fixture
    def index(self) -> SearchIndex:
        raise self.missing("index")

    def put(self, index: SearchIndex | Rebuild, *changes: IndexChange) -> None:
        """Apply changes, none of which the index may refuse, and let them become visible."""
        assert index.apply(changes) == []
        self.settle()

    def ids(self, index: SearchIndex, match: Node, *scopes: Scope, **more: Any) -> list[str]:
        """The ids of what is found, sorted."""
        return sorted(hit.key.id for hit in self.hits(index, match, *scopes, **more))

    def hits(self, index: SearchIndex, match: Node, *scopes: Scope, **more: Any) -> tuple[Hit, ...]:
        options: dict[str, Any] = {"limit": 100} | more
        return index.search(SearchQuery(match, scopes, **options)).hits

    def entries(
        self, index: SearchIndex | Rebuild, space: str, limit: int = 100
    ) -> list[IndexEntry]:
        """All entries of one space, read in pages."""
        found: list[IndexEntry] = []
        after: Key | None = None
        while page := index.entries(limit, after):
            assert len(page) <= limit
            assert after is None or page[0].key > after
            found += page
            after = page[-1].key
        return [one for one in found if one.key.space == space]


def key(space: str, id: str = "a", collection: str = NOTES) -> Key:
    return Key(space, collection, id)


def note(place: Key, version: int = 1, **fields: Any) -> Document:
    """A document whose fields are given by name: a string is text in `title`, `body` and
    `summary` and else a keyword, a datetime is a date, a tuple a point. A list gives several
    values."""
    grouped: dict[str, dict[str, tuple[Any, ...]]] = {}
    for name, value in fields.items():
        values = tuple(value) if isinstance(value, list) else (value,)
        grouped.setdefault(_role(name, values[0]), {})[name] = tuple(map(_as_stored, values))
    return Document(place, version, "anna", **grouped)


def gone(place: Key, version: int) -> Removal:
    return Removal(place, version)


def words(text: str) -> Node:
    return All(tuple(Words(word) for word in text.split()))


def phrase(text: str) -> Phrase:
    return Phrase(tuple(text.split()))


def microseconds(when: datetime) -> int:
    """Since 1970, and negative before."""
    return (when - _EPOCH) // timedelta(microseconds=1)


def day(number: int) -> datetime:
    return datetime(2025, 1, number, tzinfo=UTC)


def ids_of(hits: Sequence[Hit]) -> list[str]:
    return [hit.key.id for hit in hits]


def _role(name: str, value: object) -> str:
    if isinstance(value, str):
        return "text" if name in ("title", "body", "summary") else "keyword"
    if isinstance(value, tuple):
        return "geo"
    return "date" if isinstance(value, datetime) else "number"


def _as_stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return microseconds(value)
    return value if isinstance(value, str | tuple) else float(value)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
