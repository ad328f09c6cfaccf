"""Data folders with many records in them: made once without a server, and kept.

A million records over HTTP keep a server busy for long, and its index waits for the requests to
end. Here a process of its own writes them as a server does, in batches of ninety, and indexes them
through the feed of changes; what comes of it is what a server that was behind would hold: one that
keeps up has smaller batches in its index. It is kept under build/bench/loaded, and servers run on
copies of it, since they write to what they measure. Remove that folder to load anew; where the
index is of another format by now, that happens by itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.harness.command import RESULTS
from benchmarks.harness.corpus import EDITION, documents
from benchmarks.harness.traffic import Caller
from benchmarks.servers.homeport import BATCH, DEFINITION
from benchmarks.servers.loads import Row
from homeport import __version__
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.system import SystemIds
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.errors import HomeportError
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.local.server import INDEXING_BATCH, MESSAGING_BATCH

if TYPE_CHECKING:
    from homeport.adapters.embedded.search_index import EmbeddedSearchIndex

KEPT: Final = RESULTS / "loaded"
_DEFINITION: Final = "homeport.toml"
_DONE: Final = "loaded.json"
_WRITTEN: Final = "written.json"
"""Says that all records are there, until they are indexed as well."""
_TOLD: Final = 100_000
"""How often, in records, it says how far it is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data folder with so many records; `written` and `indexed` are records a second. Each
    record is told by its id, in the order of the documents, which owners take by turns."""

    folder: Path
    written: float
    indexed: float
    callers: Sequence[Caller]
    ids: Sequence[str]

    def copied(self, place: Path) -> None:
        """Put a copy of the data where a server is to run."""
        shutil.copytree(self.folder / "data", place / "data")

    def rows(self, data: Sequence[dict[str, Any]]) -> list[Row]:
        """What was loaded, from the documents that it was made of."""
        count = len(self.callers)
        return [
            Row(number % count, id, one)
            for number, (id, one) in enumerate(zip(self.ids, data, strict=True))
        ]

    def guests(self) -> list[Caller]:
        """The owners, with the tokens that a copy's server renews."""
        return [Caller(one.id, one.token, one.refresh_token) for one in self.callers]

    def mebibytes(self, part: str) -> float:
        """Of the index, or of the database, in the data folder."""
        found = self.folder.glob(f"data/{part}*")
        files = [file for one in found for file in ([one] if one.is_file() else one.rglob("*"))]
        return sum(file.stat().st_size for file in files) / 2**20


def loaded(records: int, owners: int, kept: Path, *, quick: bool = False) -> Loaded:
    """The folder with so many of the documents, made where it is not there yet."""
    # Of this schema, and of batches that lie by key: a folder that was brought to it is packed as
    # a server's is not.
    layout = f"schema-{len(MIGRATIONS)}-batches-{INDEXING_BATCH}-texts-{EDITION}"
    folder = kept / f"{records}-records-{owners}-owners-{layout}"
    if not ((folder / _DONE).exists() and _is_sound(folder)):
        if not ((folder / _WRITTEN).exists() and _is_sound(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.growing.loading", str(folder)]
        command += [str(records), str(owners), *(["quick"] if quick else [])]
        subprocess.run(command, check=True)
    found = json.loads((folder / _DONE).read_text())
    callers = [Caller(id, token, refresh) for id, token, refresh in found["callers"]]
    ids = (folder / "ids").read_text().split()
    return Loaded(folder, found["written"], found["indexed"], callers, ids)


def settled(it: Loaded) -> Loaded:
    """The same as a server leaves it that little was asked of for a while: its index put together
    anew, where a server does that."""
    folder = it.folder.with_name(f"{it.folder.name}-settled")
    done = folder / _DONE
    is_its = done.exists() and done.read_bytes() == (it.folder / _DONE).read_bytes()
    if not (is_its and _is_sound(folder)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(it.folder / _DEFINITION, folder)  # the index is made for its fields
        it.copied(folder)
        command = [sys.executable, "-m", "benchmarks.growing.loading", str(folder)]
        subprocess.run(command, check=True)
        shutil.copy(it.folder / _DONE, folder)
    return replace(it, folder=folder)


def _is_sound(folder: Path) -> bool:
    """Whether records and the index are kept now as they were then."""
    backend = _opened(folder)
    try:
        return not getattr(backend.index, "needs_rebuild", None)
    except HomeportError:
        return False
    finally:
        backend.close()


def _opened(folder: Path) -> Backend:
    return build(load(folder, {"HOMEPORT_DATA_FOLDER": str(folder / "data")}))


def _make(folder: Path, records: int, owners: int, *, quick: bool) -> None:
    """Write all, and then index all: which goes on where it was interrupted."""
    (folder / _DEFINITION).write_text(DEFINITION)
    backend = _opened(folder)
    try:
        _ = backend.indexing, backend.messages  # imported now: the source may change meanwhile
        if not (folder / _WRITTEN).exists():
            backend.index.rebuild().commit()  # of nothing: the feed fills it, as it does a server's
            guests = [backend.identity_provider.guest() for _ in range(owners)]
            list(documents(1, quick=quick))  # which reads the texts
            started = time.perf_counter()
            ids = _write(backend, [one.identity.id for one in guests], records, quick=quick)
            written = len(ids) / (time.perf_counter() - started)
            (folder / "ids").write_text("\n".join(ids))
            callers = [(one.identity.id, one.access_token, one.refresh_token) for one in guests]
            found = {"homeport": __version__, "written": written, "callers": callers}
            (folder / _WRITTEN).write_text(json.dumps(found))
        started = time.perf_counter()
        indexed = _index(backend) / (time.perf_counter() - started)
    finally:
        backend.close()
    found = json.loads((folder / _WRITTEN).read_text())
    (folder / _DONE).write_text(json.dumps({**found, "indexed": indexed}))
    (folder / _WRITTEN).unlink()


def _write(backend: Backend, owners: Sequence[str], records: int, *, quick: bool) -> list[str]:
    """Ids are given out in order, as a server does, by which the newest are listed."""
    make = SystemIds()
    ids: list[str] = []
    puts: list[Put] = []
    for number, one in enumerate(documents(records, quick=quick)):
        id, owner = make.record_id(), owners[number % len(owners)]
        ids.append(id)
        puts.append(Put(Key(owner, "notes", id), owner, Data.of(one)))
        if len(puts) == BATCH or number == records - 1:
            backend.store.write(puts)
            puts = []
        _tell("written", number + 1)
    return ids


def _index(backend: Backend) -> int:
    """Let both consumers of the feed have had everything, so that nothing is left to a server.
    Returns how many changes had still to be indexed."""
    done = 0
    while count := backend.feed.deliver("indexing", backend.indexing.consume, INDEXING_BATCH):
        done += count
        _tell("indexed", done)
    while backend.feed.deliver("messaging", backend.messages.watch, MESSAGING_BATCH):
        pass
    return done


def _settle(folder: Path) -> None:
    backend = _opened(folder)
    try:
        if cast("EmbeddedSearchIndex", backend.index).is_scattered:
            backend.indexing.rebuild(in_this_thread=True)
    finally:
        backend.close()


def _tell(what: str, done: int) -> None:
    if done % _TOLD == 0:
        print(f"    {done:,} {what}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _settle(Path(sys.argv[1]))
    else:
        place, many, spaces, *words = sys.argv[1:]
        _make(Path(place), int(many), int(spaces), quick="quick" in words)
