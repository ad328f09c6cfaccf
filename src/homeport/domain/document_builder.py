"""A record as the index sees it: roles as declared, or else guessed from the JSON.

    "short text"    text and keyword, and date where it is one
    "long text"     over 256 characters: text alone
    12.5            number
    true            keyword: true or false
    null            nothing
    {"a": {"b"...   the field a.b
    [..., ...]      all its values

A value that does not fit its declared role is taken as if nothing were declared, so that its
record is still found by it. What no index could take is left out, and costs nothing else. Text
is composed, as queries are; keywords stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from homeport.domain import limits
from homeport.domain.dates import parse_date
from homeport.domain.model.collection import Catalog, FieldDeclaration, FieldRole
from homeport.domain.model.document import Document, as_keyword
from homeport.domain.model.names import is_field
from homeport.domain.model.record import Record
from homeport.domain.words import composed


def build_document(record: Record, catalog: Catalog) -> Document:
    """The document of a record that is not deleted.

    It has at most 200 fields, declared ones before others, then in the data's order, and at
    most 1,000 values in each, of which the first 32 places count.
    """
    collection = catalog.find(record.key.collection)
    declared = {} if collection is None else collection.fields
    assert record.data is not None
    values: dict[str, list[Any]] = {}
    _collect(record.data.value, "", declared, values)
    builder = _Builder()
    for path in _chosen(values, declared):
        role = declared.get(path)
        for value in values[path][:_VALUES]:
            if role is None or not builder.add(role.role, path, value):
                builder.infer(path, value)
    return builder.document(record)


class _Builder:
    def __init__(self) -> None:
        self._fields: dict[FieldRole, dict[str, dict[Any, None]]] = {role: {} for role in FieldRole}

    def add(self, role: FieldRole, path: str, value: Any) -> bool:
        """Add a value under a role, once; False where it does not fit. A place too many is left
        out."""
        found = _READ_AS[role](value)
        if found is None:
            return False
        values = self._fields[role].setdefault(path, {})
        if role is not FieldRole.GEO or len(values) < limits.PLACES:
            values[found] = None
        return True

    def infer(self, path: str, value: Any) -> None:
        if isinstance(value, str):
            self.add(FieldRole.TEXT, path, value)
            self.add(FieldRole.KEYWORD, path, value)
            self.add(FieldRole.DATE, path, value)
        elif isinstance(value, bool):
            self.add(FieldRole.KEYWORD, path, value)
        elif not isinstance(value, dict):
            self.add(FieldRole.NUMBER, path, value)

    def document(self, record: Record) -> Document:
        text, keyword, number, date, geo = (
            {path: tuple(values) for path, values in self._fields[role].items()}
            for role in FieldRole
        )
        return Document(record.key, record.version, record.author, text, keyword, number, date, geo)


def _collect(
    value: Any, path: str, declared: Mapping[str, FieldDeclaration], into: dict[str, list[Any]]
) -> None:
    """All values by their dotted paths, arrays flattened; where a point is declared, whole."""
    role = declared.get(path)
    if role is not None and role.role is FieldRole.GEO and _point(value) is not None:
        into.setdefault(path, []).append(value)
    elif isinstance(value, dict):
        if len(path) > limits.FIELD_CHARACTERS:
            return  # paths only grow; to write out each would cost the square of the record
        for name, item in value.items():
            _collect(item, f"{path}.{name}" if path else name, declared, into)
    elif isinstance(value, list):
        for item in value:
            _collect(item, path, declared, into)
    elif value is not None and is_field(path):
        into.setdefault(path, []).append(value)


def _chosen(values: Mapping[str, list[Any]], declared: Mapping[str, FieldDeclaration]) -> list[str]:
    if len(values) <= limits.INDEXED_FIELDS:
        return list(values)
    return sorted(values, key=lambda path: path not in declared)[: limits.INDEXED_FIELDS]


def _text(value: Any) -> str | None:
    return None if isinstance(value, dict) else composed(as_keyword(value))


def _keyword(value: Any) -> str | None:
    text = None if isinstance(value, dict) else as_keyword(value)
    return text if text is not None and len(text) <= limits.KEYWORD_CODE_POINTS else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _date(value: Any) -> int | None:
    moment = parse_date(value) if isinstance(value, str) else None
    return None if moment is None else moment.start


def _point(value: Any) -> tuple[float, float] | None:
    """{"lat": .., "lon": ..} in degrees as (latitude, longitude)."""
    if not isinstance(value, dict) or len(value) != len(_AXES):
        return None
    latitude, longitude = (_number(value.get(name)) for name in _AXES)
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude


_AXES: Final = ("lat", "lon")
_VALUES: Final = 1000
"""CloudSearch takes no more values in one field."""
_READ_AS: Final[Mapping[FieldRole, Callable[[Any], Any]]] = {
    FieldRole.TEXT: _text,
    FieldRole.KEYWORD: _keyword,
    FieldRole.NUMBER: _number,
    FieldRole.DATE: _date,
    FieldRole.GEO: _point,
}
