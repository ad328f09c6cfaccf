"""`homeport schema check [COLLECTION]`, while the server is not running."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from homeport.definition import Definition, DefinitionError, read_schema
from homeport.domain.errors import HomeportError, Invalid
from homeport.domain.schemas import Checked, check_stored
from homeport.entrypoints.cli.data_folder import require_folder
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.opening import definition_of, opened, refused, viewed
from homeport.entrypoints.cli.printing import printable
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.ports.schema_validator import Schema

_LISTED: Final = 100
"""How many records of a collection are named; all are counted."""


def run(arguments: Namespace) -> int:
    if arguments.schema is not None and arguments.collection is None:
        fail(Exit.USAGE, "Say which collection --schema is for.")
    definition = definition_of(arguments)
    if definition.adapters.record_store.use == "memory":
        fail(Exit.USAGE, "The records are kept in memory: there is nothing to check here.")
    with _opened(definition) as backend:
        schemas = _schemas(backend, arguments)
        with progress("Checking") as advance:
            checked = check_stored(backend.store, schemas, _LISTED, advance)
    if arguments.json:
        print(json.dumps([_row(name, one) for name, one in checked.items()], indent=2))
    else:
        for name, one in checked.items():
            _print(name, one)
    return Exit.FAILED if any(one.unfit_count for one in checked.values()) else Exit.OK


@contextmanager
def _opened(definition: Definition) -> Iterator[Backend]:
    """The backend. Where the records are in no data folder, nothing but the records is asked
    for, and a server may run."""
    if definition.adapters.record_store.use == "embedded":
        require_folder(definition.data_folder)
        with opened(definition) as backend:
            yield backend
        return
    with viewed(definition) as backend:
        try:
            yield backend
        except HomeportError as error:
            raise refused(error) from error


def _schemas(backend: Backend, arguments: Namespace) -> dict[str, Schema]:
    """The schemas to check with, by collection."""
    name = arguments.collection
    if arguments.schema is not None:
        try:
            return {name: backend.schemas.compile(read_schema(arguments.schema))}
        except DefinitionError as error:
            raise Failure(Exit.USAGE, str(error)) from error
        except Invalid as error:
            wrong = "; ".join(f"{one.pointer}: {one.detail}" for one in error.faults)
            raise Failure(Exit.USAGE, f"{arguments.schema}: {wrong or error.detail}") from error
    declared = backend.schemas.declared()
    if not declared or (name is not None and name not in declared):
        lack = "No collection has a" if name is None else f"The collection {name} has no"
        fail(Exit.USAGE, f"{lack} schema: declare one, or check one with --schema.")
    found = {one: backend.schemas.of(one) for one in declared if name in (None, one)}
    return {one: schema for one, schema in found.items() if schema is not None}


def _print(name: str, checked: Checked) -> None:
    print(f"{name}: {checked.unfit_count:,} of {checked.records:,} records do not fit.")
    for one in checked.unfit:
        print(f"  {'/'.join(one.key)}")
        for fault in one.faults:
            print(f"    {printable(fault.pointer) or '(the whole)'}: {printable(fault.detail)}")
    if checked.unfit_count > len(checked.unfit):
        print(f"  and {checked.unfit_count - len(checked.unfit):,} more")


def _row(name: str, checked: Checked) -> dict[str, Any]:
    return {
        "collection": name,
        "records": checked.records,
        "unfit": checked.unfit_count,
        "listed": [
            {
                "space": one.key.space,
                "id": one.key.id,
                "errors": [{"pointer": f.pointer, "detail": f.detail} for f in one.faults],
            }
            for one in checked.unfit
        ],
    }
