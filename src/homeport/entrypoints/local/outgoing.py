"""An answer's head, as HTTP/1.0 and 1.1 write it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from homeport.entrypoints.local.incoming import Headers

CLOSE: Final = ("connection", "close")
WITHOUT_CONTENT: Final = frozenset((204, 304))
_REASONS: Final = {int(one): one.phrase for one in HTTPStatus}


def head(
    http_version: str, status: int, headers: Headers, length: int, common: str, *, closes: bool
) -> bytes:
    """The status line, the headers and the empty line; `common` are the lines of every answer,
    that one included. Raises UnicodeEncodeError for what is not ASCII."""
    lines = [f"HTTP/{http_version} {status} {_REASONS.get(status, '')}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    if closes and CLOSE not in headers:
        lines.append("connection: close\r\n")
    elif http_version == "1.0":
        lines.append("connection: keep-alive\r\n")
    if status not in WITHOUT_CONTENT:
        lines.append(f"content-length: {length}\r\n")
    lines.append(common)
    return "".join(lines).encode("ascii")
