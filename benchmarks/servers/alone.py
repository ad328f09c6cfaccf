"""Homeport with the packages that it needs and no others: what a user has who installs it.

An environment for development holds hundreds, and dependency-injector imports five frameworks and
libraries at each start where it finds them.
"""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path

import homeport
from homeport.entrypoints.bundling.distributions import Target, needed

_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); import {0}; sys.exit({0}.main())"


def program(folder: Path) -> list[str]:
    """The command `homeport`, run from links in `folder` to what it needs."""
    target = Target(sys.version_info[:2], platform.machine())
    for name in needed(["homeport[local]"], target):
        files = metadata.distribution(name).files or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not top.endswith(".pth"):
                _link(folder / top, Path(str(metadata.distribution(name).locate_file(top))))
    _link(folder / "homeport", Path(homeport.__file__).parent)  # also where it is not installed
    # -S: without the site's packages.
    return [sys.executable, "-S", "-c", _RUN.format("homeport.entrypoints.cli"), str(folder)]


def _link(place: Path, to: Path) -> None:
    if not place.exists():
        place.symlink_to(to)
