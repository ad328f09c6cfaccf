"""`homeport version`."""

from __future__ import annotations

import json
import platform
import sys
from argparse import Namespace

from homeport import __version__
from homeport.entrypoints.cli.exits import Exit


def run(arguments: Namespace) -> int:
    if arguments.json:
        versions = {
            "homeport": __version__,
            "python": platform.python_version(),
            "executable": sys.executable,
        }
        print(json.dumps(versions, indent=2))
        return Exit.OK
    print(f"homeport {__version__}")
    print(f"Python {platform.python_version()} ({sys.executable})")
    return Exit.OK
