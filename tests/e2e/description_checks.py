"""What Schemathesis is told beside the document: loaded into it by its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import schemathesis

from homeport.entrypoints.openapi_examples import PARAMETERS

_BEYOND_A_SCHEMA = re.compile(
    # What depends on what is stored, or on another part of the request.
    r"not a (cursor|checkpoint) of"
    r"|is not declared as a"
    r"|^conflict$"  # between two headers
    r"|the same record stands earlier in the batch"
    r"|a message has text, data or both"
    # Texts with a grammar of their own.
    r"|write field:value"
    r"|a field is a dotted path"
    r"|printable characters"
    # What JSON Schema cannot bound at any depth, or in bytes.
    r"|a number outside"
    r"|nested deeper than"
    r"|bytes of UTF-8"
)
"""Why a request that fits the document may be refused with 400 nevertheless."""


def _fits(pointer: str, headers: Mapping[str, Any]) -> bool:
    """Whether what a fault points to fits the document, for all that is known here.

    Schemathesis takes any text for a header that has a pattern, and calls it valid.
    """
    pattern = PARAMETERS.get(pointer, {}).get("schema", {}).get("pattern")
    return pattern is None or re.search(pattern, str(headers.get(pointer, ""))) is not None


@schemathesis.check
def refused_for_what_no_schema_says(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """A 400 for a request that fits the document names a fault that no schema can state."""
    meta = case.meta
    if response.status_code != 400 or meta is None or not meta.generation.mode.is_positive:
        return
    problem: dict[str, Any] = response.json()
    faults: list[dict[str, str]] = problem.get("errors") or [{"pointer": "", **problem}]
    told = [one["detail"] for one in faults if _fits(one["pointer"], case.headers or {})]
    unknown = [one for one in told if not _BEYOND_A_SCHEMA.search(one)]
    if unknown:
        raise AssertionError(f"the document does not say: {'; '.join(unknown)}")
