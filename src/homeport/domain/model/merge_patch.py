"""JSON Merge Patch (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeport.domain.model.data import Json


def merge(target: Mapping[str, Json], patch: Mapping[str, Any]) -> dict[str, Json]:
    """A new object: `patch` laid over `target`, null removing a name. Neither is changed."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = merge(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged
