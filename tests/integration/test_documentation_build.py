"""The documentation builds without a warning: every page is in the navigation, no link breaks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = (REPOSITORY / "docs").rglob("*.md")
    built = {path.relative_to(REPOSITORY / "docs").with_suffix(".html") for path in pages}
    assert all((site / one).exists() for one in built)
