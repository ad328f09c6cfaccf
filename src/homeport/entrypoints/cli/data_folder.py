"""What a command asks of a data folder before it opens it, and what keeps it from that."""

from __future__ import annotations

from pathlib import Path

from homeport.definition import Adapters, Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.exits import Exit, Failure, fail


def code_of(error: HomeportError) -> Exit:
    """The embedded adapters' errors have codes of their own; another's adapter just fails."""
    from homeport.adapters.embedded.folder import FolderInUse, FolderUnusable, NewerSchema

    codes = {FolderInUse: Exit.IN_USE, FolderUnusable: Exit.FOLDER, NewerSchema: Exit.SCHEMA}
    return codes.get(type(error), Exit.FAILED)


def require_folder(place: Path) -> None:
    """Refuse to work on a data folder that is not there, or that this user cannot see."""
    from homeport.adapters.embedded.folder import status_of

    try:
        there = status_of(place) is not None
    except HomeportError as error:
        raise Failure(code_of(error), error.detail) from error
    if not there:
        fail(Exit.FOLDER, f"There is no data folder {place}.")


def require_database(definition: Definition) -> None:
    """Refuse to work on a data folder without a database."""
    try:
        there = _has_database(definition)
    except HomeportError as error:
        raise Failure(code_of(error), error.detail) from error
    if not there:
        cure = "Name the data folder with --data."
        fail(Exit.FOLDER, f"There is no database in {definition.data_folder}. {cure}")


def require_migrated(definition: Definition) -> None:
    """Refuse data of an older version: only a start of the server migrates them, since there is
    no way back. Where another process has the folder, opening it says what is wrong."""
    if not any(getattr(definition.adapters, port).use == "embedded" for port in Adapters.names()):
        return
    from homeport.adapters.embedded.examination import holder
    from homeport.adapters.embedded.snapshot import Snapshot

    place = definition.data_folder
    try:
        if _has_database(definition) and holder(place) is None:
            Snapshot(place).close()
    except HomeportError as error:
        raise Failure(code_of(error), error.detail) from error


def _has_database(definition: Definition) -> bool:
    """Whether there is a database with anything in it, as far as that can be seen beside another
    process. Raises FolderUnusable."""
    from homeport.adapters.embedded.examination import holder
    from homeport.adapters.embedded.presence import find_database
    from homeport.adapters.embedded.snapshot import is_made

    place = definition.data_folder
    holds_records = definition.adapters.record_store.use == "embedded"
    found = find_database(place, holds_records=holds_records)
    return found is not None and (holder(place) is not None or is_made(found))
