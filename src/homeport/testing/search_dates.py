"""The search index's contract: text that looks like a date stays the text that it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, final

import pytest

from homeport.domain.document_builder import build_document
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document
from homeport.domain.model.query import (
    All,
    Facet,
    FacetCount,
    Prefix,
    Scope,
    SearchQuery,
    Term,
    Words,
)
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.search_support import CATALOG, SearchIndexSupport, key, note

_LOOK_LIKE_DATES: Final = (
    "9999-12-31T23:59:59-01:00",
    "9999-12-31T23:59:59.999999999Z",
    "0000-01-01T00:00:00+23:59",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "2262-04-12T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2019-12-31T24:00:00Z",
    "2019-12-31T10:00:00.1234567890Z",
    "2019-12-31t10:00:00z",
    "2019-12-31 10:00:00Z",
    "2019-12-31T10:00:00-00:00",
    "2019-12-31T10:00:00+25:00",
    "2020-01-01T00:00:00+14:00",
    "2019-12-31",
)
_ONE_MOMENT: Final = (
    "2019-12-31 10:00:00Z",
    "2019-12-31T10:00:00+00:00",
    "2019-12-31T10:00:00Z",
    "2020-01-01T00:00:00+14:00",
)


class DatesContract(SearchIndexSupport):
    """In text and keyword fields, declared or not."""

    @final
    @pytest.mark.parametrize("text", _LOOK_LIKE_DATES)
    def test_what_looks_like_a_date_is_found_as_it_was_written(
        self, index: SearchIndex, space: str, text: str
    ) -> None:
        """And is in nobody's way, whichever role its field is declared to have."""
        names = ("title", "kind", "pages", "seen", "home", "body", "tag")
        beside = note(key(space, "beside"), title="a fox", tag="other")
        self.put(index, beside, record(key(space), dict.fromkeys(names, text)))
        assert self.ids(index, All(), Scope(space)) == ["a", "beside"]
        year = text[:4]
        for path in ("title", "body"):
            for match in (Words(year, path), Prefix(year[:3], path), Words(text, path)):
                assert self.ids(index, match, Scope(space)) == ["a"]
            assert self.ids(index, All(), Scope(space), filters=(Words(year, path),)) == ["a"]
        for path in ("kind", "tag"):
            same = (Term(FieldRole.KEYWORD, path, text),)
            facets = (Facet(FieldRole.KEYWORD, path),)
            page = index.search(SearchQuery(All(), (Scope(space),), same, facets))
            assert [hit.key.id for hit in page.hits] == ["a"]
            assert page.facets == ((FacetCount(text, 1),),)

    @final
    @pytest.mark.parametrize("path", ["kind", "tag"])
    def test_texts_of_one_moment_are_different_values(
        self, index: SearchIndex, space: str, path: str
    ) -> None:
        self.put(
            index,
            *(record(key(space, f"{n}"), {path: one}) for n, one in enumerate(_ONE_MOMENT)),
            record(key(space, "all"), {path: list(_ONE_MOMENT)}),
        )
        query = SearchQuery(All(), (Scope(space),), facets=(Facet(FieldRole.KEYWORD, path),))
        assert index.search(query).facets == (tuple(FacetCount(one, 2) for one in _ONE_MOMENT),)
        for n, one in enumerate(_ONE_MOMENT):
            found = index.search(replace(query, filters=(Term(FieldRole.KEYWORD, path, one),)))
            assert [hit.key.id for hit in found.hits] == [f"{n}", "all"]


def record(place: Key, data: dict[str, Any]) -> Document:
    """The document of a record as the index gets it."""
    return build_document(Record(place, "anna", 1, 1, Data.of(data), ""), CATALOG)
