"""Stores to export from and to import into, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from homeport.adapters.jsonschema.schema_validator import JsonSchemaValidator
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.exporting import entries
from homeport.domain.importing import Importing
from homeport.domain.interchange import Header, parse, render
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Guard, Put, Write
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.schemas import Schemas

SCHEMA = {"properties": {"title": {"type": "string"}}, "required": ["title"]}
CATALOG = Catalog([Collection("notes"), Collection("recipes", schema=SCHEMA)])
CLOSED = Catalog([Collection("notes")], refuse_undeclared=True)
ALL = Header("0.1.0", 1_767_225_600_000_000)


class Crowded(MemoryRecordStore):
    """Calls `meanwhile` right before each of its writes."""

    meanwhile: Callable[[Sequence[Write]], None] | None = None

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        if self.meanwhile is not None:
            self.meanwhile(writes)
        return super().write(writes, guard)


def empty() -> Crowded:
    return Crowded(ManualClock(), SequentialIds())


def put(space: str, id: str, data: dict[str, Any], collection: str = "notes") -> Put:
    return Put(Key(space, collection, id), "ann", Data.of(data), first="")


def exported(store: MemoryRecordStore, header: Header = ALL) -> list[str]:
    return [render(one) for one in entries(store, header)]


def imported(
    store: MemoryRecordStore,
    lines: Sequence[str | Put],
    catalog: Catalog = CATALOG,
    *,
    replace: bool = False,
    identities: IdentityProvider | None = None,
) -> Importing:
    """What an import of `lines` comes to; a Put is one that was read already."""
    schemas = Schemas(catalog, JsonSchemaValidator)
    known = identities or MemoryIdentityProvider(ManualClock(), SequentialIds())
    importing = Importing(store, catalog, schemas, known, replace=replace)
    for line in lines:
        one = parse(line) if isinstance(line, str) else line
        assert isinstance(one, (Put, Membership))
        importing.check(one)
        importing.add(one)
    importing.flush()
    return importing


def unstamped(lines: Sequence[str]) -> list[str]:
    """Without what a store stamps itself."""
    stamps = ("version", "created", "updated")
    parsed = [json.loads(line) for line in lines]
    return [json.dumps({n: v for n, v in one.items() if n not in stamps}) for one in parsed]
