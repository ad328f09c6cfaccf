"""The simple search syntax: what a person types.

Words, `+word`, `-word`, `|word`, `"a phrase"`, `"far apart"~3`, `prefix*`, `fuzzy~1`, `(...)`,
and `\\` before a character that is to be no operator. Nothing is a syntax error: a quote or a
parenthesis that is not closed ends with the query, an operator without a word is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from homeport.testing.cloudsearch.errors import NotEmulated, SearchRefused
from homeport.testing.cloudsearch.query import (
    MAX_CLAUSES,
    And,
    Fuzzy,
    Literal,
    MatchAll,
    Near,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Term,
)

OPERATORS: Final = frozenset(
    ("and", "escape", "fuzzy", "near", "not", "or", "phrase", "precedence", "prefix", "whitespace")
)
_MAX_EDITS: Final = 2
"""More is taken for this, as Lucene does."""
_SIGNS: Final = {"+": "and", "-": "not", "|": "or"}


@dataclass(slots=True)
class _Group:
    """Clauses between parentheses, by what their signs ask for."""

    must: list[Query] = field(default_factory=list)
    bare: list[Query] = field(default_factory=list)
    may: list[Query] = field(default_factory=list)
    never: list[Query] = field(default_factory=list)

    def combined(self, default: str) -> Query | None:
        """One query, or None where there was no word.

        `star wars |trek` is (star and wars) or trek; `+star |wars` is star, better with wars.
        """
        optional = self.may if default == "and" else [*self.bare, *self.may]
        core = [And(tuple(self.bare))] if default == "and" and self.bare else []
        parts = list(self.must)
        if core or (optional and not self.must):
            parts.append(Or((*core, *optional)))
        elif optional:
            parts.append(Or((MatchAll(0.0), *optional)))
        parts += [Not(one) for one in self.never]
        return And(tuple(parts)) if parts else None


def parse(text: str, default: str, disabled: Collection[str]) -> Query | None:
    """Read a query. `default` is `and` or `or`; None stands for a query without words.

    `disabled` are operators that have no special meaning. Those of single characters are
    dropped from the query.
    """
    if "whitespace" in disabled:
        raise NotEmulated("the simple parser without whitespace")
    return _Parser(text, default, disabled).group()


class _Parser:
    def __init__(self, text: str, default: str, disabled: Collection[str]) -> None:
        self._text = text
        self._default = default
        self._disabled = disabled
        self._at = 0
        self._clauses = 0

    def _enabled(self, operator: str) -> bool:
        return operator not in self._disabled

    def group(self, depth: int = 0) -> Query | None:
        group = _Group()
        sign = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() or (char == "\\" and not self._enabled("escape")):
                self._at += 1
            elif char in _SIGNS:
                sign = char if self._enabled(_SIGNS[char]) else sign
                self._at += 1
            elif char == ")":
                self._at += 1
                if depth and self._enabled("precedence"):
                    break
            else:
                clause = self._clause(depth)
                if clause:
                    place = {"+": group.must, "-": group.never, "|": group.may}
                    place.get(sign, group.bare).append(clause)
                sign = ""
        return group.combined(self._default)

    def _clause(self, depth: int) -> Query | None:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            raise SearchRefused(f"A query has at most {MAX_CLAUSES} clauses")
        char = self._text[self._at]
        if char == "(":
            self._at += 1
            deeper = self._enabled("precedence") and depth < 50
            return self.group(depth + 1) if deeper else None
        if char == '"':
            self._at += 1
            return self._phrase() if self._enabled("phrase") else None
        return self._word()

    def _phrase(self) -> Query | None:
        text = ""
        while self._at < len(self._text) and self._text[self._at] != '"':
            text += self._character()
        self._at += 1
        distance = self._tilde()
        if not text.strip():
            return None
        if distance and self._enabled("near"):
            return Near(text, distance)
        return Phrase(text)

    def _word(self) -> Query | None:
        text = ""
        prefix = False
        stops = ' \t\r\n+|()"'
        while self._at < len(self._text) and self._text[self._at] not in stops:
            if self._text[self._at] == "~":
                break
            prefix = self._text[self._at] == "*"
            if prefix:
                self._at += 1
            else:
                text += self._character()
        edits = self._tilde()
        if not text:
            return None
        if edits and self._enabled("fuzzy"):
            return Fuzzy(text, min(edits, _MAX_EDITS))
        if prefix and self._enabled("prefix"):
            return Prefix(text)
        return Term(Literal(text, quoted=True))

    def _character(self) -> str:
        """The next one, read past its backslash."""
        char = self._text[self._at]
        self._at += 1
        if char != "\\":
            return char
        if not self._enabled("escape"):
            return ""
        escaped = self._text[self._at : self._at + 1]
        self._at += 1
        return escaped

    def _tilde(self) -> int:
        """The number after a tilde, or 0."""
        found = re.compile(r"~(\d*)", re.ASCII).match(self._text, self._at)
        if not found:
            return 0
        self._at = found.end()
        return int(found[1][:9] or "0")
