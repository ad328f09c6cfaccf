"""Backups of a data folder: made while others write, held against what they were made from.

    BACKUP/homeport.db      the database as it was at one moment
    BACKUP/manifest.json    its size, checksum, counts, schema and versions

The search index is not in it: it is made anew from the records.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import apsw

from homeport import __version__
from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import (
    DATABASE,
    LOCK,
    DataFolder,
    FolderUnusable,
    NewerSchema,
    set_aside,
    without_guests,
)
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.embedded.presence import database_in
from homeport.domain.errors import Conflict, Invalid, Unavailable

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_PAGES: Final = 2_000
"""Pages copied between two signs of progress."""
_OCCUPIED: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
"""What a rename says whose target is there."""
_FIXED: Final = (errno.EBUSY, errno.EXDEV)
"""What a rename says of a mount point, and of a folder in a lower layer of a container's image."""
_CHUNK: Final = 1024 * 1024
_OURS: Final = (
    LOCK,
    "index",
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
)
"""All that a data folder holds."""
_NAMED: Final = 5
"""Of what keeps a restore away: the first few tell enough."""
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes done since the last call."""


def _silent(done: int) -> None:
    """No progress is wanted."""


class NoBackup(Invalid):
    """What was given is not a whole backup: something is missing, or differs from its manifest."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `made` is microseconds since 1970, `bytes` and `sha256` are
    those of the database's file, `counts` the rows of each table, `schema` its version."""

    made: int
    homeport: str
    sqlite: str
    schema: int
    bytes: int
    sha256: str
    counts: dict[str, int]
    format: int = FORMAT


_KINDS: Final[dict[str, type]] = {
    "made": int,
    "homeport": str,
    "sqlite": str,
    "schema": int,
    "bytes": int,
    "sha256": str,
    "counts": dict,
    "format": int,
}


