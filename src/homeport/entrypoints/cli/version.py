"""`homeport version`."""

from __future__ import annotations

import platform
import sys
from argparse import Namespace

from homeport import __version__
from homeport.entrypoints.cli.exits import Exit


def run(_: Namespace) -> int:
    print(f"homeport {__version__}")
    print(f"Python {platform.python_version()} ({sys.executable})")
    return Exit.OK
