"""Holds what users store against the schemas of their collections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from homeport.domain.errors import Fault, Invalid, Unavailable
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Guard, Patch, Put, Reason, Write, WriteRefused, resolve
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.schema_validator import Schema, SchemaValidator

_ATTEMPTS = 5
"""How often a patch is tried that others keep getting in the way of."""
_PAGE = 500


class DataRefused(Exception):
    """The data that the write at `index` would leave does not fit its collection's schema."""

    def __init__(self, index: int, collection: str, faults: Sequence[Fault]) -> None:
        super().__init__(index, collection)
        self.index = index
        self.collection = collection
        self.faults = tuple(faults)

    def invalid(self, inside: str = "") -> Invalid:
        """What the caller is told; `inside` is the pointer to the data within their request."""
        faults = (Fault(inside + one.pointer, one.detail) for one in self.faults)
        return Invalid(f"The data does not fit the schema of {self.collection}.", tuple(faults))


class Schemas:
    """The schemas of a catalog, each compiled when it is first needed.

    `validator` is called where there is a schema to compile: a backend without one never
    loads what validates.
    """

    def __init__(self, catalog: Catalog, validator: Callable[[], SchemaValidator]) -> None:
        self._sources = {
            one.name: one.schema for one in catalog.declared() if one.schema is not None
        }
        self._validator = validator
        self._compiled: dict[str, Schema] = {}

    def declared(self) -> tuple[str, ...]:
        """The collections that have a schema, in the order of the definition."""
        return tuple(self._sources)

    def of(self, collection: str) -> Schema | None:
        """The collection's schema, None where it has none. Raises Invalid for one that cannot
        be used."""
        compiled = self._compiled.get(collection)
        if compiled is None and collection in self._sources:
            compiled = self._compiled[collection] = self.compile(self._sources[collection])
        return compiled

    def compile(self, source: Mapping[str, Any]) -> Schema:
        """Any schema. Raises Invalid, with pointers into it, for one that cannot be used."""
        return self._validator().compile(source)

    def write(
        self, store: RecordStore, writes: Sequence[Write], guard: Guard | None
    ) -> list[Record]:
        """As the store's own `write`, for data that fits. Raises DataRefused for what does not.

        What a patch leaves is only known with the record: it is read, merged and checked, and
        written if the record is still at that version. Raises Unavailable where others kept
        changing it meanwhile.
        """
        for one in writes:
            if one.key.collection in self._sources:
                break
        else:
            return store.write(writes, guard)
        for _ in range(_ATTEMPTS):
            checked = self._checked(store, writes, guard)
            try:
                return store.write(checked, guard)
            except WriteRefused as refused:
                moved = checked[refused.index] is not writes[refused.index]
                if not moved or refused.reason is not Reason.VERSION:
                    raise
        raise Unavailable("This record is being changed elsewhere.")

    def _checked(
        self, store: RecordStore, writes: Sequence[Write], guard: Guard | None
    ) -> list[Write]:
        """The writes, each patch bound to the version of the record that it was checked with."""
        current = self._current(store, writes, guard)
        checked: list[Write] = []
        for index, write in enumerate(writes):
            schema = self.of(write.key.collection)
            left: Data | None = None
            bound = write
            if schema is not None and isinstance(write, Put):
                left = write.data
            elif schema is not None and isinstance(write, Patch):
                record = current[write.key]
                left = resolve(write, record, 0, index).data
                if not isinstance(write.expect, int) and record is not None:
                    bound = replace(write, expect=record.version)
            if schema is not None and left is not None:
                faults = schema.faults(left)
                if faults:
                    raise DataRefused(index, write.key.collection, faults)
            checked.append(bound)
        return checked

    def _current(
        self, store: RecordStore, writes: Sequence[Write], guard: Guard | None
    ) -> dict[Key, Record | None]:
        """The records that patches under a schema are for. The first read checks the guard."""
        keys = [
            one.key
            for one in writes
            if isinstance(one, Patch) and one.key.collection in self._sources
        ]
        if not keys:
            return {}
        first, *others = keys
        current = {first: store.get(first, guard)}
        if others:
            current.update(zip(others, store.get_many(others), strict=True))
        return current


@dataclass(frozen=True, slots=True)
class Unfit:
    """A stored record that breaks the schema."""

    key: Key
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """How the stored records of one collection stand to a schema: `unfit` are the first of the
    `unfit_count`."""

    records: int
    unfit_count: int
    unfit: tuple[Unfit, ...]


def check_stored(
    store: RecordStore,
    schemas: Mapping[str, Schema],
    listed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Checked]:
    """Hold every stored record against the schema of its collection, a page at a time.

    Up to `listed` records of each collection are named. `advance` is told how many records of
    the store, of any collection, were looked at.
    """
    records = dict.fromkeys(schemas, 0)
    counts = dict.fromkeys(schemas, 0)
    unfit: dict[str, list[Unfit]] = {name: [] for name in schemas}
    after: Key | None = None
    while page := store.scan(0, 1, _PAGE, after):
        for record in page:
            name = record.key.collection
            schema = schemas.get(name)
            if schema is None or record.data is None or names.is_hidden(record.key.space):
                continue
            records[name] += 1
            faults = schema.faults(record.data)
            if faults:
                counts[name] += 1
                if len(unfit[name]) < listed:
                    unfit[name].append(Unfit(record.key, tuple(faults)))
        after = page[-1].key
        advance(len(page))
    return {name: Checked(records[name], counts[name], tuple(unfit[name])) for name in schemas}
