"""How a worker's process is started."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SHOWN = "from homeport.entrypoints.local.worker_process import _flags; print(*_flags())"


ASKED = """
import ctypes
from homeport.entrypoints.local import worker_process
worker_process._end_with_parent()
found = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(found))
print(found.value)
"""
"""2 is PR_GET_PDEATHSIG."""


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


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends it")
def test_the_kernel_ends_it_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKED], check=True, capture_output=True, text=True, timeout=30
    )
    assert int(done.stdout) == signal.SIGKILL
