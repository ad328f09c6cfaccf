"""What the adapter of a search engine costs over the engine itself, for indexing and searching.

All ways index the same records and search for the same words, by turns. The adapter's way does
more: it groups fields by role, keeps versions, so that late changes are ignored, and looks in
every field. Searches go through the search service, too, whose hits are not read again here. On
OpenSearch the bare way sends the same documents and the same query. An engine more is one entry
in `_ENGINES`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from benchmarks.engines import embedded, opensearch
from benchmarks.engines.engine import MARK, Engine
from benchmarks.harness.command import LeftOut, Settings, run
from benchmarks.harness.corpus import documents, words
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from homeport.domain.document_builder import build_document
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.query import Scope, SearchPage, SearchQuery, Words
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.search_index import Capability
from homeport.domain.search import Search, SearchRequest

USUAL: Final = Settings(records=20_000)
_ENGINES: Final[Mapping[str, Callable[..., AbstractContextManager[Engine]]]] = {
    "tantivy": embedded.engine,
    "OpenSearch": opensearch.engine,
}
"""Each gives an engine for a folder, in a quick run or not. It raises LeftOut where it is not on
this machine."""
_BATCH: Final = 1000
_SCOPES: Final = (Scope(embedded.SPACE),)
_ANN: Final = Principal(embedded.SPACE, Kind.USER)


def measure(settings: Settings, report: Report, folder: Path) -> None:
    table = report.table("A second", "engine", "what", "way", "median", "spread")
    compared = report.table(
        "The rate over the engine's own", "engine", "what", "way", "median", "spread"
    )
    for name, made in _ENGINES.items():
        place = folder / name
        place.mkdir()
        try:
            with made(place, quick=settings.quick) as engine:
                indexing, searching = _rates(engine, settings)
        except LeftOut as missing:
            report.leave_out(str(missing))
            continue
        for what, found in (("documents indexed", indexing), ("searches for a word", searching)):
            for way, rates in found.items():
                spread = Spread.of(rates)
                table.add(name, what, way, spread.median, spread)
            for way in found:
                if way != "bare":
                    ratio = ratios(found[way], found["bare"])
                    compared.add(name, what, way, ratio.median, ratio)


def _rates(
    engine: Engine, settings: Settings
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Per second, by way: of indexing in batches, and of searches one after the other."""
    data = list(documents(settings.records, quick=settings.quick))
    catalog = Catalog(())
    plain = [(f"note-{number}", one) for number, one in enumerate(data)]
    built = [
        build_document(
            Record(
                Key(embedded.SPACE, "notes", id), embedded.SPACE, 1 << 40, 1 << 40, Data.of(one)
            ),
            catalog,
        )
        for id, one in plain
    ]
    engine.ready(built, _query(catalog))
    batches = range(0, len(data), max(1, len(data) // settings.rounds))
    size = batches.step
    starts = {"adapter": iter(batches), "bare": iter(batches)}

    def by_adapter() -> float:
        some = built[(start := next(starts["adapter"])) : start + size]
        started = time.perf_counter()
        for place in range(0, len(some), _BATCH):
            if engine.adapter.apply(some[place : place + _BATCH]):
                raise RuntimeError("the adapter refused a document")
        return len(some) / (time.perf_counter() - started)

    def barely() -> float:
        some = plain[(start := next(starts["bare"])) : start + size]
        started = time.perf_counter()
        for place in range(0, len(some), _BATCH):
            engine.index(some[place : place + _BATCH])
        return len(some) / (time.perf_counter() - started)

    indexing = interleaved(settings.rounds, {"adapter": by_adapter, "bare": barely})
    engine.settle()
    asked = words(data, 50 if settings.quick else 100)

    def searched(search: Callable[[str], int]) -> float:
        started = time.perf_counter()
        if not all(search(one) for one in asked):
            raise RuntimeError("a word was not found")
        return len(asked) / (time.perf_counter() - started)

    def through(word: str) -> int:
        return len(engine.adapter.search(SearchQuery(Words(word), _SCOPES, limit=10)).hits)

    service = Search(_NoStore(), engine.adapter, catalog)  # type: ignore[arg-type]  # asked little

    def served(word: str) -> int:
        return service.search(_ANN, SearchRequest(word, space="me", limit=10)).total

    # Short rounds, and more of them: a machine that is shared drifts within seconds.
    searching = interleaved(
        settings.rounds * 5,
        {
            "adapter": lambda: searched(through),
            "service": lambda: searched(served),
            "bare": lambda: searched(lambda word: len(engine.search(word))),
        },
    )
    return indexing, searching


class _NoStore:
    """Has no memberships, and none of the records."""

    def memberships(self, identity: str) -> list[Any]:
        return []

    def get_many(self, keys: Sequence[Key]) -> list[None]:
        return [None] * len(keys)


def _query(catalog: Catalog) -> SearchQuery:
    """What the service asks an index for a word."""
    asked: list[SearchQuery] = []

    class Index:
        capabilities: frozenset[Capability] = frozenset()

        def search(self, query: SearchQuery) -> SearchPage:
            asked.append(query)
            return SearchPage((), 0)

    index: Any = Index()
    request = SearchRequest(MARK, space="me", limit=10)
    Search(_NoStore(), index, catalog).search(_ANN, request)  # type: ignore[arg-type]  # likewise
    return asked[0]


if __name__ == "__main__":
    sys.exit(run("search_adapters", __doc__, measure, USUAL))
