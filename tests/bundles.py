"""Bundles for tests, and events answered from one alone: nothing else can be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import HOMEPORT

_ANSWER = """
import json, os, sys
folder = sys.argv[1]
sys.path[:] = [one for one in sys.path if "site-packages" not in one]
sys.path.insert(0, folder)
os.chdir(folder)
import homeport_function
answers = [homeport_function.handler(one, None) for one in json.load(sys.stdin)]
files = {name: getattr(one, "__file__", None) or "" for name, one in sys.modules.items()}
outside = [name for name, file in files.items() if "site-packages" in file]
print(json.dumps({"answers": answers, "modules": sorted(sys.modules), "outside": outside}))
"""


def bundle(
    function: str,
    output: Path,
    *options: str,
    folder: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `homeport bundle` in `folder`, on the adapters in memory unless told otherwise."""
    environ = {name: one for name, one in os.environ.items() if not name.startswith("HOMEPORT_")}
    return subprocess.run(
        [HOMEPORT, "bundle", function, "-o", output, *options],
        cwd=folder or output.parent,
        env={**environ, "HOMEPORT_PROFILE": "memory", **(settings or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def answered(
    folder: Path, events: Sequence[Any], settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`answers` of a bundle's handler, with only that folder to import from (besides Python's
    own library), the `modules` that were loaded, and its `log`."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ANSWER, folder],
        env={"PATH": os.environ["PATH"], "AWS_REGION": "eu-west-1", **(settings or {})},
        input=json.dumps(list(events)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *log, last = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(last)
    assert told.pop("outside") == []
    return {**told, "log": [json.loads(line) for line in log]}
