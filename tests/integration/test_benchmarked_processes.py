"""What benchmarks ask of a server's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.harness.process import come_to_rest

_WORKS = """
import os, time
print(os.getpid(), flush=True)
while time.process_time() < {}:
    pass
time.sleep(60)
"""


@contextmanager
def computing(seconds: float) -> Iterator[int]:
    """A process whose child computes for so long, and then does nothing."""
    child = [sys.executable, "-c", _WORKS.format(seconds)]
    parent = f"import subprocess; subprocess.run({child!r})"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        try:
            yield process.pid
        finally:
            os.kill(worker, signal.SIGKILL)
            process.wait()


def test_a_server_is_at_rest_once_its_children_are() -> None:
    with computing(0.6) as pid:
        started = time.monotonic()
        come_to_rest(pid, patience=60)
        assert 0.6 < time.monotonic() - started < 60


def test_one_that_never_rests_is_no_server_to_measure() -> None:
    with computing(60) as pid:
        started = time.monotonic()
        with pytest.raises(RuntimeError, match="not come to rest"):
            come_to_rest(pid, patience=0.5)
        assert 0.5 <= time.monotonic() - started < 30
