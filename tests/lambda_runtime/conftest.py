"""Functions in AWS's runtime client, each in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lambda_runtime.process import Running, running

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `module.handler` on the adapters in memory; `files` lie beside it, and `settings`
    are variables of its environment."""
    if find_spec("awslambdaric") is None:
        assert sys.platform != "linux"
        pytest.skip("LEFT OUT: AWS's runtime client, which is for Linux alone")
    with ExitStack() as closing:

        def run(handler: str, files: dict[str, str] | None = None, **settings: str) -> Running:
            folder = tmp_path / handler
            folder.mkdir()
            for name, text in (files or {}).items():
                (folder / name).write_text(text)
            chosen = {"HOMEPORT_PROFILE": "memory", **settings}
            return closing.enter_context(running(handler, folder, chosen))

        yield run
