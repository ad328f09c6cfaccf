"""The structured syntax of CloudSearch's queries. Who indexes uses no more of it than this."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def every(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"(and {' '.join(parts)})"


def any_of(parts: Iterable[str]) -> str:
    found = list(dict.fromkeys(parts))
    return found[0] if len(found) == 1 else f"(or {' '.join(found)})"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
