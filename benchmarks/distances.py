"""What searches by distance cost in the data folder's index, one after the other.

Four of five records are in one city, the others anywhere. Shown are the matches, and the median
of the milliseconds: of this process's processor, since nothing of it waits, and of the clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from benchmarks.harness.command import Settings, run
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.document import Document
from homeport.domain.model.place import Place
from homeport.domain.model.query import After, All, Facet, Near, Scope, SearchQuery, Sort, Words
from homeport.domain.model.record import Key

USUAL: Final = Settings(rounds=15)
_CENTRE: Final = Place(48.2, 16.37)
_FIELDS: Final = {
    "home": FieldDeclaration(FieldRole.GEO),
    "kind": FieldDeclaration(FieldRole.KEYWORD),
}
_SPACES: Final = 100
_WORDS: Final = 2000
_BATCH: Final = 1000
_EVERYTHING: Final = "everything"


def documents(records: int) -> Iterator[Document]:
    chance = Random(7)
    for number in range(records):
        if chance.random() < 0.8:
            point = chance.gauss(_CENTRE.latitude, 0.05), chance.gauss(_CENTRE.longitude, 0.08)
        else:
            point = chance.uniform(-60, 70), chance.uniform(-180, 180)
        words = " ".join(f"word{chance.randrange(_WORDS)}" for _ in range(10))
        yield Document(
            Key(f"user{number % _SPACES}", "shops", f"n{number}"),
            1,
            "ann",
            text={"title": (words,)},
            keyword={"kind": (f"kind{number % 10}",)},
            geo={"home": (point,)},
        )


def queries() -> Iterator[tuple[str, SearchQuery]]:
    every, own = (Scope(None),), (Scope("user7"),)
    nearest = Sort(FieldRole.GEO, "home", place=_CENTRE)
    near = {metres: (Near("home", _CENTRE, metres),) for metres in (500, 5000, 20_000)}
    yield _EVERYTHING, SearchQuery(All(), every)
    for metres, circle in near.items():
        yield f"within {metres} m", SearchQuery(All(), every, circle)
    yield "within 5000 m, of one space", SearchQuery(All(), own, near[5000])
    yield "within 5000 m, with a word", SearchQuery(Words("word7"), every, near[5000])
    facets = (Facet(FieldRole.KEYWORD, "kind"),)
    yield "within 5000 m, with a facet", SearchQuery(All(), every, near[5000], facets)
    yield "the nearest", SearchQuery(All(), every, sort=nearest)
    yield "the nearest, of one space", SearchQuery(All(), own, sort=nearest)
    yield "the nearest within 5000 m", SearchQuery(All(), every, near[5000], sort=nearest)
    beyond = After(5000.0, Key("user0", "shops", "n0"))
    yield "the nearest beyond 5000 m", SearchQuery(All(), every, sort=nearest, after=beyond)


def measure(settings: Settings, report: Report, folder: Path) -> None:
    table = report.table(
        "Searches by distance, in milliseconds",
        *("search", "matches", "processor", "spread", "clock"),
    )
    catalog = Catalog([Collection("shops", fields=_FIELDS)])
    index = EmbeddedSearchIndex(folder / "index", catalog)
    rebuild = index.rebuild()
    waiting = documents(settings.records)
    while batch := list(islice(waiting, _BATCH)):
        rebuild.apply(batch)
    rebuild.commit()
    for name, query in queries():
        total, spent = 0, list[tuple[float, float]]()
        for _ in range(settings.rounds):
            begun = time.thread_time(), time.perf_counter()
            total = index.search(query).total
            spent.append((time.thread_time() - begun[0], time.perf_counter() - begun[1]))
        processor, clock = ([one * 1000 for one in times] for times in zip(*spent, strict=True))
        table.add(name, total, median(processor), Spread.of(processor), median(clock), clock=clock)
        if name == _EVERYTHING and total != settings.records:
            report.faults.append(f"{total} of {settings.records} records were found")
    index.close()


if __name__ == "__main__":
    sys.exit(run("distances", __doc__, measure, USUAL))
