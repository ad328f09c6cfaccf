"""The example app's own tests pass, in a project of their own as its authors would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "docs" / "example-app"


def test_the_example_apps_tests_pass() -> None:
    written = len(re.findall(r"^def test_", (APP / "test_shopping.py").read_text(), re.MULTILINE))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=APP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{written} passed" in done.stdout