def back_up(source: Path, target: Path, now: int, progress: Progress = _silent) -> Manifest:
    """Copy the database of the data folder `source` to `target`, a folder that is not there yet.

    Another process may write all the while: the copy is of one moment, and blocks nobody. The
    target gets its name only when the copy is whole, checked and on disk. `now` is the time in
    microseconds since 1970. Raises Unavailable, with nothing left behind, FolderUnusable where
    it is the source that cannot be read, and Conflict where the target is there already or would
    be a part of the data folder.
    """
    if source.resolve() in target.resolve().parents:
        raise Conflict(f"{target} would be in the data folder.")
    with draft(target) as folder, _trouble():
        copy = folder / DATABASE
        schema, counts = _copy(database_in(source), copy, progress)
        _check_database(copy, schema, counts)
        manifest = Manifest(
            made=now,
            homeport=__version__,
            sqlite=apsw.sqlite_lib_version(),
            schema=schema,
            bytes=copy.stat().st_size,
            sha256=_checksum(copy),
            counts=counts,
        )
        (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        for name in (DATABASE, MANIFEST):
            (folder / name).chmod(_FILE_MODE)
            _sync(folder / name)
        _sync(folder)
    return manifest


def read_manifest(backup: Path) -> Manifest:
    """What the backup says of itself. Raises NoBackup, or NewerSchema for one that this program
    cannot read."""
    try:
        said = json.loads((backup / MANIFEST).read_bytes())
        if said["format"] > FORMAT:
            raise NewerSchema(
                f"The backup {backup} is of format {said['format']}; this program knows formats "
                f"up to {FORMAT}. Install the newer version of homeport that made it."
            )
        manifest = Manifest(**said)
        wrong = [name for name, kind in _KINDS.items() if type(getattr(manifest, name)) is not kind]
        if wrong:
            raise TypeError(", ".join(wrong))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise NoBackup(f"{backup} is no backup: it has no {MANIFEST} that can be read.") from exc
    if manifest.schema > len(MIGRATIONS):
        raise NewerSchema(
            f"The backup {backup} is of schema {manifest.schema}; this program knows schemas up "
            f"to {len(MIGRATIONS)}. Install the newer version of homeport that made it."
        )
    return manifest


def restore(
    backup: Path, target: Path, *, force: bool = False, progress: Progress = _silent
) -> Manifest:
    """Make the data folder `target` from a backup: whole, checked and on disk, or not at all.

    With `force` it takes the place of a data folder that is there, which is locked and kept
    aside until then, and removed after it. Raises NoBackup, NewerSchema, Conflict where
    something is there that stays, FolderInUse, FolderUnusable for a mount point, or Unavailable.
    """
    if target.exists() and not target.is_dir():
        raise Conflict(f"{target} is not a folder.")
    with _trouble():
        there = sorted(one.name for one in target.iterdir()) if target.exists() else []
    if there and not force:
        raise Conflict(f"{target} is not empty.")
    if not there:
        with draft(target) as folder:
            return _restore_into(backup, folder, progress)
    with _trouble():
        ours = _OURS if _is_data_folder(target) else ()
    strange = [name for name in there if name not in ours]
    if strange:
        more = ", ..." if len(strange) > _NAMED else ""
        raise Conflict(
            f"{target} stays as it is: {', '.join(strange[:_NAMED])}{more} in it is not of a data "
            "folder."
        )
    aside = set_aside(target, os.getpid())
    lock = DataFolder(target, to_replace=True)  # no server may run on it, or start now
    try:
        with without_guests(target), draft(target, replaces=aside) as folder:
            manifest = _restore_into(backup, folder, progress)
    finally:
        lock.close()
    shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _restore_into(backup: Path, folder: Path, progress: Progress) -> Manifest:
    manifest = read_manifest(backup)
    source, copy = backup / DATABASE, folder / DATABASE
    with _trouble():
        try:
            said = source.stat().st_size
        except FileNotFoundError as exc:
            raise NoBackup(f"The backup {backup} is damaged: it has no {DATABASE}.") from exc
        if said != manifest.bytes:
            raise NoBackup(
                f"The backup {backup} is damaged: {DATABASE} has {said:,} bytes instead of "
                f"{manifest.bytes:,}."
            )
        digest = hashlib.sha256()
        with source.open("rb") as reading, _private(copy) as writing:
            while chunk := reading.read(_CHUNK):
                digest.update(chunk)
                writing.write(chunk)
                progress(len(chunk))
        if digest.hexdigest() != manifest.sha256:
            raise NoBackup(
                f"The backup {backup} is damaged: {DATABASE} has another checksum than its "
                "manifest says."
            )
        _check_database(copy, manifest.schema, manifest.counts)
        _sync(copy)
        _sync(folder)
    return manifest


@contextmanager
def draft(target: Path, replaces: Path | None = None) -> Iterator[Path]:
    """A new folder beside `target` that gets its name at the end, and goes away after an error.

    What has the name already is moved to `replaces` just before; without that, only an empty
    folder may have it, else Conflict is raised. What killed processes have left of theirs goes.
    Raises FolderUnusable for a mount point, which can have no other name.
    """
    if replaces is None and target.exists() and not _is_empty(target):
        raise Conflict(f"{target} exists already.")
    if os.path.ismount(target):
        raise _fixed(target)
    folder = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with _trouble():
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.iterdir():
            if left.name.startswith(f".{target.name}.") and left.name.endswith(".partial"):
                _remove_unless_held(left)
        folder.mkdir(mode=_FOLDER_MODE)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
        with _trouble():
            try:
                if replaces is not None:
                    target.rename(replaces)
                folder.rename(target)  # only an empty folder can be in its way
            except BaseException as exc:  # an interruption too leaves what was there in its place
                if replaces is not None and replaces.exists() and not target.exists():
                    replaces.rename(target)
                if isinstance(exc, OSError) and exc.errno in _OCCUPIED:
                    raise Conflict(f"{target} exists already.") from exc
                if isinstance(exc, OSError) and exc.errno in _FIXED:
                    raise _fixed(target) from exc
                raise
            _sync(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(held)


def _fixed(target: Path) -> FolderUnusable:
    return FolderUnusable(
        f"Nothing can be put in the place of {target}: it is a mount point, or part of a "
        f"container's image. Choose a folder inside it, such as {target / 'data'}."
    )


def _remove_unless_held(folder: Path) -> None:
    """Remove a draft whose process is gone: one that lives holds it locked."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _is_data_folder(path: Path) -> bool:
    """Whether data of ours are in it. Others too may have a `lock` or an `index`, with what they
    made themselves."""
    proofs = (DATABASE, f"{DATABASE}-wal", "index/CURRENT")
    return any((path / proof).is_file() for proof in proofs)


def _copy(source: Path, copy: Path, progress: Progress) -> tuple[int, dict[str, int]]:
    """The schema version and the rows of each table, of the very moment that was copied."""
    with contextlib.ExitStack() as closing:
        try:
            reader = closing.enter_context(contextlib.closing(engine.open_reader(source)))
            # Held to the end: else each commit of another process would begin the copy anew.
            reader.execute("BEGIN")
            schema = int(reader.execute("PRAGMA user_version").get)
        except engine.TROUBLE as exc:
            raise FolderUnusable(str(engine.translated(exc))) from exc
        _private(copy).close()
        with contextlib.closing(apsw.Connection(str(copy))) as target:
            with target.backup("main", reader, "main") as copying:
                remaining = None
                while not copying.done:
                    copying.step(_PAGES)
                    before = copying.page_count if remaining is None else remaining
                    remaining = copying.remaining
                    progress((before - remaining) * _page_size(reader))
            # As a file of its own, without a log beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        return schema, _counts(reader)


def _check_database(path: Path, schema: int, counts: dict[str, int]) -> None:
    """Raise NoBackup unless the file is sound and holds what it should."""
    database = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        faults = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
        if faults != ["ok"]:
            raise NoBackup(f"The database is damaged: {'; '.join(faults)}.")
        found = int(database.execute("PRAGMA user_version").get)
        if found != schema or _counts(database) != counts:
            raise NoBackup("The database does not hold what it should: its counts differ.")
    finally:
        database.close()


def _counts(connection: apsw.Connection) -> dict[str, int]:
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name"
    )
    names = [str(row[0]) for row in tables]
    return {
        name: int(connection.execute(f'SELECT count(*) FROM "{name}"').get)  # noqa: S608 - its own
        for name in names
    }


def _page_size(connection: apsw.Connection) -> int:
    return int(connection.execute("PRAGMA page_size").get)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _trouble() -> Iterator[None]:
    """The disk's and the engine's errors as Unavailable."""
    try:
        yield
    except engine.TROUBLE as exc:
        raise engine.translated(exc) from exc
    except OSError as exc:
        raise Unavailable(f"{exc.filename or 'The disk'}: {exc.strerror}.") from exc
