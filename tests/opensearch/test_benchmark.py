"""The benchmark of search engines works, on the tests' own server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_benchmarks import ELSEWHERE, REPOSITORY, check


def test_the_adapters_are_compared_with_their_engines(opensearch: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--quick", "--only", ELSEWHERE]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)],
        env={**os.environ, "HOMEPORT_TEST_OPENSEARCH": opensearch},
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    check(ELSEWHERE, tmp_path)
