"""`homeport records get|list|put`, also while the server runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeport.domain.errors import Invalid, VersionMismatch
from homeport.domain.interchange import LINE_BYTES
from homeport.domain.model import versions
from homeport.domain.model.data import Data, encode
from homeport.domain.model.writes import Expect, Expectation
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.opening import definition_of, opened_anyway, refused
from homeport.entrypoints.cli.printing import printable
from homeport.entrypoints.cli.report import print_page
from homeport.entrypoints.lambdas.answers import version_time_text

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.model.record import Record
    from homeport.domain.records import Page

_HEADING: Final = ("ID", "VERSION", "UPDATED", "AUTHOR", "DATA")
_WIDTH: Final = 60


def run(arguments: Namespace) -> int:
    return _ACTIONS[arguments.action](arguments)


def _get(arguments: Namespace) -> int:
    with _opened(arguments) as backend:
        record = backend.operator_records.get(arguments.space, arguments.collection, arguments.id)
    shown = _as_json(record)
    print(_text(shown["data"] if arguments.bare else shown, in_lines=not arguments.json))
    return Exit.OK


def _list(arguments: Namespace) -> int:
    with _opened(arguments) as backend:
        page: Page = backend.operator_records.page(
            arguments.space, arguments.collection, arguments.limit, arguments.cursor
        )
    if arguments.json:
        shown: dict[str, Any] = {"items": [_as_json(one) for one in page.records]}
        print(_text(shown if page.cursor is None else {**shown, "cursor": page.cursor}))
    else:
        rows = [_row(one) for one in page.records]
        where = f"{arguments.space}/{arguments.collection}"
        print_page(_HEADING, rows, page.cursor, f"There are no records in {where}.")
    return Exit.OK


def _put(arguments: Namespace) -> int:
    expect = _expectation(arguments)
    data = _read(arguments.file)
    with _opened(arguments) as backend:
        try:
            record = backend.operator_records.put(
                arguments.space, arguments.collection, arguments.id, data, expect
            )
        except VersionMismatch as error:
            raise Failure(Exit.FAILED, _mismatch(error)) from error
    if arguments.json:
        print(_text(_as_json(record)))
    else:
        done = "Created" if record.version == record.created else "Replaced"
        version = versions.to_text(record.version)
        print(f"{done} {'/'.join(record.key)} at version {version}, author {record.author}.")
    return Exit.OK


def _opened(arguments: Namespace) -> AbstractContextManager[Backend]:
    return opened_anyway(definition_of(arguments), "record_store")


def _expectation(arguments: Namespace) -> Expectation | None:
    if arguments.if_none_match:
        return Expect.ABSENT
    if arguments.if_match is None:
        return None
    version = versions.from_text(arguments.if_match)
    if version is None:
        sentence = "--if-match takes a version of 16 characters, as `records get` prints it."
        fail(Exit.USAGE, sentence)
    return version


def _read(name: str) -> Data:
    """The data in a file, or on stdin."""
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            text = file.read(LINE_BYTES + 1).decode()
    except OSError as error:
        raise Failure(Exit.USAGE, f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Failure(Exit.FAILED, f"{name} is not UTF-8 text.") from error
    if len(text) > LINE_BYTES:
        fail(Exit.FAILED, f"{name} is longer than any record.")
    try:
        return Data.parse(text)
    except Invalid as error:
        raise refused(error) from error


def _mismatch(error: VersionMismatch) -> str:
    current = error.current
    if current is None or current.data is None:
        return f"{error.detail} There is nothing to replace."
    return (
        f"{error.detail} It is at version {versions.to_text(current.version)} now: read it again "
        "with `homeport records get`, and say that version with --if-match."
    )


def _as_json(record: Record) -> dict[str, Any]:
    """As the API shows it."""
    space, collection, id = record.key
    return {
        "id": id,
        "space": space,
        "collection": collection,
        "author": record.author,
        "version": versions.to_text(record.version),
        "created": version_time_text(record.created),
        "updated": version_time_text(record.version),
        "data": {} if record.data is None else record.data.value,
    }


def _row(record: Record) -> tuple[str, ...]:
    data = _text({} if record.data is None else record.data.value, in_lines=False)
    return (
        record.key.id,
        versions.to_text(record.version),
        version_time_text(record.version),
        record.author,
        data if len(data) <= _WIDTH else f"{data[:_WIDTH]} ...",
    )


def _text(value: Any, *, in_lines: bool = True) -> str:
    """JSON for people and programs. What a terminal would act on stands as its escape, and a
    number that only Decimal can hold keeps the whole to one line."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False) if in_lines else encode(value)
    except TypeError:
        text = encode(value)
    return printable(text, in_lines=True)


_ACTIONS: Final = {"get": _get, "list": _list, "put": _put}
