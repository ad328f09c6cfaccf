"""Records as DynamoDB's items, and back: what went in as JSON comes out as equal JSON.

Most values have a type of DynamoDB's own. What has none takes a set of one member, since JSON
has no sets:

| JSON | item | why |
|---|---|---|
| 1.0, 1E+30 | `{"NS": ["1"]}` | DynamoDB would give back 1, an integer |
| an object or list deep inside | `{"SS": ["its JSON"]}` | 32 levels are the most, however counted |
| the name "" | `~`, a leading `~` doubled | names are not empty |
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from homeport.adapters.aws.table import record_key
from homeport.domain import limits
from homeport.domain.model.data import Data, Json, encode, parse_json, stored_size
from homeport.domain.model.record import Record

Attribute: TypeAlias = dict[str, Any]
"""One value as DynamoDB's requests hold it: its type's letter, and the value."""
Item: TypeAlias = dict[str, Attribute]

_DEEPEST: Final = 28
_ESCAPE: Final = "~"


def attribute_of(value: Any, level: int = 1) -> Attribute:
    """A JSON value as it is stored; `level` is that of the value, the data's own being 1."""
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, float | Decimal):
        return _fraction_attribute(value)
    if level > _DEEPEST:
        return {"SS": [encode(value)]}
    if isinstance(value, Mapping):
        return {"M": {escaped(name): attribute_of(one, level + 1) for name, one in value.items()}}
    return {"L": [attribute_of(one, level + 1) for one in value]}


def value_of(attribute: Attribute) -> Any:
    """The reverse."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "M":
            return {_unescaped(name): value_of(one) for name, one in value.items()}
        case "L":
            return [value_of(one) for one in value]
        case "NULL":
            return None
        case "NS":
            return _fraction(Decimal(value[0]))
        case "SS":
            return parse_json(value[0])
        case _:
            raise ValueError(f"no record's value has the type {kind}")


def _fraction_attribute(value: float | Decimal) -> Attribute:
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        raise ValueError("JSON has no infinity and no NaN")
    whole = exact == exact.to_integral_value()
    return {"NS": [str(exact)]} if whole else {"N": str(exact)}


def _number(text: str) -> Json:
    """What has no set around it is an integer, or has a fraction. How many zeros, and whether
    an exponent, an engine writes is its own affair."""
    if text.isdecimal():
        return int(text)
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else _fraction(exact)


def _fraction(exact: Decimal) -> Json:
    """A float where it holds the number, as JSON is read by the domain."""
    near = float(exact)
    return near if Decimal(repr(near)) == exact else exact


def escaped(name: str) -> str:
    """An object's name as it stands in an item."""
    return _ESCAPE + name if not name or name[0] == _ESCAPE else name


def _unescaped(name: str) -> str:
    return name[1:] if name[0] == _ESCAPE else name


def size_bound(data: Data) -> int:
    """At least the bytes that the domain counts for the data, and exact where it is large."""
    bound = len(data.text) * 6  # as `writes.check_size`: most records need no count
    return bound if bound < limits.RECORD_BYTES else stored_size(data.value)


def record_of(item: Item) -> Record:
    """The record, or the tombstone, that an item holds."""
    key = record_key(item)
    version = int(item["v"]["N"])
    if "a" in item:
        value: dict[str, Json] = value_of(item["d"])
        data = Data(encode(value), value)
        return Record(key, item["a"]["S"], version, int(item["c"]["N"]), data, item["f"]["S"])
    return Record(key, item["ta"]["S"], version, int(item["tc"]["N"]), None, item["tf"]["S"])


def found_record(item: Item | None) -> Record | None:
    """The same of what may not be there."""
    return record_of(item) if item else None
