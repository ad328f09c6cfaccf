"""Exit codes, and errors as one sentence with its cure."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Final, NoReturn

from homeport.entrypoints.cli.printing import printable


class Exit(IntEnum):
    """What a command's end means to a script."""

    OK = 0
    FAILED = 1
    USAGE = 2
    IN_USE = 3
    PORT = 4
    SCHEMA = 5
    FOLDER = 6
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.OK: "done",
    Exit.FAILED: "not done, or a check found a fault (doctor, index verify, schema check)",
    Exit.USAGE: "wrong arguments, or a wrong definition",
    Exit.IN_USE: "another process uses the data folder",
    Exit.PORT: "the address or port cannot be listened on",
    Exit.SCHEMA: "the data folder was written by a newer version",
    Exit.FOLDER: "the data folder cannot be read or written",
    Exit.INTERRUPTED: "interrupted (Ctrl-C, SIGTERM or SIGHUP)",
}


class Failure(Exception):
    """An expected end: `str` is a sentence and its cure, for people."""

    def __init__(self, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.code: Final = code


def complain(sentence: str) -> None:
    print(f"homeport: {printable(sentence, in_lines=True)}", file=sys.stderr)


def fail(code: Exit, sentence: str) -> NoReturn:
    raise Failure(code, sentence)
