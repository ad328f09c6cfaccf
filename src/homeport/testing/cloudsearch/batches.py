"""Batches of documents, and everything that makes CloudSearch refuse one.

A batch is taken whole or not at all. Where the pages of CloudSearch disagree, what is taken
here is what all of them take: ids of `[a-z0-9_]` that begin with no underscore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import BatchRefused
from homeport.testing.cloudsearch.index import Change
from homeport.testing.cloudsearch.schema import Field, Schema
from homeport.testing.cloudsearch.values import Value, from_json

MAX_BATCH: Final = 5 * 1024 * 1024
MAX_DOCUMENT: Final = 1024 * 1024
"""Bytes, as they were sent."""
MAX_DOCUMENT_FIELDS: Final = 200
MAX_VALUES: Final = 1000

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,127}")
_INVALID: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold."""
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def read(body: str, schema: Schema) -> list[Change]:
    """Check a batch. `BatchRefused` has a sentence for each operation that is wrong."""
    changes: list[Change] = []
    wrong: list[str] = []
    for nth, (operation, size) in enumerate(_operations(body), 1):
        id = operation.get("id") if isinstance(operation, dict) else None
        try:
            changes.append(_change(operation, size, schema))
        except ValueError as exc:
            wrong.append(f"{exc} (near operation with index {nth}; document_id {id})")
    if wrong:
        raise BatchRefused(*wrong)
    if not changes:
        raise BatchRefused("A batch has at least one operation")
    return changes


def _operations(body: str) -> Iterator[tuple[object, int]]:
    """The elements of the array, each with its size in bytes."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)

    def past_space(at: int) -> int:
        found = _SPACE.match(body, at)
        return found.end() if found else at

    at = past_space(0)
    if body[at : at + 1] != "[":
        raise BatchRefused("A batch is a JSON array of operations")
    at = past_space(at + 1)
    while body[at : at + 1] != "]":
        try:
            operation, end = decoder.raw_decode(body, at)
        except (ValueError, RecursionError) as exc:
            raise BatchRefused(f"The batch is no JSON: {exc}") from exc
        yield operation, len(body[at:end].encode("utf-8", "surrogatepass"))
        at = past_space(end)
        if body[at : at + 1] == ",":
            at = past_space(at + 1)
            if body[at : at + 1] != "]":
                continue
        elif body[at : at + 1] == "]":
            continue
        raise BatchRefused(f"The batch is no JSON: an operation or its end is missing at {at}")
    if past_space(at + 1) != len(body):
        raise BatchRefused("The batch is no JSON: something follows its end")


def _change(operation: object, size: int, schema: Schema) -> Change:
    if not isinstance(operation, dict):
        raise ValueError("An operation is an object")  # noqa: TRY004  # for the sender
    kind, id = operation.get("type"), operation.get("id")
    if kind not in {"add", "delete"}:
        raise ValueError(f"The type of an operation is add or delete, not {kind!r}")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is no id: 1-128 of a-z, 0-9 and _, and no _ at its beginning")
    if size > MAX_DOCUMENT:
        raise ValueError(f"A document has at most {MAX_DOCUMENT} bytes, not {size}")
    unknown = sorted(operation.keys() - {"type", "id", "fields"})
    if unknown:
        raise ValueError(f"An operation has a type, an id and fields, and no {unknown}")
    if kind == "delete":
        if "fields" in operation:
            raise ValueError("Fields belong to an add, not to a delete")
        return Change(id, None)
    return Change(id, _document(id, operation.get("fields"), schema))


def _document(id: str, fields: object, schema: Schema) -> Document:
    if not isinstance(fields, dict) or not fields:
        raise ValueError("An add has an object of fields, and at least one of them")
    if len(fields) > MAX_DOCUMENT_FIELDS:
        raise ValueError(f"A document has at most {MAX_DOCUMENT_FIELDS} fields")
    values: dict[str, tuple[Value, ...]] = {}
    bases: dict[str, str] = {}
    for name, raw in fields.items():
        field = schema.resolve(name) if not name.startswith("_") else None
        if field is None:
            raise ValueError(f'Field "{name}" is not configured')
        values[name] = _values(name, raw, field)
        bases[name] = field.base
    return Document(id, values, bases)


def _values(name: str, raw: object, field: Field) -> tuple[Value, ...]:
    many = raw if isinstance(raw, list) else [raw]
    if isinstance(raw, list) and not field.array:
        raise ValueError(f'Field "{name}" must have array type to have multiple values')
    if not 0 < len(many) <= MAX_VALUES:
        raise ValueError(f'Field "{name}" has 1 to {MAX_VALUES} values, not {len(many)}')
    for one in many:
        if one is None:
            raise ValueError(f'Field "{name}": the value cannot be null')
        invalid = _INVALID.search(one) if isinstance(one, str) else None
        if invalid:
            raise ValueError(f'Field "{name}": U+{ord(invalid[0]):04X} is not valid in XML')
    try:
        return tuple(from_json(field.base, one) for one in many)
    except ValueError as exc:
        raise ValueError(f'Field "{name}": {exc}') from exc


def _unique(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
