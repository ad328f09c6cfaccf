"""What AWS's own SAM CLI brings: sample events, and the Runtime Interface Emulator.

`make` unpacks its wheel into the environment. Nothing of it is installed or imported.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Final

import pytest

SAM: Final = Path(sys.prefix) / "sam"
_MACHINES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}


def needs_sam() -> None:
    """Leave the test out where the wheel could not be had, and say so; with CI=true fail."""
    if (SAM / "samcli").is_dir():
        return
    sentence = "LEFT OUT: AWS's sample events and its emulator; `make test` fetches them"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def emulator() -> Path:
    """The Runtime Interface Emulator for this machine."""
    needs_sam()
    return SAM / f"samcli/local/rapid/aws-lambda-rie-{_MACHINES.get(platform.machine(), 'none')}"
