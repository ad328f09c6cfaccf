"""How a reader's process is started."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOWN = "from homeport.entrypoints.local.reader_process import _flags; print(*_flags())"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ["-P"]),
        (["-s"], ["-P", "-s"]),
        (["-E"], ["-P", "-E"]),
        (["-E", "-s"], ["-P", "-E", "-s"]),
        (["-I"], ["-I"]),
    ],
    ids=lambda one: " ".join(one) or "none",
)
def test_it_loads_no_code_that_its_parent_would_not(given: list[str], kept: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *given, "-c", SHOWN],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == kept
