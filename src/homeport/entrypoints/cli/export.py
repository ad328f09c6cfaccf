"""`homeport export`: records and memberships as JSON lines, also while the server runs."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from homeport import __version__
from homeport.domain.errors import HomeportError, Invalid
from homeport.domain.exporting import entries
from homeport.domain.interchange import LINE_BYTES, End, Header, parse, render
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.lines import lines
from homeport.entrypoints.cli.opening import definition_of, viewed
from homeport.entrypoints.cli.progress import Advance, progress

if TYPE_CHECKING:
    from homeport.container import Backend

STANDARD: Final = "-"
"""The name that stands for standard output, or input."""
_MODE: Final = 0o600


@dataclass(slots=True)
class _Written:
    """What a file holds already: how much of it, and the last record."""

    length: int = 0
    records: int = 0
    memberships: int = 0
    last: Key | None = None


def run(arguments: Namespace) -> int:
    name = arguments.file
    if name == STANDARD and (arguments.resume or arguments.force or arguments.json):
        fail(Exit.USAGE, "--resume, --force and --json are for an export to a file.")
    if arguments.resume and arguments.force:
        fail(Exit.USAGE, "--resume goes on with a file, --force replaces it: choose one.")
    definition = definition_of(arguments)
    with viewed(definition) as backend:
        header = Header(
            __version__,
            backend.clock.now(),
            frozenset(arguments.space or ()),
            frozenset(arguments.collection or ()),
        )
        try:
            if name == STANDARD:
                _export(backend, header, sys.stdout.buffer, _Written())
                return Exit.OK
            _check_place(Path(name), definition.data_folder)
            with _file(Path(name), header, arguments) as (file, written):
                _export(backend, header, file, written)
        except HomeportError as error:
            raise Failure(Exit.FAILED, error.detail) from error
        except KeyboardInterrupt:
            if name == STANDARD:
                raise
            cure = f"{name} is as it was." if arguments.force else "Go on with --resume."
            raise Failure(Exit.INTERRUPTED, f"interrupted. {cure}") from None
    _tell(Path(name), written, as_json=arguments.json)
    return Exit.OK


def _export(backend: Backend, header: Header, file: BinaryIO, written: _Written) -> None:
    def write(text: str) -> None:
        file.write(text.encode() + b"\n")

    with progress("Exporting") as advance:
        if written.last is None:
            write(render(header))
        else:
            advance(written.records)
        for one in entries(backend.store, header, written.last):
            write(render(one))
            _count(one, written, advance)
        write(render(End(written.records, written.memberships)))
    file.flush()


def _count(one: object, written: _Written, advance: Advance) -> None:
    if isinstance(one, Membership):
        written.memberships += 1
    else:
        written.records += 1
        advance(1)


def _check_place(path: Path, data_folder: Path) -> None:
    if data_folder.resolve() in path.resolve().parents:
        fail(Exit.USAGE, f"{path} is in the data folder: choose a place outside.")
    if path.exists() and not path.is_file():
        fail(Exit.USAGE, f"{path} is not a file. The name - is standard output.")


@contextmanager
def _file(path: Path, header: Header, arguments: Namespace) -> Iterator[tuple[BinaryIO, _Written]]:
    """The file to write, on disk at the end, and what stays of it. One that is to be replaced
    stays as it is until the new one is whole."""
    exists = path.exists()
    resumes, replaces = arguments.resume and exists, arguments.force and exists
    path = path.resolve()
    place = path.with_name(f".{path.name}.new") if replaces else path
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    if not resumes and not replaces:
        flags |= os.O_EXCL
    held = False
    try:
        with os.fdopen(os.open(place, flags, _MODE), "r+b") as file:
            _hold(file, place, path)
            held = True
            # A file that was there may be open to others.
            os.fchmod(file.fileno(), _MODE)
            written = _rest(file, path, header) if resumes else _Written()
            file.truncate(written.length)
            file.seek(written.length)
            yield file, written
            file.flush()
            os.fsync(file.fileno())
            if replaces:
                place.replace(path)
    except FileExistsError as error:
        sentence = f"{path} exists. Go on with it by --resume, or replace it by --force."
        raise Failure(Exit.FAILED, sentence) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        cure = " What is there stays: go on with --resume." if held and not replaces else ""
        sentence = f"{path} cannot be written: {error.strerror}.{cure}"
        raise Failure(Exit.FAILED, sentence) from error
    finally:
        if replaces and held:
            place.unlink(missing_ok=True)


def _hold(file: BinaryIO, place: Path, path: Path) -> None:
    """Refuse to write where another export does, or has just given its file the name."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = place.exists() and os.path.samestat(os.fstat(file.fileno()), place.stat())
    except BlockingIOError:
        held = False
    if not held:
        fail(Exit.FAILED, f"Another export writes to {path}.")


def _rest(file: BinaryIO, path: Path, header: Header) -> _Written:
    """What an interrupted export has left: up to its last whole record. Nothing, where it did
    not come that far; members before the next record come again."""
    written = _Written()
    offset = memberships = 0
    last: bytes | None = None
    for line in lines(file, LINE_BYTES):
        text = line.text
        if line.number == 1 and not line.whole and text is not None and _begins(text):
            break
        if line.number == 1:
            _check_same(text, path, header)
        offset += line.length
        if not line.whole or text is None:
            break
        if text.startswith(_RECORD):
            written.length, written.records, last = offset, written.records + 1, text
            written.memberships = memberships
        elif text.startswith(_MEMBERSHIP):
            memberships += 1
        elif text.startswith(_END):
            fail(Exit.FAILED, f"{path} is whole: there is nothing to go on with.")
    if last is not None:
        found = parse(last)
        assert isinstance(found, Put)
        written.last = found.key
    return written


# As `render` begins them: only the last record has to be read as a whole.
_RECORD: Final = b'{"type":"record",'
_MEMBERSHIP: Final = b'{"type":"membership",'
_END: Final = b'{"type":"end",'


def _begins(text: bytes) -> bool:
    """Whether it is the beginning of a header."""
    return text[: len(_HEADER)] == _HEADER[: len(text)]


_HEADER: Final = b'{"type":"homeport-export",'


def _check_same(text: bytes | None, path: Path, header: Header) -> None:
    try:
        found = None if text is None else parse(text)
    except Invalid:
        found = None
    if not isinstance(found, Header):
        fail(Exit.FAILED, f"{path} is no export: it stays as it is.")
    if (found.spaces, found.collections) != (header.spaces, header.collections):
        sentence = "was begun with other --space and --collection: go on with the same ones."
        fail(Exit.USAGE, f"{path} {sentence}")


def _tell(path: Path, written: _Written, *, as_json: bool) -> None:
    size = path.stat().st_size
    if as_json:
        summary = {
            "file": str(path),
            "bytes": size,
            "records": written.records,
            "memberships": written.memberships,
        }
        print(json.dumps(summary, indent=2))
        return
    print(
        f"{path} holds {written.records:,} records and {written.memberships:,} memberships in "
        f"{size:,} bytes."
    )
