"""Expressions: numbers made of fields and of the score, to sort by and to return.

Emulated are numbers, sortable int, double and date fields, `_score`, `_time` (milliseconds),
`+ - * / %`, parentheses and a few functions. The rest of JavaScript's operators,
`haversin`, `_rand` and expressions made of expressions are refused in so many words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import NotEmulated, SearchRefused
from homeport.testing.cloudsearch.schema import Schema, is_name
from homeport.testing.cloudsearch.values import INT64

MAX_SIZE: Final = 10_240
"""Bytes of one expression."""

Number = Callable[[Document, float], float]
"""From a document and its score."""

_TOKEN: Final = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([a-z_][a-z0-9_]*)|(.))", re.DOTALL)
_FUNCTIONS: Final[Mapping[str, tuple[int, Callable[..., float]]]] = {
    "abs": (1, math.fabs),
    "ceil": (1, math.ceil),
    "exp": (1, math.exp),
    "floor": (1, math.floor),
    "ln": (1, math.log),
    "log10": (1, math.log10),
    "max": (2, lambda *both: max(both)),
    "min": (2, lambda *both: min(both)),
    "pow": (2, math.pow),
    "sqrt": (1, math.sqrt),
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole number from 0 to 2**63 - 1; 0 where the arithmetic fails."""

    compute: Number

    def of(self, document: Document, score: float) -> int:
        try:
            number = self.compute(document, score)
        except (ArithmeticError, ValueError):
            return 0
        if not number > 0:
            return 0
        return INT64 - 1 if number >= INT64 - 1 else round(number)


def read_all(sources: Mapping[str, object], schema: Schema, now: float) -> dict[str, Expression]:
    """Read the expressions of a request: name -> source."""
    made: dict[str, Expression] = {}
    for name, source in sources.items():
        if not is_name(name) or name in schema.fields:
            raise SearchRefused(f"{name!r} is no name for an expression")
        if not isinstance(source, str) or len(source.encode()) > MAX_SIZE:
            raise SearchRefused(f"Expression ({name}) is no text of at most {MAX_SIZE} bytes")
        try:
            made[name] = Expression(_Parser(source, schema, now).whole())
        except RecursionError as exc:
            raise NotEmulated(f"the depth of expression {name}") from exc
    return made


class _Parser:
    def __init__(self, source: str, schema: Schema, now: float) -> None:
        self._source = source
        self._schema = schema
        self._now = now
        self._tokens = [found for found in _TOKEN.findall(source.strip()) if any(found)]
        self._at = 0

    def whole(self) -> Number:
        number = self._sum()
        if self._at < len(self._tokens):
            raise NotEmulated(f"{self._peek()!r} in the expression {self._source!r}")
        return number

    def _peek(self) -> str:
        return "".join(self._tokens[self._at]) if self._at < len(self._tokens) else ""

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise SearchRefused(f"Expression {self._source!r}: {sign} is expected")
        self._at += 1

    def _sum(self) -> Number:
        left = self._product()
        while (sign := self._peek()) in {"+", "-"}:
            self._at += 1
            left = _combined(sign, left, self._product())
        return left

    def _product(self) -> Number:
        left = self._factor()
        while (sign := self._peek()) in {"*", "/", "%"}:
            self._at += 1
            left = _combined(sign, left, self._factor())
        return left

    def _factor(self) -> Number:
        if self._at == len(self._tokens):
            raise SearchRefused(f"Expression {self._source!r} ends too early")
        number, name, sign = self._tokens[self._at]
        self._at += 1
        if number:
            return lambda _, __, value=float(number): value  # type: ignore[misc]
        if name:
            return self._call(name) if self._peek() == "(" else self._variable(name)
        if sign == "-":
            inner = self._factor()
            return lambda document, score: -inner(document, score)
        if sign != "(":
            raise NotEmulated(f"{sign!r} in the expression {self._source!r}")
        inner = self._sum()
        self._take(")")
        return inner

    def _call(self, name: str) -> Number:
        if name not in _FUNCTIONS:
            raise NotEmulated(f"the function {name}")
        count, function = _FUNCTIONS[name]
        self._take("(")
        arguments = [self._sum()]
        while self._peek() == ",":
            self._at += 1
            arguments.append(self._sum())
        self._take(")")
        if len(arguments) != count:
            raise SearchRefused(f"{name} takes {count}, not {len(arguments)}")
        return lambda document, score: function(*(one(document, score) for one in arguments))

    def _variable(self, name: str) -> Number:
        if name == "_score":
            return lambda _, score: score
        if name == "_time":
            return lambda _, __: self._now * 1000
        field = self._schema.resolve(name)
        if field is None:
            raise SearchRefused(f"Expression {self._source!r}: ({name}) is no field")
        if field.type not in {"int", "double", "date"} or not field.sort:
            raise SearchRefused(f"Field ({name}) is no sort enabled number")

        def value(document: Document, _: float) -> float:
            found = document.get(name)
            return float(found[0]) if found else 0.0  # type: ignore[arg-type]  # a number

        return value


def _combined(sign: str, left: Number, right: Number) -> Number:
    operations: Mapping[str, Callable[[float, float], float]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "%": math.fmod,
    }
    operation = operations[sign]
    return lambda document, score: operation(left(document, score), right(document, score))
