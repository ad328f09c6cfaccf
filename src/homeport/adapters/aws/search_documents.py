"""From the domain's documents to operations of a CloudSearch batch, within its limits.

Whatever a document holds, an operation comes of it that CloudSearch takes: a value that it
could not take is left out, text that is too long is cut, and what was lost is counted.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.adapters.aws import search_fields as fields
from homeport.domain.model.collection import Catalog, FieldRole
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.record import Key

DOCUMENT_BYTES: Final = 1_000_000
DOCUMENT_FIELDS: Final = 200
FIELD_VALUES: Final = 1000
LITERAL_CODE_POINTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Operation:
    """One element of a batch: the change that it is made of, its id and its JSON.

    `lost` says what of the document CloudSearch does not get, and how often.
    """

    change: IndexChange
    id: str
    body: bytes
    lost: Counter[str] = field(default_factory=Counter)


class Operations:
    """Makes operations for an index of what `catalog` declares."""

    def __init__(self, catalog: Catalog) -> None:
        declared = {
            (one.role, path)
            for collection in catalog.known()
            for path, one in collection.fields.items()
        }
        self.columns: Final = frozenset(one for one in declared if one[0] in _COLUMNS)
        self.texts: Final = frozenset(path for role, path in declared if role is FieldRole.TEXT)

    def put(self, document: Document) -> Operation:
        return _Filling(document, self).operation()

    def delete(self, removal: Removal) -> Operation:
        """For an index beside a store that remembers what was removed."""
        id = document_id(removal.key)
        return Operation(removal, id, _json({"type": "delete", "id": id}))

    def mark(self, removal: Removal) -> Operation:
        """What stays of a removed document, for good, so that no older one comes back: no search
        finds it. For an index without a store."""
        id = document_id(removal.key)
        held = {
            fields.KEY: key_text(removal.key),
            fields.VERSION: version_text(removal.version),
        }
        return Operation(removal, id, _json({"type": "add", "id": id, "fields": held}))


def plain_operation(id: str, held: dict[str, str] | None) -> Operation:
    """A document of the index's own, which is no record's and which no search finds; None
    removes it."""
    own = Removal(Key("", "", id), 0)
    if held is None:
        return Operation(own, id, _json({"type": "delete", "id": id}))
    return Operation(own, id, _json({"type": "add", "id": id, "fields": held}))


class _Filling:
    """One operation while its fields are added, what matters most first: there is room for 200
    fields and a megabyte."""

    def __init__(self, document: Document, operations: Operations) -> None:
        self._document = document
        self._operations = operations
        self._id = document_id(document.key)
        self._fields: dict[str, Any] = {}
        self._room = DOCUMENT_BYTES - _FRAME_BYTES
        self._lost: Counter[str] = Counter()

    def operation(self) -> Operation:
        document, declared = self._document, self._operations.texts
        key = document.key
        self._add(fields.KEY, key_text(key))
        self._add(fields.SPACE, key.space)
        self._add(fields.COLLECTION, key.collection)
        self._add(fields.VERSION, version_text(document.version))
        self._add(fields.LIVE, "1")
        texts = {path: values for path, values in document.text.items() if values}
        words = [value for values in texts.values() for value in values]
        self._columns(declared=True)
        self._add_text(fields.WORDS, words)
        self._add_text(fields.STARTS, words)
        for path in sorted(texts, key=lambda path: path not in declared):
            if path in declared:
                self._add_text(fields.text_field(path), texts[path])
                self._add_text(fields.starts_field(path), texts[path])
        self._columns(declared=False)
        for name in (fields.text_field, fields.starts_field):
            for path, values in texts.items():
                if path not in declared:
                    self._add_text(name(path), values)
        operation = {"type": "add", "id": self._id, "fields": self._fields}
        return Operation(document, self._id, _json(operation), self._lost)

    def _columns(self, *, declared: bool) -> None:
        """The keyword, number and date fields; of those declared, the first value by itself."""
        for role, path, values in _columns_of(self._document):
            if ((role, path) in self._operations.columns) is not declared:
                continue
            taken = list(self._taken(role, values))
            if not taken:
                continue
            if declared and taken[0] == values[0]:
                first = taken[0]
                shown = fields.sortable(first) if isinstance(first, str) else first
                if not isinstance(shown, str) or len(shown) <= LITERAL_CODE_POINTS:
                    self._add(fields.first_field(role, path), shown)
                else:
                    self._lost["too long to sort by"] += 1
            distinct = list(dict.fromkeys(taken))
            if len(distinct) > FIELD_VALUES:
                self._lost["too many values"] += len(distinct) - FIELD_VALUES
            found = distinct[:FIELD_VALUES]
            shown = [fields.exact(one) if isinstance(one, str) else one for one in found]
            self._add(fields.values_field(role, path), shown)

    def _taken(self, role: FieldRole, values: Sequence[Any]) -> Iterator[Any]:
        """The values that CloudSearch has a place for."""
        for value in values:
            if role is FieldRole.KEYWORD and len(fields.exact(value)) > LITERAL_CODE_POINTS:
                self._lost["too long for a keyword"] += 1
            elif role is FieldRole.NUMBER and not math.isfinite(value):
                self._lost["not a finite number"] += 1
            elif role is FieldRole.DATE and abs(value) >> 63:
                self._lost["too far away for a date"] += 1
            else:
                # Zero has no sign: both are one value in every other index.
                yield float(value) + 0.0 if role is FieldRole.NUMBER else value

    def _add(self, name: str, value: Any) -> bool:
        size = _size(name) + _size(value) + 2
        if len(self._fields) >= DOCUMENT_FIELDS:
            self._lost["more fields than a document has"] += 1
        elif size > self._room:
            self._lost["more bytes than a document has"] += 1
        else:
            self._fields[name] = value
            self._room -= size
            return True
        return False

    def _add_text(self, name: str, values: Iterable[str]) -> None:
        """Texts, as many as there is room for, the last of them cut. Those beyond the thousandth
        go into one value with it."""
        texts = [fields.readable(value) for value in values]
        if len(texts) > FIELD_VALUES:
            texts[FIELD_VALUES - 1 :] = ["\n".join(texts[FIELD_VALUES - 1 :])]
        room = self._room - _size(name) - 4
        kept: list[str] = []
        for text in texts:
            size = _size(text) + 1
            if size > room:
                self._lost["more bytes than a document has"] += 1
                kept += filter(None, [_cut(text, room - 3)])
                break
            kept.append(text)
            room -= size
        if kept:
            self._add(name, kept)


def document_id(key: Key) -> str:
    """`[a-z2-7]{52}`: the one alphabet that every page of CloudSearch's allows; keys do not fit."""
    digest = hashlib.sha256(key_text(key).encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()


def key_text(key: Key) -> str:
    return ",".join(key)


def key_of(text: str) -> Key:
    return Key(*text.split(","))


def version_text(version: int) -> str:
    """Of fixed width, so that versions sort as text; JSON's readers round large numbers."""
    return f"{version:019}"


def _columns_of(document: Document) -> Iterator[tuple[FieldRole, str, Sequence[Any]]]:
    for path, strings in document.keyword.items():
        yield FieldRole.KEYWORD, path, strings
    for path, numbers in document.number.items():
        yield FieldRole.NUMBER, path, numbers
    for path, dates in document.date.items():
        yield FieldRole.DATE, path, dates


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _size(value: Any) -> int:
    return len(_json(value))


def _cut(text: str, size: int) -> str:
    """The beginning of a text that takes at most so many bytes of JSON; it ends with a word
    where it can."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _size(text[:middle]) - 2 <= size:
            low = middle
        else:
            high = middle - 1
    kept = text[:low]
    return kept[: kept.rfind(" ")] if " " in kept else kept


_COLUMNS: Final = frozenset({FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE})
_FRAME_BYTES: Final = 200
"""What stands around the fields: the id, names, braces."""
