"""A function in AWS's own runtime client (awslambdaric), in a process as Lambda has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.lambda_runtime.api import Outcome, RuntimeApi

SECONDS: Final = 30.0
"""For one event, unless told otherwise."""
_PATIENCE: Final = 60.0


@dataclass(slots=True)
class Running:
    """A function that waits for events."""

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    output: Path
    _read: int = field(default=0)

    def invoke(self, event: Any, seconds: float = SECONDS) -> Outcome:
        return self.api.send(event, seconds).result(_PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged since the last call. Raises ValueError where a line is no JSON."""
        text = self.output.read_text()
        new, self._read = text[self._read :], len(text)
        return [json.loads(line) for line in new.splitlines()]

    def json_lines(self) -> list[dict[str, Any]]:
        """All that it has logged so far, without what the runtime client writes in its own way:
        an error that it was given, over several lines."""
        return [json.loads(one) for one in self.text().splitlines() if one.startswith("{")]

    def text(self) -> str:
        return self.output.read_text()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """A function's: nothing of the tests' own but where programs are. Python on AWS writes no
    bytecode, and its runtime wants to know the version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "PATH": os.environ["PATH"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "homeport",
        **settings,
    }


@contextmanager
def running(handler: str, folder: Path, settings: Mapping[str, str]) -> Iterator[Running]:
    """Run `module.handler` from `folder`, where Lambda would have unpacked it."""
    api = RuntimeApi()
    output = folder.parent / f"{folder.name}-output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=folder,
            env=environment({**settings, "AWS_LAMBDA_RUNTIME_API": api.address}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Running(api, process, output)
        finally:
            process.kill()
            process.wait()
            api.close()
