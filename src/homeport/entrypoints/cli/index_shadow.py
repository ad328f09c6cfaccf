"""`homeport index shadow`: asks two indexes the same questions, and tells where they differ."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Invalid
from homeport.domain.index_records import IndexRecords
from homeport.domain.index_shadow import Comparison, Differs, Sample, ShadowReport
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document
from homeport.domain.model.query import All, Facet, Node, Phrase, Scope, SearchQuery, Term, Words
from homeport.domain.query_parser import parse_query, split_words
from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.container import Backend


def report(backend: Backend, file: Path | None, *, as_json: bool) -> int:
    """Compare, print, and return 1 where they differ in more than the order by score."""
    second = backend.shadow
    if second is None:
        fail(Exit.USAGE, 'There is one index alone. Name another: [search] shadow = "..."')
    first = getattr(backend.index, "first", backend.index)
    comparison = Comparison(time.perf_counter)
    queries = list(_from_records(backend) if file is None else _from_file(file))
    with progress("Asking both", len(queries), "queries") as advance:
        for query in queries:
            begun = comparison.timer()
            page = first.search(query)
            comparison.compare(query, page, comparison.timer() - begun, second)
            advance(1)
    found = comparison.report()
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
    else:
        _print(found)
    worse = [kind for kind, _ in found.differing if kind is not Differs.ORDER]
    return Exit.FAILED if worse else Exit.OK


def _from_file(file: Path) -> Iterator[SearchQuery]:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"The questions in {file} cannot be read: {error}.")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _everywhere(parse_query(line))
        except Invalid as error:
            fail(Exit.USAGE, f"Line {number} of {file} cannot be asked: {error.detail}")


def _from_records(backend: Backend) -> Iterator[SearchQuery]:
    """Questions that the records answer: words and pairs of words from here and there, and the
    keywords that they are filtered by."""
    records = IndexRecords(backend.store, backend.definition.catalog())
    documents = (
        change
        for segment in range(records.segments)
        for record in islice(
            (one for _, page in records.pages(segment, records.segments, 100) for one in page),
            _RECORDS,
        )
        if isinstance(change := records.change(record.key, record, 0), Document)
    )
    yield _everywhere(All())
    for document in documents:
        words = split_words(next(iter(document.text.values()), ("",))[0])
        if words:
            middle = len(words) // 2
            yield _everywhere(Words(words[middle]))
            yield _everywhere(Phrase(tuple(words[middle : middle + 2])))
        for path, values in islice(document.keyword.items(), 1):
            scope = Scope(document.key.space, document.key.collection)
            term = Term(FieldRole.KEYWORD, path, values[0])
            facets = (Facet(FieldRole.KEYWORD, path),)
            yield SearchQuery(All(), (scope,), filters=(term,), facets=facets)


def _everywhere(match: Node) -> SearchQuery:
    return SearchQuery(match, (Scope(None),))


def _print(found: ShadowReport) -> None:
    print(f"{found.asked:,} queries, {found.equal:,} answered alike by both.")
    for kind, count in found.differing:
        print(f"{count:,} differ: {_WORDS[kind]}")
    if found.answered:
        first = found.first_seconds / found.answered * 1000
        second = found.second_seconds / found.answered * 1000
        slowest = found.slowest * 1000
        print(f"On average {first:,.1f} ms, the other {second:,.1f} ms (at most {slowest:,.1f}).")
    for sample in found.samples[:_SHOWN]:
        print(f"  {sample.query.match}: {', '.join(sample.differs)}")
        if sample.cause:
            print(f"    {sample.cause}")
            continue
        only = {"the first": sample.first, "the other": sample.second}
        for who, keys in only.items():
            others = set(sample.first if keys is sample.second else sample.second)
            alone = ["/".join(key) for key in keys if key not in others]
            if alone:
                print(f"    {who} alone has {', '.join(alone[:5])}")


def _as_json(found: ShadowReport) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "equal": found.equal,
        "differing": {str(kind): count for kind, count in found.differing},
        "first_seconds": round(found.first_seconds, 6),
        "second_seconds": round(found.second_seconds, 6),
        "slowest_seconds": round(found.slowest, 6),
        "samples": [_sample(one) for one in found.samples],
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "query": str(sample.query.match),
        "filters": [str(one) for one in sample.query.filters],
        "differs": [str(one) for one in sample.differs],
        "first": ["/".join(key) for key in sample.first],
        "second": ["/".join(key) for key in sample.second],
        "totals": list(sample.totals),
        "cause": sample.cause,
    }


_WORDS: Final = {
    Differs.HITS: "other records are found",
    Differs.ORDER: "the same records come in another order",
    Differs.TOTAL: "another number is found",
    Differs.FACETS: "facets are counted otherwise",
    Differs.FAILED: "the other did not answer",
}
_RECORDS: Final = 50
"""Records of each part of the store that questions are made of."""
_SHOWN: Final = 10
