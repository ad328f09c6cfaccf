"""Functions in AWS's Runtime Interface Emulator: the same, in what AWS runs images with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from homeport.entrypoints import operations
from homeport.entrypoints.lambdas.needs import PORTS
from tests.lambda_runtime import events
from tests.lambda_runtime.process import environment
from tests.lambda_runtime.sam import emulator
from tests.lambda_runtime.test_functions import TAKEN
from tests.servers import free_port

_SECONDS = 60


@contextmanager
def emulated(handler: str, folder: Path, **settings: str) -> Iterator[Any]:
    """Gives what invokes a function that the emulator runs."""
    if sys.platform != "linux":
        pytest.skip("LEFT OUT: AWS's emulator, which is for Linux alone")
    port = free_port()
    addresses = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
    inner = ("--runtime-api-address", f"127.0.0.1:{free_port()}")
    program = (sys.executable, "-m", "awslambdaric", handler)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [emulator(), *addresses, *inner, *program],
            cwd=folder,
            env=environment({"HOMEPORT_PROFILE": "memory", **settings}),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield lambda event: _invoke(port, event, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _invoke(port: int, event: Any, process: subprocess.Popen[bytes]) -> Any:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    until = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=_SECONDS) as got:
                return json.loads(got.read())
        except ConnectionError:
            raise
        except OSError:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)


def test_a_function_answers_in_the_emulator(tmp_path: Path) -> None:
    with emulated("homeport.entrypoints.lambdas.health.handler", tmp_path) as invoke:
        assert invoke(events.request("GET /v1/health"))["statusCode"] == 200
        assert invoke(events.sample("apigateway/HttpApi"))["statusCode"] == 404
        refused = invoke(events.sample("sqs/Sqs"))
        assert refused["errorType"] == "UnknownEvent"
    lines = [one for one in (tmp_path / "log").read_text().splitlines() if one.startswith("{")]
    assert [json.loads(one)["errors"] for one in lines] == [0, 0, 1]


def test_the_emulator_gives_the_time_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(
        "import time\n"
        "from homeport.adapters.memory.search_index import MemorySearchIndex\n"
        "class Index(MemorySearchIndex):\n"
        "    def search(self, query):\n"
        "        time.sleep(60)\n"
    )
    handler = "homeport.entrypoints.lambdas.search.handler"
    settings = {
        "HOMEPORT_ADAPTERS__SEARCH_INDEX": "faulty:Index",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "5",
    }
    token = {"id": "ann", "kind": "user", "expires": int(time.time()) + 3600}
    with emulated(handler, tmp_path, **settings) as invoke:
        answer = invoke(events.request("GET /v1/search", "/v1/search?q=soup", token=token))
    assert answer["statusCode"] == 503
    assert "too long" in answer["body"]


def test_a_function_that_cannot_start_answers_in_the_emulator(tmp_path: Path) -> None:
    (tmp_path / "entry.py").write_text(
        "from homeport.entrypoints.lambdas.health import handler\nhandler.start()\n"
    )
    with emulated("entry.handler", tmp_path, HOMEPORT_PROFILE="nonsense") as invoke:
        answer = invoke(events.request("GET /v1/health"))
    assert answer["statusCode"] == 503
    assert "could not start" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("function", PORTS)
def test_every_function_answers_in_the_emulator(function: str, tmp_path: Path) -> None:
    """An event of its own where it needs nothing for that but memory, and AWS's samples."""
    own: dict[str, tuple[Any, Any]] = {
        "authorizer": (
            events.question(None),
            {"isAuthorized": True, "context": {"problem": "missing"}},
        ),
        "indexing": (events.change("soup", 1 << 40), {"batchItemFailures": []}),
    }
    others = [name for name in events.samples() if name not in TAKEN[function]]
    with emulated(f"homeport.entrypoints.lambdas.{function}.handler", tmp_path) as invoke:
        if function in own:
            event, answer = own[function]
            assert invoke(event) == answer
        if function in operations.FUNCTIONS:
            assert invoke(events.sample("apigateway/HttpApi"))["statusCode"] == 404
        for name in others:
            assert invoke(events.sample(name))["errorType"] == "UnknownEvent", name
