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
    docs = REPOSITORY / "docs"
    pages = [one.relative_to(docs) for one in [*docs.glob("*.md"), *docs.glob("decisions/*.md")]]
    assert len(pages) > 10
    assert [one for one in pages if not (site / one.with_suffix(".html")).exists()] == []
