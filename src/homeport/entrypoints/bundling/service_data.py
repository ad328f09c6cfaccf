"""botocore describes every service of AWS, 30 MB of it; a function calls two or three."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any, Final

_DATA: Final = ("botocore", "data")
_ENDPOINTS: Final = PurePosixPath("botocore/data/endpoints.json")
_OPERATIONS: Final = "service-2.json.gz"
_UNUSED: Final = ("boto3/data/", "boto3/examples/")
"""Descriptions for `boto3.resource`, which nobody here uses."""


def is_needed(path: PurePosixPath, source: Path, services: Collection[str]) -> bool:
    """Whether a file of boto3 or botocore is needed for these services; True for all others."""
    if path.as_posix().startswith(_UNUSED):
        return False
    if path.parts[:2] != _DATA or len(path.parts) < 4:
        return True
    if path.parts[2] not in services or path.name.startswith("examples-"):
        return False
    # An older version of a service is there without its operations.
    return any((source.parent / f"service-2.json{end}").exists() for end in (".gz", ""))


def trimmed(
    path: PurePosixPath, content: bytes, services: Collection[str]
) -> tuple[PurePosixPath, bytes]:
    """A file without what no function reads, and its path then.

    Of the list of endpoints, those of other services: reading all of it takes each start 10 ms.
    Of a service's operations, what is said of them for people, three quarters of the file.
    """
    if path == _ENDPOINTS:
        return path, _written(_without_others(json.loads(content), services))
    if path.parts[:2] == _DATA and path.name == _OPERATIONS:
        described = json.loads(gzip.decompress(content))
        return path.with_suffix(""), _written(_without_documentation(described))
    return path, content


def _without_others(whole: Any, services: Collection[str]) -> Any:
    prefixes = {"streams.dynamodb" if one == "dynamodbstreams" else one for one in services}
    prefixes |= {"cloudsearch"} if "cloudsearchdomain" in services else set()
    for partition in whole["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in sorted(prefixes & known.keys())}
    return whole


def _without_documentation(described: Any) -> Any:
    """Shapes may have members of that name: those are tables, what is told is a text."""
    if isinstance(described, list):
        return [_without_documentation(one) for one in described]
    if not isinstance(described, dict):
        return described
    return {
        name: _without_documentation(one)
        for name, one in described.items()
        if name != "documentation" or not isinstance(one, str)
    }


def _written(value: Any) -> bytes:
    # In its own order: botocore serializes members as they stand there.
    return json.dumps(value, separators=(",", ":")).encode()
