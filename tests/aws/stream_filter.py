"""The filter of the stream's event source mapping, as docs/lambda.md prescribes it.

Lambda's rules as far as it uses them: a pattern names attributes by their place, `exists` asks
for one that is there, and a record passes where one of the patterns fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "lambda.md"
_BLOCK = re.compile(r'^```json\n(\{"Filters".+?)^```$', re.MULTILINE | re.DOTALL)


def passes(record: Mapping[str, Any]) -> bool:
    return any(_fits(pattern, record) for pattern in patterns())


@cache
def patterns() -> tuple[dict[str, Any], ...]:
    (block,) = _BLOCK.findall(_PAGE.read_text())
    return tuple(json.loads(one["Pattern"]) for one in json.loads(block)["Filters"])


def _fits(pattern: Any, told: Any) -> bool:
    if isinstance(pattern, list):
        assert pattern == [{"exists": True}]
        return told is not None
    return all(
        _fits(within, told.get(name) if isinstance(told, Mapping) else None)
        for name, within in pattern.items()
    )
