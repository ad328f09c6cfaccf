"""Filters as clients write them, typed by what the catalog declares.

    kind:novel                 this value           kind:"a..b" takes it literally
    pages:>300   pages:<=10    more, less           also >= and <
    pages:100..200             from, to, both included; 100.. and ..200 are open
    seen:2025-01-31            a date, RFC 3339; a day means all of it
    title~running shoes        these words in this text field; shose~ also what is nearly so
    place:48.21,16.37,5km      no farther from there; in m unless km is written

A field is a dotted path within a record's data. An undeclared one matches whatever the index
inferred: `pages:7` finds the number 7 and the string "7".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from homeport.domain import limits
from homeport.domain.dates import Moment, parse_date
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.collection import Catalog, FieldRole
from homeport.domain.model.document import as_keyword
from homeport.domain.model.names import is_field
from homeport.domain.model.query import AnyOf, Filter, Fuzzy, Near, Range, Term, Words
from homeport.domain.place_parser import is_circle, parse_circle
from homeport.domain.query_parser import split_words
from homeport.domain.words import composed, cut_words

Bound: TypeAlias = "str | int | float | None"


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter before it is typed: a value, or words, or bounds (None is open)."""

    field: str
    value: str | int | float | bool | None = None
    words: str | None = None
    low: Bound = None
    high: Bound = None
    include_low: bool = True
    include_high: bool = True


class FieldRoles:
    """What the fields of a search are: of one collection, or of all where it is None."""

    def __init__(self, catalog: Catalog, collection: str | None) -> None:
        if collection is None:
            self._collections = catalog.known()
        else:
            found = catalog.find(collection)
            self._collections = () if found is None else (found,)
        self._single = collection is not None

    def declared(self, field: str) -> frozenset[FieldRole]:
        """Every role that a declaration gives it."""
        return frozenset(one.fields[field].role for one in self._collections if field in one.fields)

    def possible(self, field: str) -> frozenset[FieldRole]:
        """Every role that it can have in some record: the declared one; without, or across
        collections, also those that are inferred."""
        declared = self.declared(field)
        return declared if declared and self._single else declared | INFERRED


def parse_condition(text: str, parameter: str = "filter") -> Condition:
    """Read the text form, of at most 1 KB. Raises Invalid, naming `parameter`."""
    if len(text.encode(errors="surrogatepass")) > limits.QUERY_BYTES:
        raise _fault(parameter, f"at most {limits.QUERY_BYTES} bytes of UTF-8")
    match = _FILTER.match(text)
    if match is None:
        raise _fault(parameter, "write field:value, field:>10, field:1..5 or field~words")
    field, sign, rest = match.groups()
    if sign == "~":
        return Condition(field, words=rest)
    if len(rest) > 1 and rest[0] == rest[-1] == '"':
        return Condition(field, value=rest[1:-1])
    for operator in (">=", "<=", ">", "<"):
        if rest.startswith(operator):
            bound, inclusive = rest.removeprefix(operator), operator.endswith("=")
            if not bound:
                raise _fault(parameter, f"{operator} needs a number or a date")
            if operator[0] == ">":
                return Condition(field, low=bound, include_low=inclusive)
            return Condition(field, high=bound, include_high=inclusive)
    low, dots, high = rest.partition("..")
    if dots and (low or high) and all(_is_ordered(bound) for bound in (low, high) if bound):
        return Condition(field, low=low or None, high=high or None)
    return Condition(field, value=rest)


def to_filters(
    condition: Condition, roles: FieldRoles, parameter: str = "filter"
) -> tuple[Filter, ...]:
    """The filters, all of which must hold, for a condition. Raises Invalid, naming
    `parameter`, where the field's declared role does not go with it."""
    check_field(condition.field, parameter)
    possible = roles.possible(condition.field)
    if condition.words is not None:
        return _words(condition.field, condition.words, possible, parameter)
    if condition.value is not None:
        return _value(condition.field, condition.value, possible, parameter)
    if condition.low is None and condition.high is None:
        raise _fault(parameter, "a value, words or a bound is missing")
    return (_range(condition, possible, parameter),)


def check_field(path: str, parameter: str) -> str:
    """`path` if it can be a field's. Raises Invalid, naming `parameter`."""
    if not is_field(path):
        raise _fault(parameter, "a field is a dotted path of at most 256 characters")
    return path


def _words(
    field: str, text: str, possible: frozenset[FieldRole], parameter: str
) -> tuple[Filter, ...]:
    if FieldRole.TEXT not in possible:
        raise _fault(parameter, f"{field} is not a text field")
    filters: list[Filter] = []
    for piece in composed(text).split():
        fuzzy = cut_words(piece)[-1:] if piece.endswith("~") else []
        # Whatever stands before the last word of a piece, as in e-mial~, is meant as it is.
        words = cut_words(piece)[:-1] if fuzzy else split_words(piece)
        filters += [Words(word, field) for word in words]
        filters += [Fuzzy(word, field) for word in fuzzy]
    if not filters:
        raise _fault(parameter, "~ needs at least one word")
    return tuple(filters)


