"""Programs that are not Python's: without them a test is left out, and says so; never in CI. And
programs whom the modes of files bind, as they do not bind root, as whom containers run tests."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

import pytest

_BOUND: Final = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def needs(what: str, *programs: str) -> None:
    """Skip the test of `what` where a program is missing; with CI=true it fails instead."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    sentence = f"LEFT OUT: {what}; not on this machine: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def bound_by_modes(*command: str) -> list[str]:
    """The command, for a program that may read and write only what the modes of files allow its
    user: as root on Linux it loses the right to pass over them."""
    return [sys.executable, "-c", _BOUND, *command] if os.geteuid() == 0 else list(command)
