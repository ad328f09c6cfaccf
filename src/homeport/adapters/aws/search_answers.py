"""Asks CloudSearch, and reads its answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.search_documents import Operations, key_of
from homeport.adapters.aws.search_errors import SEARCH_SETTING, search_error
from homeport.adapters.aws.search_expressions import every, quoted
from homeport.adapters.aws.search_facets import asked_facets, read_facets
from homeport.adapters.aws.search_highlights import Highlighter
from homeport.adapters.aws.search_query import (
    EVERYTHING,
    LIVE,
    QueryTranslator,
    beyond,
    has_keys,
    keys_beyond,
    leaves,
)
from homeport.domain.errors import Invalid
from homeport.domain.limits import SEARCH_DEPTH
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.query import Hit, SearchPage, SearchQuery, Sort
from homeport.domain.model.record import Key

if TYPE_CHECKING:
    from mypy_boto3_cloudsearchdomain import CloudSearchDomainClient


class Answers:
    """`client` gives the client of the search endpoint."""

    def __init__(
        self,
        client: Callable[[], CloudSearchDomainClient],
        translator: QueryTranslator,
        operations: Operations,
    ) -> None:
        self._client = client
        self._translator = translator
        self._columns = operations.columns

    def page(self, query: SearchQuery) -> SearchPage:
        """One request; two for a page that goes on after a place, since what is counted does
        not begin there; and one more each time that a field is counted in another way. Raises
        Invalid for a sort by a field that is not declared, and for what CloudSearch cannot do."""
        if not query.scopes:
            return SearchPage((), 0, read_facets(query.facets, [{}] * len(query.facets)))
        asked: dict[str, Any] = {
            "query": self._translator.match(query.match),
            "queryOptions": json.dumps({"fields": self._translator.default_fields}),
            "filterQuery": self._translator.within(query),
        }
        counted, *more = asked_facets(query.facets) or [{}]
        highlighter = Highlighter(query, f"<{secrets.token_hex(8)}>")
        if query.sort is None:
            size = max(0, min(query.limit, SEARCH_DEPTH - query.offset))
            start = query.offset if size else 0
            answer = self._ask(asked | counted | self._by_score(query, highlighter, size, start))
            counts = [answer, *self._counts(asked, more)]
            return _page(query, answer, counts, highlighter)
        shown = asked | self._by_field(query.sort, query.limit, highlighter)
        if query.after is None:
            answer = self._ask(shown | counted)
            counts = [answer, *self._counts(asked, more)]
            return _page(query, answer, counts, highlighter)
        shown["filterQuery"] = every([asked["filterQuery"], beyond(query.sort, query.after)])
        counts = self._counts(asked, [counted, *more])
        return _page(query, self._ask(shown), counts, highlighter)

    def _counts(self, asked: Mapping[str, Any], facets: Sequence[Mapping[str, str]]) -> list[Any]:
        """Answers without hits, one for each group of facets."""
        none = {"size": 0, "returned": ["_no_fields"]}
        return [self._ask({**asked, **one, **none}) for one in facets]

    def entries(self, limit: int, after: Key | None) -> list[IndexEntry]:
        """Documents by key, without markers."""
        wanted = LIVE if after is None else every([LIVE, keys_beyond(after)])
        answer = self._ask(
            {
                "query": EVERYTHING,
                "filterQuery": wanted,
                "sort": f"{fields.KEY} asc",
                "size": min(limit, SEARCH_DEPTH),
                "returned": [fields.KEY, fields.VERSION],
            }
        )
        return [IndexEntry(_key(one), _version(one)) for one in answer["hits"].get("hit", ())]

    def documents(self) -> int:
        """How many there are, without markers."""
        asked = {"query": EVERYTHING, "filterQuery": LIVE, "size": 0, "returned": ["_no_fields"]}
        return _total(self._ask(asked))

    def own(self, id: str) -> str | None:
        """What is in a document of the index's own."""
        asked = {
            "query": EVERYTHING,
            "filterQuery": f"{fields.KEY}:{quoted(id)}",
            "size": 1,
            "returned": [fields.VERSION],
        }
        found = self._ask(asked)["hits"].get("hit", ())
        return str(found[0]["fields"][fields.VERSION][0]) if found else None

    def versions(self, keys: Sequence[Key], *, markers: bool = True) -> dict[Key, int]:
        """The versions that the index shows of these keys; of markers, if they count, too."""
        found: dict[Key, int] = {}
        for start in range(0, len(keys), _KEYS):
            part = keys[start : start + _KEYS]
            wanted = has_keys(part)
            answer = self._ask(
                {
                    "query": EVERYTHING,
                    "filterQuery": wanted if markers else every([LIVE, wanted]),
                    "size": len(part),
                    "returned": [fields.KEY, fields.VERSION],
                }
            )
            found.update((_key(one), _version(one)) for one in answer["hits"].get("hit", ()))
        return found

    def shows(self, wanted: str) -> bool:
        """Whether the index shows anything of which this is true."""
        asked = {"query": EVERYTHING, "filterQuery": wanted, "size": 0, "returned": ["_no_fields"]}
        return _total(self._ask(asked)) > 0

    def _by_score(
        self, query: SearchQuery, highlighter: Highlighter, size: int, start: int
    ) -> dict[str, Any]:
        """Without a word to score by, everything is alike, and comes by key."""
        by_key = f"{fields.KEY} asc"
        return {
            "sort": f"_score desc,{by_key}" if any(leaves(query.match)) else by_key,
            "size": size,
            "start": start,
            **_returned(["_score"], highlighter),
        }

    def _by_field(self, sort: Sort, size: int, highlighter: Highlighter) -> dict[str, Any]:
        if sort.role is FieldRole.GEO:
            raise Invalid("This search index knows no distances.")
        if (sort.role, sort.field) not in self._columns:
            raise Invalid(f"{sort.field} is not declared, so it cannot be sorted by.")
        name = fields.first_field(sort.role, sort.field)
        return {
            "sort": f"{name} {'desc' if sort.descending else 'asc'},{fields.KEY} asc",
            "size": min(size, SEARCH_DEPTH),
            **_returned([name], highlighter),
        }

    def _ask(self, asked: Mapping[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        request = {name: value for name, value in asked.items() if name != "returned"}
        request["return"] = ",".join(asked["returned"])
        try:
            return self._client().search(queryParser="structured", **request)
        except (BotoCoreError, ClientError) as exc:
            raise search_error(exc, "asking the search index", SEARCH_SETTING) from exc


def _returned(names: Sequence[str], highlighter: Highlighter) -> dict[str, Any]:
    returned = [fields.KEY, fields.VERSION, *names, *highlighter.fields]
    if not highlighter.fields:
        return {"returned": returned}
    return {"returned": returned, "highlight": json.dumps(highlighter.asked())}


def _page(
    query: SearchQuery, answer: Any, counts: Sequence[Any], highlighter: Highlighter
) -> SearchPage:
    has_words = any(leaves(query.match))
    hits = tuple(
        _hit(query.sort, one, highlighter, alike=not has_words)
        for one in answer["hits"].get("hit", ())
    )
    return SearchPage(hits, _total(counts[0]), read_facets(query.facets, counts))


def _hit(sort: Sort | None, hit: Any, highlighter: Highlighter, *, alike: bool) -> Hit:
    held = hit["fields"]
    highlights = highlighter.of(held, hit.get("highlights", {}))
    if sort is None:
        score = 1.0 if alike else float(held["_score"][0])
        return Hit(_key(hit), _version(hit), score, None, highlights)
    values = held.get(fields.first_field(sort.role, sort.field))
    value = _sort_value(sort.role, values[0]) if values else None
    return Hit(_key(hit), _version(hit), 0.0, value, highlights)


def _sort_value(role: FieldRole, text: str) -> Any:
    if role is FieldRole.KEYWORD:
        return fields.from_sortable(text)
    return float(text) if role is FieldRole.NUMBER else int(text)


def _key(hit: Any) -> Key:
    return key_of(hit["fields"][fields.KEY][0])


def _version(hit: Any) -> int:
    return int(hit["fields"][fields.VERSION][0])


def _total(answer: Any) -> int:
    return int(answer["hits"]["found"])


_KEYS: Final = 100
"""Asked for at once: a query has at most 1,024 clauses."""
