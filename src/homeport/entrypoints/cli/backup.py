"""`homeport backup`: a copy of the data, also while the server runs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from homeport.domain.errors import Conflict, HomeportError
from homeport.entrypoints.cli.data_folder import code_of, require_database, require_folder
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.opening import definition_of
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.adapters.embedded.backups import Manifest


def run(arguments: Namespace) -> int:
    from homeport.adapters.embedded.backups import back_up
    from homeport.adapters.system import SystemClock

    definition = definition_of(arguments)
    if definition.adapters.record_store.use == "dynamodb":
        cure = "Switch on its point-in-time recovery, or: homeport export"
        fail(Exit.USAGE, f"The records are in DynamoDB, in no data folder. {cure}")
    source, target = definition.data_folder, arguments.folder.absolute()
    require_folder(source)
    require_database(definition)
    with translated("Choose another name."), progress("Copying", unit="bytes") as advance:
        manifest = back_up(source, target, SystemClock().now(), advance)
    tell("The backup", target, manifest, as_json=arguments.json)
    return Exit.OK


@contextmanager
def translated(cure: str) -> Iterator[None]:
    """What goes wrong as a sentence; `cure` is for what is there already."""
    try:
        yield
    except Conflict as error:
        raise Failure(Exit.FAILED, f"{error.detail} {cure}") from error
    except HomeportError as error:
        raise Failure(code_of(error), error.detail) from error


def tell(what: str, folder: Path, manifest: Manifest, *, as_json: bool) -> None:
    """What there is now, for people or for programs."""
    if as_json:
        print(json.dumps({"folder": str(folder), **asdict(manifest)}, indent=2))
        return
    records = manifest.counts.get("records", 0)
    print(
        f"{what} {folder} holds {records:,} records and tombstones in {manifest.bytes:,} bytes "
        f"(schema {manifest.schema}). It was checked."
    )
