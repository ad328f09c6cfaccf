"""What `homeport doctor` finds of a search server. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeport.definition import Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning


def index(found: Definition) -> Iterator[Finding]:
    """Whether the server answers, and the index on it can be used as it is."""
    from homeport.container import build

    backend = build(found)
    try:
        searched: Any = backend.index
        reason: str | None = searched.examined()
    except HomeportError as error:
        cure = "The changes wait until it answers; what it takes is in docs/opensearch.md."
        yield fault("search", error.detail or type(error).__name__, cure)
        return
    finally:
        backend.close()
    if reason is None:
        yield ok("search", "the server answers")
    else:
        yield warning("search", f"{reason.capitalize()}.", "Fill it with: homeport index rebuild")
