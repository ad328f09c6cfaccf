"""Whether the database of a data folder is there: to be asked before SQLite opens it.

Beside a file that is empty, or that SQLite makes, it deletes the write-ahead log, which may hold
all that was written. It does so also for whoever is only to read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from homeport.adapters.embedded.folder import DATABASE, OWNER, FolderUnusable, status_of
from homeport.adapters.embedded.search_folder import IndexFolder

_LONGEST: Final = 504
"""Bytes of a path: SQLite takes 512, with `-journal` at the end."""
_LOG_HEADER: Final = 32
"""Bytes of a write-ahead log that holds nothing, from SQLite's file format."""


def find_database(folder: Path, *, holds_records: bool = True) -> Path | None:
    """The database of a data folder; None where there never was one.

    Raises FolderUnusable where it cannot be looked at, or not be opened under this name, and
    where it is gone or empty while there is something left that says what it held. Unless it
    `holds_records`, the index beside it is made from others, and says nothing of it.
    """
    path = folder / DATABASE
    found = status_of(path)
    length = len(os.fsencode(os.path.realpath(path)))
    if length > _LONGEST:
        raise FolderUnusable(
            f"The path of {path} is too long: it has {length:,} bytes, and SQLite takes "
            f"{_LONGEST}.",
            "Choose a data folder with a shorter one.",
        )
    if found is None or found.st_size == 0:
        how = "gone" if found is None else "empty"
        _check_nothing_left(folder, how, indexed=holds_records)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    if not os.access(path, os.R_OK):
        raise FolderUnusable(f"{path} cannot be read (Permission denied).", OWNER)
    return path


def database_in(folder: Path, *, holds_records: bool = True) -> Path:
    """The database of a data folder. Raises FolderUnusable, also where there is none."""
    path = find_database(folder, holds_records=holds_records)
    if path is None:
        raise no_database(folder)
    return path


def no_database(folder: Path) -> FolderUnusable:
    """What to raise where there is none."""
    return FolderUnusable(f"There is no database {folder / DATABASE}.")


def _check_nothing_left(folder: Path, how: str, *, indexed: bool) -> None:
    """Refuse what would begin anew beside the rest of what was lost. Where a first start was
    killed there may be a log or an index too, but nothing in them."""
    left = {}
    log = status_of(folder / f"{DATABASE}-wal")
    if log is not None and log.st_size > _LOG_HEADER:
        left[f"{DATABASE}-wal"] = f"a write-ahead log of {log.st_size:,} bytes"
    held = _indexed(folder / "index") if indexed else 0
    if held:
        left["index"] = f"an index of {held:,} documents and removals"
    if left:
        names = " and ".join(str(folder / name) for name in left)
        raise FolderUnusable(
            f"The database {folder / DATABASE} is {how}, but beside it there is "
            f"{' and '.join(left.values())}.",
            "Put the file back as it was, or restore a backup: homeport restore FOLDER --force. "
            f"To begin with nothing, remove {names}.",
        )


def _indexed(folder: Path) -> int:
    """What the index in use holds, as far as that can be read."""
    held = IndexFolder(folder)
    current = held.current()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return 0 if current is None else held.documents(current.generation)
    return 0
