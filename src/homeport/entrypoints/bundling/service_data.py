"""botocore describes every service of AWS, 30 MB of it; a function calls two or three."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any, Final

_DATA: Final = ("botocore", "data")
_ENDPOINTS: Final = PurePosixPath("botocore/data/endpoints.json")
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


def trimmed(path: PurePosixPath, content: bytes, services: Collection[str]) -> bytes:
    """The list of endpoints without other services: reading all of it takes each start 10 ms."""
    if path != _ENDPOINTS:
        return content
    whole: dict[str, Any] = json.loads(content)
    prefixes = {"streams.dynamodb" if one == "dynamodbstreams" else one for one in services}
    prefixes |= {"cloudsearch"} if "cloudsearchdomain" in services else set()
    for partition in whole["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in sorted(prefixes & known.keys())}
    return json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()
