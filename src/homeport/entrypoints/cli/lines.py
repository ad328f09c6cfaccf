"""Lines of a file of any size, each of a bounded one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_CHUNK: Final = 1024 * 1024


class Line(NamedTuple):
    """One line: its number, counted from 1, how many bytes it takes, and its text without the
    line feed, or None where it is too long. `whole` says that it ends with a line feed."""

    number: int
    length: int
    text: bytes | None
    whole: bool


def lines(file: BinaryIO, longest: int) -> Iterator[Line]:
    """The lines of a file that is open for reading. Of one of over `longest` bytes no more than
    a megabyte is held besides."""
    number = 0
    while piece := file.readline(longest + 1):
        number += 1
        length = len(piece)
        whole = piece.endswith(b"\n")
        if whole or length <= longest:
            yield Line(number, length, piece.rstrip(b"\r\n"), whole)
            continue
        while not whole and (rest := file.readline(_CHUNK)):
            length += len(rest)
            whole = rest.endswith(b"\n")
        yield Line(number, length, None, whole)
