"""What commands print: as an operator's terminal can show it, and when."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


def printable(text: str, *, in_lines: bool = False) -> str:
    """`text` with whatever a terminal would act on, or hide, as JSON's escape of it: nobody's
    data moves the cursor, names the window or turns the writing round. With `in_lines` the ends
    of lines stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or (in_lines and one == "\n") else json.dumps(one)[1:-1]
        for one in text
    )


@contextmanager
def held_back() -> Iterator[None]:
    """Print at the end what is printed meanwhile: whoever reads it slowly, in a pager, must not
    keep the data folder from a server that starts."""
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            yield
    finally:
        print(said.getvalue(), end="")


def drop_output() -> None:
    """Nobody takes our output: what is left in the buffer must not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
