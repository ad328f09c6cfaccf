"""Suggesters: they match the beginning of a field, know no filter, and see no changes.

A suggester looks at what the index held when the domain was last indexed, until the next time.
It returns values of the field and ids of documents to whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import DefinitionError, SearchRefused
from homeport.testing.cloudsearch.schema import Schema, is_name

MAX_SUGGESTERS: Final = 10
MAX_BYTES: Final = 512
"""Of a field; what stands behind them is not matched."""


class Suggesters:
    """Suggester -> its field, and what it knows."""

    def __init__(self, fields: Mapping[str, str], schema: Schema) -> None:
        if len(fields) > MAX_SUGGESTERS:
            raise DefinitionError(f"a domain has at most {MAX_SUGGESTERS} suggesters")
        for name, field in fields.items():
            source = schema.fields.get(field)
            if not is_name(name):
                raise DefinitionError(f"{name!r} is no name of a suggester")
            if source is None or source.type != "text" or not source.returned:
                raise DefinitionError(f"{field!r} is no text field that is return enabled")
        self._fields = dict(fields)
        self._known: dict[str, list[tuple[str, str]]] = {name: [] for name in fields}

    def build(self, documents: Sequence[Document]) -> None:
        """Learn the values of the fields anew, as `IndexDocuments` does."""
        for name, field in self._fields.items():
            self._known[name] = sorted(
                (str(value), one.id) for one in documents for value in one.get(field)
            )

    def suggest(self, given: Mapping[str, str]) -> dict[str, object]:
        """Answer a request, all but its `status`."""
        unknown = given.keys() - {"q", "suggester", "size", "format", "pretty"}
        if unknown:
            raise SearchRefused(f"Suggestions have no parameter {min(unknown)}")
        if given.get("format", "json") not in {"json", "sdk"}:
            raise SearchRefused("The emulator does not speak this: replies in XML")
        if "q" not in given or given.get("suggester") not in self._known:
            raise SearchRefused("A suggestion has q, and a suggester that the domain has")
        size = given.get("size", "10")
        if not size.isdecimal() or not int(size):
            raise SearchRefused("size is a positive integer")
        start = given["q"].lower()
        found = [
            {"suggestion": value, "score": 0, "id": id}
            for value, id in self._known[given["suggester"]]
            if start and _beginning(value).startswith(start)
        ]
        model = {"query": given["q"], "found": len(found), "suggestions": found[: int(size)]}
        return {"suggest": model}


def _beginning(value: str) -> str:
    return value.encode()[:MAX_BYTES].decode(errors="ignore").lower()
