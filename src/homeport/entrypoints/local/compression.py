"""Answers in fewer bytes, for clients that ask (RFC 9110, 8.4 and 12.5.3): zstd and gzip.

The codecs are loaded when somebody first asks. A compressed answer is another representation,
and its strong ETag must differ (8.8.3.3): the coding stands at its end, `"...-gzip"`, and is
taken off again where a client sends it back.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Final, TypeAlias

Headers: TypeAlias = list[tuple[str, str]]

MINIMUM: Final = 1400
"""Smaller answers fit one packet as they are."""
OFFLOADED: Final = 65_536
"""Larger ones are compressed in a thread: the loop must not wait for them."""
VARY: Final = ("vary", "accept-encoding")
_CODINGS: Final = ("zstd", "gzip")
"""Ours, best first; the client's q-values come before that."""
_TAGGED: Final = re.compile(r'-(?:zstd|gzip)(?=")')
_TEXT: Final = ("text/", "application/json", "application/problem+json", "application/xml")


def is_text(headers: Headers) -> bool:
    """Whether the content is of a type that compresses, and nobody has encoded it yet."""
    names = dict(headers)
    kind = names.get("content-type", "")
    return "content-encoding" not in names and (kind.startswith(_TEXT) or "+json" in kind)


@lru_cache(256)
def chosen(accepted: str) -> str | None:
    """The coding to use for an Accept-Encoding header; None for none at all."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        weights["gzip" if name == "x-gzip" else name] = _weight(parameters)
    others = weights.get("*", 0.0)
    offered = [(weights.get(one, others), one) for one in _CODINGS if one != "zstd" or _has_zstd()]
    best = max(weight for weight, _ in offered)
    plain = weights.get("identity", 0.0)
    if best <= 0.0 or plain > best:
        return None
    return next(one for weight, one in offered if weight == best)


def encoder(coding: str) -> Callable[[bytes], bytes]:
    return _zstd if coding == "zstd" else _gzip


def tagged(headers: Headers, coding: str) -> Headers:
    """The headers of an answer in this coding: its ETag says so too."""
    return [
        (name, f'{value[:-1]}-{coding}"')
        if name == "etag" and value.endswith('"')
        else (name, value)
        for name, value in headers
    ]


def untagged(value: str) -> tuple[str, str | None]:
    """If-Match or If-None-Match without codings, and the coding that it named last."""
    found = _TAGGED.findall(value)
    return (_TAGGED.sub("", value), found[-1][1:]) if found else (value, None)


@cache
def _has_zstd() -> bool:
    """Whether there is a codec: part of Python from 3.14 on, and a package before."""
    if sys.version_info >= (3, 14):
        return True
    return find_spec("backports") is not None and find_spec("backports.zstd") is not None


def _weight(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(5, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def _zstd(body: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(body, 3)