def _value(
    field: str,
    value: str | float | bool,
    possible: frozenset[FieldRole],
    parameter: str,
) -> tuple[Filter, ...]:
    text = as_keyword(value)
    if not text.isascii() and _SURROGATE.search(text):
        raise _fault(parameter, "holds a lone surrogate, which is not text")
    if possible == {FieldRole.TEXT}:
        return _words(field, text, possible, parameter)
    if FieldRole.GEO in possible and (possible == {FieldRole.GEO} or is_circle(text)):
        return (_near(field, text, parameter),)
    options: list[Filter] = []
    if FieldRole.KEYWORD in possible:
        options.append(Term(FieldRole.KEYWORD, field, text))
    number = _number(value)
    if FieldRole.NUMBER in possible and number is not None:
        options.append(Term(FieldRole.NUMBER, field, number))
    moment = parse_date(text)
    if FieldRole.DATE in possible and moment is not None:
        options.append(Range(FieldRole.DATE, field, moment.start, moment.end, include_high=False))
    if not options:
        raise _fault(parameter, f"{field} takes {_expected(possible)}")
    return (options[0] if len(options) == 1 else AnyOf(tuple(options)),)


def _near(field: str, text: str, parameter: str) -> Near:
    try:
        return Near(field, *parse_circle(text))
    except ValueError as exc:
        raise _fault(parameter, str(exc)) from None


def _range(condition: Condition, possible: frozenset[FieldRole], parameter: str) -> Filter:
    field, low, high = condition.field, condition.low, condition.high
    given = [bound for bound in (low, high) if bound is not None]
    if FieldRole.NUMBER in possible and all(_number(bound) is not None for bound in given):
        found = Range(
            FieldRole.NUMBER,
            field,
            _number(low),
            _number(high),
            condition.include_low,
            condition.include_high,
        )
        return _in_order(found, parameter)
    moments = [_moment(bound) for bound in (low, high)]
    if FieldRole.DATE in possible and sum(one is not None for one in moments) == len(given):
        return _in_order(_dates(condition, *moments), parameter)
    if not possible & {FieldRole.NUMBER, FieldRole.DATE}:
        raise _fault(parameter, f"{field} has no order: it is declared as {_names(possible)}")
    raise _fault(parameter, f"{field} takes {_expected(possible & _ORDERED)}")


def _in_order(found: Range, parameter: str) -> Range:
    low, high = found.low, found.high
    # Of dates, the upper bound is where the day or moment has ended.
    behind = high if found.role is FieldRole.NUMBER or high is None else high - 1
    if low is not None and behind is not None and low > behind:
        raise _fault(parameter, f"the lower bound of {found.field} comes first")
    return found


def _dates(condition: Condition, low: Moment | None, high: Moment | None) -> Range:
    """Bounds that are days include, or exclude, the whole day."""
    first = last = None
    if low is not None:
        first = low.start if condition.include_low else low.end
    if high is not None:
        last = high.end if condition.include_high else high.start
    return Range(FieldRole.DATE, condition.field, first, last, True, False)


def _number(value: Bound | bool) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str) and _NUMBER.match(value) is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: Bound) -> Moment | None:
    return parse_date(value) if isinstance(value, str) else None


def _is_ordered(text: str) -> bool:
    return _number(text) is not None or parse_date(text) is not None


def _expected(roles: frozenset[FieldRole]) -> str:
    wanted = [_WANTED[role] for role in FieldRole if role in roles and role in _WANTED]
    return " or ".join(wanted) if wanted else "no filter of this kind"


def _names(roles: frozenset[FieldRole]) -> str:
    return " or ".join(sorted(roles))


def _fault(parameter: str, detail: str) -> Invalid:
    return Invalid("The filter cannot be used.", (Fault(parameter, detail),))


INFERRED: Final = frozenset({FieldRole.TEXT, FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE})
"""What a field can be where nothing is declared; geo is never guessed."""
_ORDERED: Final = frozenset({FieldRole.NUMBER, FieldRole.DATE})
_WANTED: Final = {
    FieldRole.KEYWORD: "a value",
    FieldRole.NUMBER: "a number",
    FieldRole.DATE: "a date (RFC 3339 or YYYY-MM-DD)",
    FieldRole.GEO: "latitude,longitude,distance",
}
_FILTER: Final = re.compile(r"([^:~]+)([:~])(.+)\Z", re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
