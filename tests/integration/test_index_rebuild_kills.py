"""A rebuild of the embedded index that is killed, with SIGKILL, at each of its steps.

Whatever the step, readers find everything meanwhile, the next process goes on, and what it ends
with equals the records.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.container import build
from homeport.definition import Definition
from homeport.domain.model.data import Data
from homeport.domain.model.query import All, Scope, SearchQuery, Words
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put, Write

RECORDS = 400
EVERYTHING = SearchQuery(All(), (Scope(None),))
FOXES = SearchQuery(Words("fox"), (Scope(None),))

# Each step is one that something can be seen of in the folder. The child counts them, and kills
# itself right before the one that it is told, or after it.
CHILD = """
import json, os, shutil, signal, sys
from pathlib import Path
from homeport.adapters.embedded import search_folder, search_generation
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain import index_rebuild
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog

index_rebuild._PAGE, index_rebuild._KEEP_RECORDS = 20, 60
folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def deadly(owner, name):
    sound = getattr(owner, name)
    def wrapped(*args, **kwargs):
        step()
        result = sound(*args, **kwargs)
        step()
        return result
    setattr(owner, name, wrapped)

deadly(search_folder.IndexFolder, "_write")
deadly(search_folder.IndexFolder, "forget_filling")
deadly(search_folder.IndexFolder, "keep_only")
deadly(search_generation.Generation, "apply")
deadly(search_generation.Generation, "_commit")
deadly(search_generation.Generation, "filled")
deadly(Path, "replace")
deadly(shutil, "rmtree")
store = EmbeddedRecordStore(Database(folder), SystemClock(), SystemIds())
index = EmbeddedSearchIndex(folder / "index", Catalog())
Indexing(store, index, Catalog(), segments=2).rebuild()
print(steps)
"""


def rebuild(folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(fatal)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def check_readers(folder: Path) -> None:
    """Everything is found by a process beside, whatever happens to the rebuild."""
    catalog = Definition(data_folder=folder).catalog()
    index = EmbeddedIndexBeside(folder / "index", catalog)
    assert index.search(EVERYTHING).total == RECORDS
    assert index.search(FOXES).total == RECORDS // 2


def finish(folder: Path) -> int:
    """Go on with it. Returns how many records it did not have to bring in again."""
    backend = build(Definition(data_folder=folder))
    rebuilt = backend.indexing.rebuild()
    drift = backend.indexing.verify()
    assert drift.clean
    assert drift.records == RECORDS
    assert not backend.index.status().rebuilding
    backend.close()
    assert len(list((folder / "index").iterdir())) == 3  # CURRENT, what it points to, and SOUND
    return rebuilt.resumed


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose index is right."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    backend = build(Definition(data_folder=folder))
    backend.index.rebuild().commit()
    writes: list[Write] = [
        Put(Key("ann", "notes", f"n{n}"), "ann", Data.of({"text": ("fox", "hound")[n % 2]}))
        for n in range(RECORDS + 20)
    ]
    for start in range(0, len(writes), 90):
        backend.store.write(writes[start : start + 90])
    backend.store.write([Delete(writes[RECORDS + n].key, "ann") for n in range(20)])
    while backend.feed.deliver("indexing", backend.indexing.consume):
        pass
    backend.close()
    return folder


def test_it_goes_on_after_it_was_killed_at_any_step(filled: Path, tmp_path: Path) -> None:
    def copy() -> Path:
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        return shutil.copytree(filled, tmp_path / "data")

    whole = rebuild(copy(), 0)
    steps = int(whole.stdout)
    assert steps > 40
    # Of those in the middle, which repeat, a few; of the end, where the swap is, most.
    chosen = {*range(1, 6, 2), *range(8, steps - 16, 11), *range(steps - 16, steps + 1, 2)}
    resumed = 0
    for fatal in sorted(chosen):
        folder = copy()
        killed = rebuild(folder, fatal)
        if killed.returncode == 0:
            # How many steps there are depends on which of the two threads gets how far first.
            assert int(killed.stdout) < fatal
            assert fatal > steps // 2
            continue
        assert killed.returncode == -signal.SIGKILL, (fatal, killed.stderr)
        check_readers(folder)
        resumed += finish(folder) > 0
    assert resumed > 5


def test_it_comes_to_its_end_though_it_is_killed_time_and_again(
    filled: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(filled, tmp_path / "data")
    for _ in range(20):
        done = rebuild(folder, 40)
        check_readers(folder)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    else:
        raise AssertionError("it never comes to its end")
    finish(folder)
