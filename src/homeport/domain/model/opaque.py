"""Strings that clients hand back unread: cursors and checkpoints.

They are positions, not capabilities: who may read what is decided anew with every request. A
digest of what they belong to is inside, so that one of another query is told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from functools import lru_cache
from typing import Any

_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


@lru_cache(4096)
def digest(*parts: str | None) -> str:
    """A short digest of what an opaque string belongs to. Every page of a list asks again."""
    return hashlib.blake2b(_encode(parts).encode(), digest_size=8).hexdigest()


def seal(of: str, position: list[Any]) -> str:
    """`position` (JSON values) as an opaque string that belongs to `of`, a digest."""
    text = _encode([of, *position])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unseal(of: str, sealed: str, *shape: type) -> list[Any] | None:
    """The position inside; None if the string is damaged or does not belong to `of`.

    `shape` gives the type of each part, `object` for any, so that a forged one cannot surprise
    its reader: integers fit into 64 bits, and text is text in UTF-8 too.
    """
    try:
        raw = urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        owner, *position = json.loads(raw)
    except (Base64Error, ValueError, TypeError, RecursionError):
        return None
    if owner != of or len(position) != len(shape):
        return None
    for part, kind in zip(position, shape, strict=True):
        if (kind is not object and type(part) is not kind) or not _storable(part):
            return None
    return list(position)


def _storable(part: Any) -> bool:
    """Whether every store and index can take it in a query."""
    if isinstance(part, int):
        return -(1 << 63) <= part < 1 << 63
    return not isinstance(part, str) or part.isascii() or _SURROGATE.search(part) is None


_SURROGATE = re.compile("[\ud800-\udfff]")
