"""On a machine without Node or curl everything else runs, and what is left out is said. In CI
nothing may be left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CLIENT = "tests/e2e/test_typescript_client.py"


def run(*command: str | Path, ci: bool, path: str) -> subprocess.CompletedProcess[str]:
    """From the checkout, with these folders alone on the path."""
    left = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**left, "PATH": path, "CI": "true" if ci else ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize(
    ("tests", "others", "said"),
    [
        (CLIENT, 1, "LEFT OUT: the TypeScript client; not on this machine: node, npm"),
        ("docs/http-api.md", 5, "LEFT OUT: the examples for curl; not on this machine: curl"),
    ],
)
def test_a_program_that_is_missing(
    tmp_path: Path, tests: str, others: int, said: str, ci: bool
) -> None:
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    done = run(*pytest_, ci=ci, path=str(tmp_path))
    *_, summary, counts = done.stdout.splitlines()
    assert said in summary
    assert summary.startswith(("FAILED", "ERROR") if ci else "SKIPPED")
    assert f"{others} passed" in counts
    assert ("1 skipped" in counts) is not ci
    assert done.returncode == (1 if ci else 0)


@pytest.mark.parametrize("ci", [False, True])
def test_a_pyright_that_cannot_start(tmp_path: Path, ci: bool) -> None:
    broken = tmp_path / "pyright"
    broken.write_text("#!/bin/sh\necho no node >&2\nexit 1\n")
    broken.chmod(0o755)
    # The environment is there: it is not to be set up anew.
    made = ("-o", ".venv/.installed-dev", f"BIN={tmp_path}")
    done = run("make", "pyright", *made, ci=ci, path=os.environ["PATH"])
    assert (done.returncode != 0) is ci
    left_out = "LEFT OUT: pyright cannot start here; mypy has checked the types\n"
    assert done.stdout == ("" if ci else left_out)
    assert ("pyright cannot start here\n" in done.stderr) is ci
