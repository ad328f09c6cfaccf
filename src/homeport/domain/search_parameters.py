"""What a client asks a search for, as parts of the query tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.facets import COUNTED
from homeport.domain.filter_parser import (
    Condition,
    FieldRoles,
    check_field,
    parse_condition,
    to_filters,
)
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import (
    All,
    AnyOf,
    Filter,
    Fuzzy,
    Near,
    Node,
    Not,
    Prefix,
    Sort,
    Words,
)
from homeport.domain.place_parser import parse_place
from homeport.domain.ports.search_index import Capability


def parse_filters(
    given: Sequence[str | Condition],
    roles: FieldRoles,
    able: frozenset[Capability],
    match: Node,
) -> tuple[Filter, ...]:
    """The filters, none of them twice, of a search for `match`.

    Raises Invalid, naming each as `filter/0`, `filter/1`, ..., also for what the index is not
    able to do, and for words and places beyond the limits of a search.
    """
    if len(given) > limits.FILTERS:
        raise _invalid("filter", f"at most {limits.FILTERS} filters")
    filters: dict[Filter, None] = {}
    patterns = _count_patterns(match)
    for place, one in enumerate(given):
        parameter = f"filter/{place}"
        condition = parse_condition(one, parameter) if isinstance(one, str) else one
        found = to_filters(condition, roles, parameter)
        _require(_needs(found), able, parameter)
        filters |= dict.fromkeys(found)
        words = [one for one in filters if isinstance(one, Words | Fuzzy)]
        if len(words) > limits.QUERY_WORDS:
            raise _invalid(parameter, f"at most {limits.QUERY_WORDS} words in all filters")
        if patterns + sum(isinstance(one, Fuzzy) for one in words) > limits.QUERY_PATTERNS:
            raise _invalid(parameter, f"{_TOO_MANY_PATTERNS} in a search, those in q included")
        if sum(isinstance(one, Near) for one in filters) > limits.CIRCLES:
            raise _invalid(parameter, f"at most {limits.CIRCLES} filters by distance")
    return tuple(filters)


def parse_sort(text: str | None, roles: FieldRoles, able: frozenset[Capability]) -> Sort | None:
    """`field`, `-field`, or `field:latitude,longitude` for the nearest first."""
    if text is None:
        return None
    path = check_field(text.removeprefix("-"), "sort")
    field, _, place = path.partition(":")
    if not roles.declared(path) and FieldRole.GEO in roles.declared(field):
        return _by_distance(field, place, able, descending=text.startswith("-"))
    found = roles.declared(path) & set(COUNTED)
    if len(found) != 1:
        if found:
            reason = f"{path} is declared in several ways: name a collection"
        elif FieldRole.GEO in roles.declared(path):
            reason = f"write {path}:latitude,longitude: what is nearest there comes first"
        else:
            reason = f"{path} is not declared as a keyword, number or date field"
        raise _invalid("sort", reason)
    return Sort(next(iter(found)), path, text.startswith("-"))


def parse_highlight(fields: Sequence[str], roles: FieldRoles) -> tuple[str, ...]:
    for place, field in enumerate(fields):
        if FieldRole.TEXT not in roles.declared(field):
            raise _invalid(f"highlight/{place}", f"{field} is not declared as a text field")
    return tuple(dict.fromkeys(fields))


def check_text_field(field: str, roles: FieldRoles) -> None:
    """Raises Invalid, naming `field`, where it holds no text in any record."""
    if FieldRole.TEXT not in roles.possible(check_field(field, "field")):
        raise _invalid("field", f"{field} is not a text field")


def check_match(node: Node, able: frozenset[Capability]) -> Node:
    """`node`, if the index is able to look for it, and may. Raises Invalid, naming `q`, if not."""
    if _is_fuzzy(node):
        _require([Capability.FUZZY], able, "q")
    if _count_patterns(node) > limits.QUERY_PATTERNS:
        raise _invalid("q", _TOO_MANY_PATTERNS)
    return node


def check_limit(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise _invalid("limit", f"1 to {most}")
    return limit


def _by_distance(field: str, place: str, able: frozenset[Capability], *, descending: bool) -> Sort:
    _require([Capability.GEO], able, "sort")
    if descending:
        raise _invalid("sort", "what is nearest comes first: leave out the -")
    try:
        return Sort(FieldRole.GEO, field, place=parse_place(place))
    except ValueError as exc:
        raise _invalid("sort", str(exc)) from None


def _is_fuzzy(node: Node) -> bool:
    if isinstance(node, All):
        return any(map(_is_fuzzy, node.nodes))
    if isinstance(node, Not):
        return _is_fuzzy(node.node)
    return isinstance(node, Fuzzy)


def _count_patterns(node: Node) -> int:
    """How many prefixes and words that are nearly so there are in it."""
    if isinstance(node, All):
        return sum(map(_count_patterns, node.nodes))
    if isinstance(node, Not):
        return _count_patterns(node.node)
    return isinstance(node, Prefix | Fuzzy)


def _needs(filters: Iterable[Filter]) -> list[Capability]:
    found: list[Capability] = []
    for one in filters:
        if isinstance(one, AnyOf):
            found += _needs(one.filters)
        elif isinstance(one, Near):
            found.append(Capability.GEO)
        elif isinstance(one, Fuzzy):
            found.append(Capability.FUZZY)
    return found


def _require(needed: Iterable[Capability], able: frozenset[Capability], parameter: str) -> None:
    for one in needed:
        if one not in able:
            raise _invalid(parameter, _LACKING[one])


def _invalid(parameter: str, detail: str) -> Invalid:
    return Invalid("The search cannot be done so.", (Fault(parameter, detail),))


_TOO_MANY_PATTERNS: Final = f"at most {limits.QUERY_PATTERNS} words that end in * or ~"
_LACKING: Final = {
    Capability.GEO: "this backend's search index knows no distances (geo)",
    Capability.FUZZY: "this backend's search index finds no words that are nearly so (fuzzy)",
}
