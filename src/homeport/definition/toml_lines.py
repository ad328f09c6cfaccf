"""Finds the line on which each key of a TOML document stands.

`tomllib` reads values and forgets where they were; an error about a definition should name the
line. This scanner only finds keys again in text that `tomllib` has already accepted, so it
checks nothing.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys, and indexes within arrays, from the outermost inwards."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRINGS = (
    ('"""', re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL)),
    ("'''", re.compile(r"'''.*?'{3,5}", re.DOTALL)),
    ('"', re.compile(r'"(?:\\.|[^"\\])*"')),
    ("'", re.compile(r"'[^']*'")),
)


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every key, table and array element of a valid TOML document."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._elements: dict[Path, int] = {}
        self.lines: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._peek():
            if self._take("[["):
                table = self._header(self._key(), array=True)
                self._take("]]")
            elif self._take("["):
                table = self._header(self._key(), array=False)
                self._take("]")
            else:
                self._pair(table)

    def _header(self, keys: list[str], *, array: bool) -> Path:
        """The path of a table whose header was read: `[a.b]` goes on in the last `[[a]]`."""
        path: Path = ()
        for key in keys:
            if path in self._elements:
                path += (self._elements[path],)
            path += (key,)
            self._mark(path)
        if array:
            self._elements[path] = self._elements.get(path, -1) + 1
        if path in self._elements:
            path += (self._elements[path],)
        self.lines[path] = self._line()
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for key in self._key():
            path += (key,)
            self._mark(path)
        self._peek()
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._peek()
        self._mark(path)
        if self._take("["):
            index = 0
            while not self._closed("]"):
                self._value((*path, index))
                index += 1
        elif self._take("{"):
            while not self._closed("}"):
                self._pair(path)
        elif self._string() is None:
            self._match(_SCALAR)

    def _closed(self, bracket: str) -> bool:
        """Whether the array or inline table ends here; else its next item is up."""
        self._peek()
        if self._take(","):
            self._peek()
        return self._take(bracket) or not self._peek()

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._peek()
            quoted = self._string()
            if quoted is None:
                keys.append(self._match(_BARE_KEY))
            else:
                import tomllib  # functions read no TOML

                keys.append(str(tomllib.loads(f"key = {quoted}")["key"]))
            self._peek()
            if not self._take("."):
                return keys

    def _string(self) -> str | None:
        for quote, pattern in _STRINGS:
            if self._text.startswith(quote, self._at):
                return self._match(pattern)
        return None

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._line()} is not TOML")
        self._at = found.end()
        return found.group()

    def _take(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _peek(self) -> str:
        """The next character that is neither blank nor comment; empty at the end."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _mark(self, path: Path) -> None:
        self.lines.setdefault(path, self._line())

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
