"""What users wrote, as an operator's terminal can show it."""

from __future__ import annotations

import json


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
