"""Programs that are not Python's: without them a test is left out, and says so; never in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(what: str, *programs: str) -> None:
    """Skip the test of `what` where a program is missing; with CI=true it fails instead."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    sentence = f"LEFT OUT: {what}; not on this machine: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
