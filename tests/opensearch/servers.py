"""OpenSearch as processes of their own, on free ports of 127.0.0.1.

The real server comes from Maven Central, once, into the environment that runs the tests. The
quick one is osmem-server: it starts at once, and shows writes without being asked to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers import first_free, free_port
from tests.tools import needs

_POM = Path(__file__).with_name("pom.xml")
_PORTS = range(9201, 9300)
"""The server's launcher takes no others."""
_SHORT_LIFE = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""A server of some minutes does not live to see what more compilation and more collectors cost
come back: they took half of its processor time."""
_START_SECONDS = 180
_STOP_SECONDS = 20


@contextmanager
def real_server(folder: Path, port: int | None = None, *, lasting: bool = False) -> Iterator[str]:
    """The URL of an OpenSearch server that keeps its data in `folder`, for the length of a
    with-block. `lasting` is for those whose speed is looked at."""
    needs("what needs a real OpenSearch server", "java", "mvn")
    jars = _jars()
    port = first_free(_PORTS) if port is None else port
    log = folder / "opensearch.log"
    command = [
        *("java", "-Xms512m", "-Xmx512m", "-XX:-UsePerfData", *(() if lasting else _SHORT_LIFE)),
        *("-cp", f"{jars}/*"),
        "org.codelibs.opensearch.runner.OpenSearchRunner",
        *("-basePath", str(folder / "node"), "-numOfNode", "1"),
        *("-baseHttpPort", str(port - 1), "-clusterName", f"homeport-{port}"),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/_cluster/health", log)
        _heed_no_full_disk(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


@contextmanager
def quick_server(folder: Path) -> Iterator[str]:
    """The URL of an osmem-server, for the length of a with-block."""
    found = find_spec("osmem_server")
    assert found is not None and found.origin is not None
    program = Path(found.origin).parent / "bin" / "osmem-server"
    port = free_port()
    log = folder / "osmem.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, "-addr", f"127.0.0.1:{port}", "-no-stdin-watch"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def _jars() -> Path:
    """The folder with the server's jars, fetched where it is not there yet."""
    wanted = hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    jars = Path(sys.prefix) / "opensearch" / wanted
    if jars.is_dir():
        return jars
    jars.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
        shutil.copy(_POM, folder)
        command = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", "-DoutputDirectory=lib"]
        fetched = subprocess.run(
            [*command, *options], cwd=folder, capture_output=True, text=True, check=False
        )
        if fetched.returncode:
            sentence = f"LEFT OUT: mvn cannot fetch OpenSearch here:\n{fetched.stdout[-2000:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(sentence, pytrace=False)
            pytest.skip(sentence)
        try:
            Path(folder, "lib").rename(jars)
        except OSError:
            if not jars.is_dir():  # another run of the tests was faster
                raise
    return jars


def _heed_no_full_disk(url: str) -> None:
    """How full this machine's disk is, is nothing to the tests."""
    setting = {"cluster.routing.allocation.disk.threshold_enabled": False}
    request = urllib.request.Request(
        f"{url}/_cluster/settings",
        json.dumps({"persistent": setting}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=30):
        return


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
