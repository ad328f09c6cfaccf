"""The example app's own tests pass, in a project of their own as its authors would run them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
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


def test_the_example_app_can_be_installed(tmp_path: Path) -> None:
    copy = tmp_path / "app"
    copy.mkdir()
    for file in APP.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, copy],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        modules = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert modules == {"shopping.py"}
