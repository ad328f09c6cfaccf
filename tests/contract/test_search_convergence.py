"""The indexes of ours come to equal the records, whatever happens on the way.

The suite runs a sample: CONVERGENCE_HISTORIES=1000 runs as many on each index, CONVERGENCE_SEED
others. Most of the embedded index's time goes to commits, which wait for the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.testing import CATALOG
from homeport.testing.search_convergence import SearchConvergence

_HISTORIES: Final = int(os.environ.get("CONVERGENCE_HISTORIES", "0"))
_SEED: Final = int(os.environ.get("CONVERGENCE_SEED", "0"))


class TestMemoryConvergence(SearchConvergence):
    histories = _HISTORIES or 120
    first_seed = _SEED

    @pytest.fixture
    def index(self) -> MemorySearchIndex:
        return MemorySearchIndex()


class TestEmbeddedConvergence(SearchConvergence):
    histories = _HISTORIES or 8
    first_seed = _SEED

    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[EmbeddedSearchIndex]:
        index = EmbeddedSearchIndex(tmp_path / "index", CATALOG)
        yield index
        index.close()
