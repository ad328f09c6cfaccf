"""What a user stores under a record: a JSON object, kept as text until somebody looks inside.

A read can pass the stored text on without parsing it; a change parses, edits and writes it
again. Both directions keep every number as it was: integers as `int`, fractions that a float
cannot hold as `Decimal`, up to 38 digits (DynamoDB's range). What cannot be kept is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from itertools import islice
from typing import Any, Final, NoReturn, TypeAlias

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid

Json: TypeAlias = "None | bool | int | float | Decimal | str | list[Json] | dict[str, Json]"

_EXACT_IN_FLOAT = 16
"""A literal of up to 15 digits and a point survives the way through a float."""
_LONGEST_NUMBER = 256
"""No number in range needs as many characters, and a megabyte of digits costs seconds."""
_FAULTS_TOLD = 20
"""How many faults of one text are told."""
_NOT_TEXT = "holds a lone surrogate, which is not text"
_TOO_DEEP = Fault("", f"nested deeper than {limits.NESTING} levels")


class Data(Mapping[str, Any]):
    """A JSON object as text and as values, each made from the other when first needed.

    Treat the values as read-only. Equality is that of the values (see `same`), so
    `record.data == {...}`.
    """

    __slots__ = ("_text", "_value")

    def __init__(self, text: str, value: dict[str, Json] | None = None) -> None:
        """For stores: text that was checked before. Others use `parse` or `of`."""
        self._text = text
        self._value = value

    @classmethod
    def parse(cls, text: str, around: int = 0) -> Data:
        """Check and keep a JSON object that came from outside.

        Raises Invalid, with a pointer to each fault, for text that is not a JSON object or
        that holds duplicate names, numbers out of range, lone surrogates or over 32 levels;
        `around` is the number of levels that stand around what the 32 are for.
        """
        value = parse_json(text, around)
        if not isinstance(value, dict):
            raise Invalid("A record's data is a JSON object.", (Fault("", "not an object"),))
        return cls(text, value)

    @classmethod
    def of(cls, value: Mapping[str, Any], around: int = 0) -> Data:
        """The same from Python values, under the same rules."""
        if isinstance(value, Data):
            return value
        try:
            return cls.parse(encode(dict(value)), around)
        except RecursionError:
            raise _broken(_TOO_DEEP) from None
        except (TypeError, ValueError) as exc:
            raise Invalid(f"This cannot be kept as JSON: {exc}.") from exc

    @property
    def text(self) -> str:
        return self._text

    @property
    def value(self) -> dict[str, Json]:
        if self._value is None:
            decoded: dict[str, Json] = _decode(self._text)
            self._value = decoded
        return self._value

    def digest(self) -> str:
        """The same for equal objects, however they are spaced and ordered; only 0.0 and -0.0
        are equal and have two. Stores keep digests: it must not change."""
        try:
            canonical = json.dumps(self.value, sort_keys=True)
        except TypeError:  # a Decimal
            canonical = encode(_in_order(self.value))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def __getitem__(self, name: str) -> Any:
        return self.value[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __eq__(self, other: object) -> bool:
        return same(self.value, other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self.value))

    def __repr__(self) -> str:
        return f"Data({self._text})"


def parse_json(text: str, around: int = 0) -> Json:
    """Any JSON value under the rules above; raises Invalid as `Data.parse` does."""
    try:
        return _parse(text, limits.NESTING + around)
    except RecursionError:
        raise _broken(_TOO_DEEP) from None
    except json.JSONDecodeError as exc:
        where = f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise Invalid("The body is not well-formed JSON.", (Fault("", where),)) from None


def _parse(text: str, levels: int) -> Json:
    try:
        value: Json = _decode(text)
    except _Refused:
        # Read it once more, for what is wrong and where; that can find further trouble.
        faults = _faults(_trace_decoder.decode(text), None, levels)
        raise _broken(*islice(faults, _FAULTS_TOLD)) from None
    if text.count("{") + text.count("[") > levels:
        _check_depth(value, levels)
    if not _is_text(text) or (_SURROGATE.search(text) and not _is_text(encode(value))):
        raise _broken(*islice(_faults(_trace_decoder.decode(text), None, levels), _FAULTS_TOLD))
    return value


def _is_text(characters: str) -> bool:
    """Whether these can be written as UTF-8, which lone surrogates can't."""
    try:
        return characters.isascii() or bool(characters.encode())
    except UnicodeEncodeError:
        return False


def encode(value: Any) -> str:
    """Compact JSON text. Raises TypeError or ValueError for what JSON cannot say."""
    try:
        return _encoder.encode(value)
    except TypeError:
        return "".join(_pieces(value))


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1, 1.0 and true are three values: Python takes them for one. How a
    fraction was written (1.5, 1.50) makes no difference, nor does the order of names."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(same(item, other[name]) for name, item in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (float, Decimal)):
        return isinstance(other, (float, Decimal)) and bool(one == other)
    return type(one) is type(other) and bool(one == other)


