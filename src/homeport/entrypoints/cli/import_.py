"""`homeport import`: what `homeport export` has written, restored while the server is stopped."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from homeport.domain.errors import Conflict, Fault, HomeportError, Invalid
from homeport.domain.importing import Imported, Importing
from homeport.domain.interchange import LINE_BYTES, End, Header, NewerFormat, parse
from homeport.entrypoints.cli.exits import Exit, Failure, complain, fail
from homeport.entrypoints.cli.export import STANDARD
from homeport.entrypoints.cli.lines import Line, lines
from homeport.entrypoints.cli.opening import definition_of, opened
from homeport.entrypoints.cli.printing import printable
from homeport.entrypoints.cli.progress import progress

_LISTED: Final = 100
"""How many refused lines the summary for programs names; all are told on stderr."""
_SHOWN: Final = 10


@dataclass(slots=True)
class _Refused:
    """The lines that were not taken, and how the file ended."""

    count: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    whole: bool = False

    def add(self, number: int, detail: str, faults: tuple[Fault, ...]) -> None:
        self.count += 1
        told = "; ".join(f"{one.pointer or '(the whole)'}: {one.detail}" for one in faults)
        complain(f"line {number:,}: {printable(f'{detail} {told}'.strip())}")
        if len(self.listed) < _LISTED:
            errors = [{"pointer": one.pointer, "detail": one.detail} for one in faults]
            self.listed.append({"line": number, "detail": detail, "errors": errors})


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    if definition.adapters.record_store.use == "memory":
        fail(Exit.USAGE, "The records are kept in memory: there is nothing to import into.")
    refused = _Refused()
    with _file(arguments.file) as file:
        following = lines(file, LINE_BYTES)
        first = _check_header(next(following, None))
        with opened(definition) as backend:
            importing = Importing(
                backend.store,
                backend.definition.catalog(),
                backend.schemas,
                backend.identity_provider,
                replace=arguments.replace,
            )
            total = os.fstat(file.fileno()).st_size or None  # a pipe has none
            try:
                with progress("Importing", total, unit="bytes") as advance:
                    advance(first.length)
                    for line in following:
                        _take(line, importing, refused)
                        advance(line.length)
                        if refused.count and arguments.strict:
                            refused.stopped = True
                            break
                    importing.flush()
            except HomeportError as error:
                cure = "Import the same file again to go on."
                raise Failure(Exit.FAILED, f"{error.detail} {cure}") from error
            except KeyboardInterrupt:
                sentence = "interrupted. Import the same file again to go on."
                raise Failure(Exit.INTERRUPTED, sentence) from None
    _tell(importing.done, refused, as_json=arguments.json)
    return Exit.OK if refused.whole and not refused.count else Exit.FAILED


def _take(line: Line, importing: Importing, refused: _Refused) -> None:
    """Import one line, or say what is wrong with it."""
    if refused.whole:
        refused.add(line.number, "There is something after the end of the export.", ())
        return
    if line.text is None:
        detail = f"The line has {line.length:,} bytes; {LINE_BYTES:,} is the most."
        refused.add(line.number, detail, ())
        return
    try:
        one = parse(line.text)
        if isinstance(one, Header):
            raise Invalid("A header stands in the first line alone.")
        if isinstance(one, End):
            refused.whole = True
            _check_end(one, line.number)
            return
        importing.check(one)
    except Invalid as error:
        refused.add(line.number, error.detail, error.faults)
        return
    try:
        importing.add(one)
    except Conflict as error:
        refused.add(line.number, error.detail, error.faults)


def _check_end(end: End, number: int) -> None:
    said, found = end.records + end.memberships, number - 2
    if said != found:
        raise Invalid(f"The export had {said:,} lines between its header and this, not {found:,}.")


def _check_header(line: Line | None) -> Line:
    try:
        one = parse(line.text) if line is not None and line.text is not None else None
    except NewerFormat as error:
        raise Failure(Exit.SCHEMA, error.detail) from error
    except Invalid:
        one = None
    if line is None or not isinstance(one, Header):
        fail(Exit.FAILED, "This is no export: its first line is not a header of `homeport export`.")
    return line


@contextmanager
def _file(name: str) -> Iterator[BinaryIO]:
    if name == STANDARD:
        yield sys.stdin.buffer
        return
    with ExitStack() as closing:
        try:
            file = closing.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise Failure(Exit.FAILED, f"{name} cannot be read: {error.strerror}.") from error
        yield file


def _tell(done: Imported, refused: _Refused, *, as_json: bool) -> None:
    if not refused.whole and not refused.stopped:
        complain("the file is not whole: it has no end. What it holds is imported.")
    if as_json:
        summary = {
            "records": asdict(done.records),
            "memberships": asdict(done.memberships),
            "conflicting": [one._asdict() for one in done.conflicting],
            "refused": refused.count,
            "lines": refused.listed,
            "whole": refused.whole,
        }
        print(json.dumps(summary, indent=2))
        return
    for what, tally in (("Records", done.records), ("Memberships", done.memberships)):
        print(
            f"{what}: {tally.created:,} created, {tally.replaced:,} replaced, "
            f"{tally.unchanged:,} unchanged, {tally.conflicts:,} conflicts."
        )
    for key in done.conflicting[:_SHOWN]:
        print(f"  stays as it is: {'/'.join(key)}")
    if refused.count:
        print(f"Lines refused: {refused.count:,}.")
