"""The structured search syntax: `q` with `q.parser=structured`, and `fq` always.

    QUERY   = matchall | STRING | FIELD ':' (STRING | NUMBER | RANGE)
            | '(' OPERATOR OPTION* OPERAND+ ')'
    OPTION  = ('field' | 'boost' | 'distance') '=' (NAME | NUMBER | STRING)
    RANGE   = ('[' | '{') BOUND? ',' BOUND? (']' | '}')        BOUND = STRING | NUMBER
    STRING  = in single quotes; a quote or a backslash inside it has a backslash before it

Options stand before operands, an omitted bound has a brace, strings and dates are in quotes and
numbers are not. What departs from this is refused, also where CloudSearch might guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from homeport.testing.cloudsearch.errors import SearchRefused
from homeport.testing.cloudsearch.query import (
    MAX_CLAUSES,
    And,
    Bounds,
    Literal,
    MatchAll,
    Near,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Range,
    Term,
)

_MAX_DEPTH: Final = 100
_TOKENS: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>'(?:[^'\\]|\\['\\])*')
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])
      | (?P<name>_?[a-z][a-z0-9_]*)
      | (?P<sign>[()\[\]{},:=])""",
    re.VERBOSE,
)
_OPTIONS: Final = {
    "and": {"boost"},
    "or": {"boost"},
    "not": {"boost", "field"},
    "term": {"boost", "field"},
    "phrase": {"boost", "field"},
    "prefix": {"boost", "field"},
    "near": {"boost", "field", "distance"},
    "range": {"boost", "field"},
}
"""Operator -> the options it knows."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Query:
    """Read a whole query. `SearchRefused` says where it goes wrong."""
    parser = _Parser(_tokens(text))
    query = parser.query()
    parser.take("end")
    return query


def parse_range(text: str, what: str) -> Bounds:
    """Read a range that stands alone, as the buckets of a facet do."""
    parser = _Parser(_tokens(text))
    if parser.next.text not in {"[", "{"}:
        raise SearchRefused(f"{what}: {text!r} is no range")
    bounds = parser.bounds()
    parser.take("end")
    return bounds


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if not found or not found.lastgroup:
            raise SearchRefused(f"Syntax error in query: {text[at : at + 20]!r} at {at}")
        if found.lastgroup != "space":
            tokens.append(_Token(found.lastgroup, found[0], at))
        at = found.end()
    tokens.append(_Token("end", "", at))
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._clauses = 0
        self._depth = 0

    @property
    def next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, kind: str, text: str | None = None) -> _Token:
        """The next token, which must be of that kind."""
        token = self.next
        if token.kind != kind or (text is not None and token.text != text):
            raise SearchRefused(
                f"Syntax error in query: {text or kind} is expected at {token.at}, "
                f"not {token.text or 'its end'!r}"
            )
        self._at += 1
        return token

    def query(self) -> Query:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            raise SearchRefused(f"A query has at most {MAX_CLAUSES} clauses")
        if self.next.kind == "string":
            return Term(self._literal())
        if self.next.text == "(":
            return self._operator()
        name = self.take("name").text
        if name == "matchall" and self.next.text != ":":
            return MatchAll()
        self.take("sign", ":")
        return self._value(name, 1.0)

    def bounds(self) -> Bounds:
        opening = self.take("sign").text
        low = None if self.next.text == "," else self._literal()
        self.take("sign", ",")
        high = None if self.next.text in {"]", "}"} else self._literal()
        closing = self.take("sign").text
        if opening not in {"[", "{"} or closing not in {"]", "}"}:
            raise SearchRefused("Syntax error in query: a range is [a,b] or {a,b}")
        if (low is None and opening == "[") or (high is None and closing == "]"):
            raise SearchRefused("Syntax error in query: an omitted bound takes a brace")
        if low is None and high is None:
            raise SearchRefused("Syntax error in query: a range has at least one bound")
        return Bounds(low, high, opening == "[", closing == "]")

    def _operator(self) -> Query:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise SearchRefused(f"The emulator reads {_MAX_DEPTH} levels of parentheses")
        self.take("sign", "(")
        operator = self.take("name").text
        if operator not in _OPTIONS:
            raise SearchRefused(f"Syntax error in query: there is no operator {operator}")
        options = self._options(operator)
        made = self._apply(operator, options)
        self.take("sign", ")")
        self._depth -= 1
        return made

    def _options(self, operator: str) -> dict[str, str]:
        options: dict[str, str] = {}
        while self.next.kind == "name" and self._tokens[self._at + 1].text == "=":
            name = self.take("name").text
            self.take("sign", "=")
            value = self.next
            if name not in _OPTIONS[operator] or name in options:
                raise SearchRefused(f"Syntax error in query: {operator} has no (other) {name}")
            if value.kind not in {"name", "number", "string"}:
                raise SearchRefused(f"Syntax error in query: {name} has no value")
            self._at += 1
            options[name] = _unquoted(value) if value.kind == "string" else value.text
        return options

    def _apply(self, operator: str, options: dict[str, str]) -> Query:
        boost = _boost(options)
        field = options.get("field")
        match operator:
            case "and" | "or":
                operands = [self.query()]
                while self.next.text != ")":
                    operands.append(self.query())
                kind = And if operator == "and" else Or
                return kind(tuple(operands), boost)
            case "not":
                operand = self._value(field, 1.0) if field else self.query()
                return Not(operand, boost)
            case "phrase":
                return Phrase(_unquoted(self.take("string")), field, boost)
            case "prefix":
                return Prefix(self._prefix(), field, boost)
            case "near":
                distance = options.get("distance", "")
                if not distance.isdecimal() or int(distance) < 1:
                    raise SearchRefused("near has a distance, a positive integer")
                return Near(_unquoted(self.take("string")), int(distance), field, boost)
            case "range":
                if field is None:
                    raise SearchRefused("range has a field")
                return Range(self.bounds(), field, boost)
            case _:
                return self._term(field, boost)

    def _term(self, field: str | None, boost: float) -> Term:
        value = self._literal()
        if field is None and not value.quoted:
            raise SearchRefused("term has a field, where its value is no string")
        return Term(value, field, boost)

    def _prefix(self) -> str:
        text = _unquoted(self.take("string"))
        if not text:
            raise SearchRefused("A prefix has at least one character")
        return text

    def _value(self, field: str | None, boost: float) -> Query:
        if field is not None and self.next.text in {"[", "{"}:
            return Range(self.bounds(), field, boost)
        return Term(self._literal(), field, boost)

    def _literal(self) -> Literal:
        if self.next.kind == "string":
            return Literal(_unquoted(self.take("string")), quoted=True)
        return Literal(self.take("number").text, quoted=False)


def _unquoted(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)


def _boost(options: dict[str, str]) -> float:
    try:
        boost = float(options.get("boost", "1"))
    except ValueError as exc:
        raise SearchRefused(f"{options['boost']!r} is no boost") from exc
    if not 0 < boost < float("inf"):
        raise SearchRefused("A boost is a positive number")
    return boost