def stored_size(value: Json) -> int:
    """The bytes that DynamoDB counts for a value: the strictest engine's measure."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, dict):
        return 3 + sum(1 + stored_size(name) + stored_size(item) for name, item in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + stored_size(item) for item in value)
    digits = sum(map(str.isdigit, str(value)))
    return min(21, 2 + (digits + 1) // 2)


class _Refused(ValueError):
    """Something well-formed that may not be kept; `_faults` then says what and where."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused
    return value


def _integer(literal: str) -> int:
    if len(literal) > limits.NUMBER_DIGITS and _number_fault(literal):
        raise _Refused
    return int(literal)


def _fraction(literal: str) -> float | Decimal:
    if len(literal) <= _EXACT_IN_FLOAT and "e" not in literal and "E" not in literal:
        return float(literal)
    if _number_fault(literal):
        raise _Refused
    exact = Decimal(literal)
    near = float(exact)
    return near if Decimal(repr(near)) == exact else exact


def _number_fault(literal: str) -> str:
    if len(literal) > _LONGEST_NUMBER:
        return f"a number of more than {limits.NUMBER_DIGITS} digits"
    try:
        number = Decimal(literal)
    except ArithmeticError:
        return "a number out of range"
    _, digits, exponent = number.as_tuple()
    if len("".join(map(str, digits)).strip("0")) > limits.NUMBER_DIGITS:
        return f"a number of more than {limits.NUMBER_DIGITS} digits"
    low, high = limits.NUMBER_MIN_EXPONENT, limits.NUMBER_MAX_EXPONENT
    if number and not (isinstance(exponent, int) and low <= number.adjusted() <= high):
        return f"a number outside 1e{low} to 9.99e{high}"
    return ""


def _constant(literal: str) -> NoReturn:
    raise _Refused


def _check_depth(value: Json, levels: int) -> None:
    level: list[Json] = [value]
    for _ in range(levels + 1):
        inner: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not any(isinstance(item, (dict, list)) for item in level):
            return
        level = inner
    raise RecursionError


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_encoder: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _decode(text: str) -> Any:
    """The value, without a search for the blanks around it, of which there are most often none."""
    if text[:1] in _BLANKS:
        return _decoder.decode(text)
    value, end = _decoder.raw_decode(text)
    return value if not text[end:].strip(_BLANKS) else _decoder.decode(text)


_BLANKS: Final = " \t\n\r"


def _pieces(value: Any) -> Iterator[str]:
    """The slow way, for values that hold a Decimal, which the standard encoder cannot write."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("JSON has no infinity and no NaN")
        text = str(value)
        yield f"{text}.0" if text.lstrip("-").isdecimal() else text
    elif isinstance(value, Mapping):
        yield "{"
        for place, (name, item) in enumerate(value.items()):
            yield f"{',' if place else ''}{_encoder.encode(str(name))}:"
            yield from _pieces(item)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for place, item in enumerate(value):
            if place:
                yield ","
            yield from _pieces(item)
        yield "]"
    else:
        yield _encoder.encode(value)


_EXACT: Final = Context(prec=limits.NUMBER_DIGITS)


def _in_order(value: Json) -> Json:
    """The same with all names sorted, and no zeros at the end of long fractions; whole ones
    become integers, as which the digests that stores keep have them."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    if isinstance(value, Decimal):
        exact = _EXACT.normalize(value)
        return exact if exact.as_tuple().exponent else int(exact)
    return list(map(_in_order, value)) if isinstance(value, list) else value


class _Literal(str):
    """A number as it was written, while looking for the fault."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object with its duplicate names, while looking for the fault."""

    __slots__ = ()


_trace_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal
)


_Path: TypeAlias = "tuple[_Path, str | int] | None"
"""The way to a value: the way to what it stands in, and its name or place there. It becomes a
pointer only where there is a fault: one for each value would cost the square of the text."""


def _pointer(path: _Path) -> str:
    """As RFC 6901 writes it."""
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in reversed(parts))


def _faults(value: Any, path: _Path, levels: int) -> Iterator[Fault]:
    """Where a well-formed text breaks the rules. `levels` are those that may follow."""
    if isinstance(value, _Literal):
        if value.lstrip("-") in ("NaN", "Infinity"):
            yield Fault(_pointer(path), f"{value} is not a JSON number")
        elif fault := _number_fault(value):
            yield Fault(_pointer(path), fault)
    elif isinstance(value, str):
        if not _is_text(value):
            yield Fault(_pointer(path), _NOT_TEXT)
    elif isinstance(value, list) and levels < 1:
        yield _TOO_DEEP
    elif isinstance(value, _Pairs):
        seen = set()
        for name, item in value:
            if name in seen:
                yield Fault(_pointer((path, name)), "this name stands twice in one object")
            seen.add(name)
            if not _is_text(name):
                yield Fault(_pointer(path), f"a name {_NOT_TEXT}")
            yield from _faults(item, (path, name), levels - 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _faults(item, (path, place), levels - 1)


def _broken(*faults: Fault) -> Invalid:
    return Invalid("The JSON breaks a rule.", faults)
