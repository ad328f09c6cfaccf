"""Functions as processes, as Lambda starts them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from homeport.entrypoints.bundling import service_data

HERE: Final = Path(__file__).parent
PACKAGES: Final = Path(__file__).parents[2] / ".venv" / "bench-lambda"
PEERS: Final = {
    "bare boto3": "bare",
    "Powertools": "powertools",
    "FastAPI and Mangum": "fastapi_mangum",
}
_ANSWERED, _WARM, _WAITED = "ANSWERED ", "WARM ", "WAITED "
_OF_BOTO3: Final = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


@dataclass(frozen=True, slots=True)
class Function:
    """`folders` is all that it can import from, besides Python's own library. Its `event` must
    be answered by what has these `marks`."""

    name: str
    folders: Sequence[Path]
    module: str
    event: Path
    marks: Sequence[str]


def are_peers_here() -> bool:
    return PACKAGES.exists()


def peer(name: str, event: Path) -> Function:
    marks = ('"statusCode": 200', "Soup")
    return Function(name, (HERE, PACKAGES), PEERS[name], event, marks)


def trimmed(event: Path, folder: Path) -> Function:
    """The bare function with AWS's service data trimmed as in our bundles, in `folder`."""
    for source in sorted(PACKAGES.rglob("*")):
        path = PurePosixPath(source.relative_to(PACKAGES))
        if not source.is_file() or path.parts[0].removesuffix(".py") not in _OF_BOTO3:
            continue
        if service_data.is_needed(path, source, {"dynamodb"}):
            path, content = service_data.trimmed(path, source.read_bytes(), {"dynamodb"})
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            shutil.copystat(source, target)  # bytecode knows its source by its time
    bare = peer("bare boto3", event)
    return replace(bare, folders=(HERE, folder))


class Took(NamedTuple):
    """Seconds from a process's start to its answer, microseconds for a warm call, and seconds
    that it would have waited on purpose, which are in none of them."""

    start: float
    warm: float
    waited: float


def answered(function: Function, environ: Mapping[str, str], warm_calls: int = 0) -> Took:
    """Start a function and give it its event.

    Raises RuntimeError where the answer is not what it should be.
    """
    command = [
        *(sys.executable, "-I", "-S", str(HERE / "answer_once.py")),
        *(os.pathsep.join(map(str, function.folders)), function.module),
        *(str(function.event), str(warm_calls)),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=function.folders[0],
        env={"PATH": os.environ["PATH"], **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    took = warm = waited = 0.0
    for line in process.stdout:
        if line.startswith(_ANSWERED):
            took = time.perf_counter() - started
        if line.startswith(_WARM):
            warm = float(line.removeprefix(_WARM))
        if line.startswith(_WAITED):
            waited = float(line.removeprefix(_WAITED))
        lines.append(line)
    process.wait()
    answer = next((one for one in lines if one.startswith(_ANSWERED)), "")
    if process.returncode or not all(one in answer for one in function.marks):
        raise RuntimeError(f"{function.name} answered wrongly:\n{''.join(lines)}")
    return Took(took, warm, waited)


def request(route: str, path: str, body: Any = None, **parameters: str) -> dict[str, Any]:
    """A request of an HTTP API, payload format 2.0, by somebody who is signed in."""
    method = route.partition(" ")[0]
    raw, _, query = path.partition("?")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": raw,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "content-type": "application/json"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc",
            "domainName": "api.example.com",
            "authorizer": {
                "lambda": {"id": "ann", "kind": "user", "groups": "[]", "expires": 1 << 40}
            },
            "http": {
                "method": method,
                "path": raw,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "benchmark",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "pathParameters": parameters,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(one.split("=") for one in query.split("&"))
    if body is not None:
        event["body"] = json.dumps(body)
    return event
