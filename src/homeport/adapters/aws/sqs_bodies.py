"""Any text as a body that SQS takes, and back.

SQS refuses an empty body, and characters that XML has no place for. Both are written with
DEL as a mark, as terminals write control characters: NUL is DEL and `@`, a real DEL is DEL and
`?`, an empty body is DEL alone. Everything else stands as it is, so that whoever looks into
the queue reads it.
"""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = "\x7f"
_REFUSED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_SIGNS: Final = {
    **{chr(code): chr(code + 0x40) for code in range(0x20)},
    _MARK: "?",
    "\ufffe": "e",
    "\uffff": "f",
}
_MEANT: Final = {sign: char for char, sign in _SIGNS.items()}
_MARKED: Final = re.compile(f"{_MARK}(.)")


def to_sqs(body: str) -> str:
    """At most twice the bytes of `body`, and as many where it has no such characters."""
    return _REFUSED.sub(lambda found: _MARK + _SIGNS[found[0]], body) or _MARK


def from_sqs(text: str) -> str:
    """What `to_sqs` was given. What others put into the queue comes as it is."""
    if text == _MARK:
        return ""
    return _MARKED.sub(lambda found: _MEANT.get(found[1], found[0]), text)
