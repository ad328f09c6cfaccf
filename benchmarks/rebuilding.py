"""Rebuilding and verifying the search index: how long it takes, and in how much memory.

Each part runs in a process of its own on one data folder, which reports its time (of the clock
and of its own processor) and, at every tenth of the way, the memory that it has resident. With
--opensearch the index is on a server, without a URL on a real one that is started for it, and what
was found goes to rebuilding_opensearch.json; a part more then sends the same documents by the
client's own helper to a bare index, to tell what the engine takes by itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from opensearchpy import OpenSearch, helpers

from benchmarks.harness.command import Settings, answer, parse, parser, settings_of, used
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread
from homeport.adapters.opensearch.documents import Operations
from homeport.adapters.opensearch.layout import Layout
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.document_builder import build_document
from homeport.domain.index_records import Stage
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from tests.opensearch.servers import real_server

USUAL: Final = Settings()
_CHILD: Final = "--child"
"""Says that this process is to do one part."""
_PARTS: Final = ("fill", "rebuild", "verify", "bulk")
_BATCH: Final = 90
_WORDS: Final = 5000
_PREFIX: Final = "homeport-bench"


def fill(backend: Backend, records: int) -> None:
    """Notes of about 300 characters, of words that are as unevenly frequent as words are."""
    chance = Random(7)
    words = [f"word{number}" for number in range(_WORDS)]
    weights = [1 / (number + 1) for number in range(_WORDS)]
    for start in range(0, records, _BATCH):
        backend.store.write(
            [
                Put(Key(f"user{n % 1000}", "notes", f"n{n}"), "ann", Data.of(_note(n, texts)))
                for n, texts in (
                    (n, chance.choices(words, weights, k=40))
                    for n in range(start, min(start + _BATCH, records))
                )
            ]
        )


def _note(number: int, words: list[str]) -> dict[str, Any]:
    return {"title": " ".join(words[:5]), "body": " ".join(words), "kind": words[0], "n": number}


class Watch:
    """The memory of this process at each tenth of every stage, and the seconds of each."""

    def __init__(self, records: int) -> None:
        self._lock = threading.Lock()
        self._tenth = max(1, records // 10)
        self._done = dict.fromkeys(Stage, 0)
        self._last = time.perf_counter()
        self.megabytes: list[int] = []
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: Stage, done: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
            self._last = now
            before = self._done[stage]
            self._done[stage] += done
            if before // self._tenth != self._done[stage] // self._tenth:
                self.megabytes.append(resident())


def resident(which: str = "VmRSS") -> int:
    """MB of this process: now, or at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) // 1024
    raise LookupError(which)


def definition(folder: Path, opensearch: str | None) -> Definition:
    """A data folder, whose index may be on a search server instead."""
    if opensearch is None:
        return Definition(data_folder=folder)
    return Definition.of(
        {
            "data_folder": folder,
            "adapters": {"search_index": "opensearch"},
            "opensearch": {"url": opensearch, "prefix": _PREFIX, "replicas": 0},
        }
    )


def bulk(backend: Backend, url: str) -> tuple[float, float]:
    """Send what a rebuild sends to an index of the same mapping. Returns when that began: the
    documents are made before."""
    layout = Layout(Catalog(()), replicas=0)
    operations = Operations(layout)
    name = f"{_PREFIX}-0bare"
    records, after = [], None
    while page := backend.store.scan(0, 1, 1000, after):
        records += page
        after = page[-1].key
    lines = [operations.put(build_document(one, Catalog(()))).lines for one in records]
    sources = (json.loads(one.split(b"\n")[1]) for one in lines)
    actions = [{"_index": name, "_id": one["key"], "_source": one} for one in sources]
    client = OpenSearch([url], http_compress=True)
    client.indices.create(index=name)
    try:
        begun = time.perf_counter(), time.process_time()
        helpers.bulk(client, actions, chunk_size=1000)
    finally:
        client.close()
    return begun


def child(part: str, folder: Path, records: int, opensearch: str | None) -> dict[str, Any]:
    backend = build(definition(folder, opensearch))
    watch = Watch(records)
    _ = backend.index
    before = resident()
    begun, begun_processor = time.perf_counter(), time.process_time()
    if part == "fill":
        fill(backend, records)
    elif part == "bulk":
        assert opensearch is not None
        begun, begun_processor = bulk(backend, opensearch)
    elif part == "rebuild":
        assert backend.indexing.rebuild(watch).records == records
    else:
        assert backend.indexing.verify(watch).clean
    seconds = time.perf_counter() - begun
    backend.close()
    return {
        "seconds": seconds,
        "processor_seconds": time.process_time() - begun_processor,
        "per_second": records / seconds,
        "mb_before": before,
        "mb_at_most": resident("VmHWM"),
        "mb_on_the_way": watch.megabytes,
        "seconds_of": watch.seconds,
    }


def measure(
    settings: Settings, report: Report, folder: Path, opensearch: str | None = None
) -> None:
    """`opensearch` is the URL of a server; empty: one is started."""
    table = report.table(
        f"{settings.records:,} records", "part", "seconds", "of the processor", "records a second",
        "MB before", "MB at most", "MB at each tenth of the way",
    )  # fmt: skip
    stages = report.table("Stages, in seconds", "part", "stage", "seconds")
    with ExitStack() as opened:
        if opensearch == "":
            opensearch = opened.enter_context(real_server(folder, lasting=True))
        for part in _PARTS if opensearch else _PARTS[:3]:
            print(f"  {part} ...", flush=True)
            command = [sys.executable, "-m", "benchmarks.rebuilding", _CHILD, part]
            command += [str(folder / "data"), str(settings.records), opensearch or ""]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout)
            tenths = found["mb_on_the_way"]
            table.add(
                *(part, found["seconds"], found["processor_seconds"], found["per_second"]),
                *(found["mb_before"], found["mb_at_most"]),
                Spread.of(tenths) if tenths else None,
            )
            for stage, seconds in found["seconds_of"].items():
                stages.add(part, stage, seconds)


def main() -> int:
    if sys.argv[1:2] == [_CHILD]:
        part, folder, records, opensearch = sys.argv[2:]
        print(json.dumps(child(part, Path(folder), int(records), opensearch or None)))
        return 0
    made = parser((__doc__ or "").splitlines()[0], used("rebuilding"))
    made.add_argument(
        "--opensearch", metavar="URL", nargs="?", const="", help="a server to have the index on"
    )
    options = parse(made)
    url = options.opensearch
    question = "rebuilding" if url is None else "rebuilding_opensearch"
    measuring = partial(measure, opensearch=url)
    return 0 if answer(question, measuring, settings_of(options, USUAL), options.results) else 1


if __name__ == "__main__":
    sys.exit(main())
