"""From the domain's documents to operations of OpenSearch's bulk interface."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homeport.adapters.opensearch import layout as fields
from homeport.adapters.opensearch.layout import Layout, field_name
from homeport.domain import limits
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.record import Key


@dataclass(frozen=True, slots=True)
class Operation:
    """One change as two lines (one, where it deletes) of a bulk request's body."""

    change: IndexChange
    lines: bytes


class Operations:
    """Makes operations for an index of a layout."""

    def __init__(self, layout: Layout) -> None:
        self._columns = layout.columns

    def put(self, document: Document, known: Collection[str] | None = None) -> Operation:
        """With `known`, fields that are not in it are left out, since there is no room for
        more; what they say is found by its words alone."""
        source = self._source(document)
        if known is not None:
            _narrow(source, document, known)
        return Operation(document, _lines(document, source))

    def mark(self, removal: Removal, now: int) -> Operation:
        """What stays of a removed document, so that no older one comes back until nobody has
        one: OpenSearch itself forgets a deleted document's version after a minute."""
        held = {
            fields.KEY: key_text(removal.key),
            fields.VERSION: removal.version,
            fields.EXPIRES: now + limits.RETENTION_SECONDS * 1_000_000,
        }
        return Operation(removal, _lines(removal, held))

    def put_unversioned(self, document: Document) -> Operation:
        """For a server that lets nobody say which version a document is."""
        return Operation(document, _lines(document, self._source(document), versioned=False))

    def delete_unversioned(self, removal: Removal) -> Operation:
        return Operation(removal, _encode({"delete": {"_id": key_text(removal.key)}}).encode())

    def _source(self, document: Document) -> dict[str, Any]:
        key = document.key
        source: dict[str, Any] = {
            fields.KEY: key_text(key),
            fields.SPACE: key.space,
            fields.COLLECTION: key.collection,
            fields.VERSION: document.version,
        }
        first: dict[str, dict[str, Any]] = {}
        for role, by_path, taken in (
            (FieldRole.TEXT, document.text, list),
            (FieldRole.KEYWORD, document.keyword, list),
            (FieldRole.NUMBER, document.number, _numbers),
            (FieldRole.DATE, document.date, _dates),
            (FieldRole.GEO, document.geo, _points),
        ):
            if by_path:
                self._add(source, first, role, by_path, taken)
        if first:
            source["first"] = first
        return source

    def _add(
        self,
        source: dict[str, Any],
        first: dict[str, dict[str, Any]],
        role: FieldRole,
        by_path: Mapping[str, Sequence[Any]],
        taken: Callable[[Sequence[Any]], list[Any]],
    ) -> None:
        group: dict[str, list[Any]] = {}
        for path, values in by_path.items():
            found = taken(values)
            if not found:
                continue
            name = field_name(path)
            group[name] = found
            if (role, path) in self._columns:
                first.setdefault(role.value, {})[name] = found[0]
        source[role.value] = group


def _narrow(source: dict[str, Any], document: Document, known: Collection[str]) -> None:
    lost = [
        value
        for path, values in document.text.items()
        if f"text.{field_name(path)}" not in known
        for value in values
    ]
    if lost:
        source[fields.ALL] = lost
    for role in FieldRole:
        group = source.get(role.value)
        if group is not None:
            source[role.value] = {
                name: values for name, values in group.items() if f"{role.value}.{name}" in known
            }


def newest(changes: Iterable[IndexChange]) -> dict[Key, IndexChange]:
    """The one change of each key that counts."""
    found: dict[Key, IndexChange] = {}
    for change in changes:
        known = found.get(change.key)
        if known is None or change.version > known.version:
            found[change.key] = change
    return found


def key_text(key: Key) -> str:
    return ",".join(key)


def key_of(text: str) -> Key:
    return Key(*text.split(","))


def _lines(change: IndexChange, source: dict[str, Any], *, versioned: bool = True) -> bytes:
    action: dict[str, Any] = {"_id": source[fields.KEY]}
    if versioned:
        action |= {"version": change.version, "version_type": "external"}
    return f"{_encode({'index': action})}\n{_encode(source)}".encode()


def _numbers(values: Sequence[float]) -> list[float]:
    """Zero has no sign: both are one value in every other index."""
    return [one + 0.0 for one in values if math.isfinite(one)]


def _dates(values: Sequence[int]) -> list[int]:
    return [one for one in values if abs(one) < FARTHEST]


def _points(values: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"lat": latitude, "lon": longitude} for latitude, longitude in values]


FARTHEST: Final = 2**63 - 1
"""As a sort value it stands for none."""
_encode: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
).encode
