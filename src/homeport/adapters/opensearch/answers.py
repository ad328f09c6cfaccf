"""Asks the index, and reads its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from homeport.adapters.opensearch import layout as fields
from homeport.adapters.opensearch.documents import key_of, key_text
from homeport.adapters.opensearch.errors import not_read
from homeport.adapters.opensearch.facets import aggregation, counted
from homeport.adapters.opensearch.highlights import Highlighter
from homeport.adapters.opensearch.query import (
    BY_KEY,
    LIVE,
    Clause,
    QueryTranslator,
    after,
    leaves,
    sort_value,
)
from homeport.adapters.opensearch.server import Server, address
from homeport.domain.limits import SEARCH_DEPTH
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.query import Hit, SearchPage, SearchQuery
from homeport.domain.model.record import Key

_VERSION: Final[Clause] = {"_source": False, "docvalue_fields": [fields.VERSION]}


class Answers:
    """Of whichever index is named. `exact` is whether all matches are counted, however many;
    otherwise a total beyond 10,000 says 10,000."""

    def __init__(self, server: Server, translator: QueryTranslator, *, exact: bool) -> None:
        self._server = server
        self._translator = translator
        self._counted = True if exact else SEARCH_DEPTH

    def page(self, index: str, query: SearchQuery) -> SearchPage:
        """One request. Raises Invalid for a sort by a field that is not declared."""
        if not query.scopes:
            return SearchPage((), 0, tuple(counted(one, {}) for one in query.facets))
        highlighter = Highlighter(query)
        answer = self._search(index, self.asked(query, highlighter), "asking the search index")
        counts = answer.get("aggregations", {})
        found = answer["hits"]
        alike = query.sort is None and not any(leaves(query.match))
        return SearchPage(
            tuple(_hit(query, one, highlighter, alike=alike) for one in found["hits"]),
            found["total"]["value"],
            tuple(counted(one, counts.get(str(n), {})) for n, one in enumerate(query.facets)),
        )

    def asked(self, query: SearchQuery, highlighter: Highlighter) -> Clause:
        """The body of the request."""
        body: Clause = {
            "query": self._translator.matching(query),
            "sort": self._translator.order(query),
            "track_total_hits": self._counted,
            **_VERSION,
        }
        if query.sort is None:
            body["size"] = max(0, min(query.limit, SEARCH_DEPTH - query.offset))
            if query.offset and body["size"]:
                body["from"] = query.offset
        else:
            body["size"] = min(query.limit, SEARCH_DEPTH)
            if query.after is not None:
                body["search_after"] = after(query.sort, query.after)
        if query.facets:
            body["aggs"] = {str(n): aggregation(one) for n, one in enumerate(query.facets)}
        marked = highlighter.asked()
        if marked is not None:
            body["highlight"] = marked
        return body

    def entries(self, index: str, limit: int, beyond: Key | None) -> list[IndexEntry]:
        """Documents by key, without removals' markers."""
        body: Clause = {
            "query": {"bool": {"filter": [LIVE]}},
            "sort": [BY_KEY],
            "size": min(limit, SEARCH_DEPTH),
            "track_total_hits": False,
            **_VERSION,
        }
        if beyond is not None:
            body["search_after"] = [key_text(beyond)]
        found = self._search(index, body, "reading the search index")["hits"]["hits"]
        return [IndexEntry(key_of(one["_id"]), _version(one)) for one in found]

    def expired(self, index: str, now: int, limit: int) -> list[tuple[Key, int]]:
        """Removals' markers that may go, with their versions."""
        body: Clause = {
            "query": {"bool": {"filter": [{"range": {fields.EXPIRES: {"lte": now}}}]}},
            "size": limit,
            "track_total_hits": False,
            **_VERSION,
        }
        found = self._search(index, body, "looking for removals that have expired")["hits"]["hits"]
        return [(key_of(one["_id"]), _version(one)) for one in found]

    def versions(self, index: str, keys: Sequence[Key]) -> list[int | None]:
        """Of what was written, whether or not searches show it yet."""
        if not keys:
            return []
        doing = "reading versions from the search index"
        answer = self._server.ask(
            "POST",
            address(index, "_mget"),
            {"ids": [key_text(key) for key in keys]},
            doing=doing,
            params={"_source_includes": f"{fields.VERSION},{fields.SPACE}"},
        )
        for one in answer["docs"]:
            if "error" in one:  # of a shard that is down; it says nothing of the document
                raise not_read(one["error"], doing)
        return [_held(one.get("_source")) for one in answer["docs"]]

    def count(self, index: str) -> int:
        """Of documents that searches show."""
        body = {"query": {"bool": {"filter": [LIVE]}}}
        answer = self._server.ask(
            "POST", address(index, "_count"), body, doing="counting what is in the search index"
        )
        return int(answer["count"])

    def shows(self, index: str, id: str, version: int) -> bool:
        """Whether a search shows this document at this version."""
        wanted = [{"term": {fields.KEY: id}}, {"term": {fields.VERSION: version}}]
        body: Clause = {"query": {"bool": {"filter": wanted}}, "size": 1, "_source": False}
        return bool(self._search(index, body, "looking for a mark")["hits"]["hits"])

    def _search(self, index: str, body: Clause, doing: str) -> Any:
        """An answer of all shards, since one that lacks some is wrong without saying so."""
        return self._server.ask(
            "POST",
            address(index, "_search"),
            body,
            doing=doing,
            params={"allow_partial_search_results": "false"},
        )


def _hit(query: SearchQuery, hit: Any, highlighter: Highlighter, *, alike: bool) -> Hit:
    highlights = highlighter.of(hit["highlight"]) if "highlight" in hit else ()
    key, version = key_of(hit["_id"]), _version(hit)
    if query.sort is not None:
        return Hit(key, version, 0.0, sort_value(query.sort, hit["sort"][0]), highlights)
    return Hit(key, version, 1.0 if alike else float(hit["_score"]), None, highlights)


def _version(hit: Any) -> int:
    return int(hit["fields"][fields.VERSION][0])


def _held(source: Any) -> int | None:
    if not source or fields.SPACE not in source:
        return None
    return int(source[fields.VERSION])
