"""JSON Merge Patch on the examples of RFC 7396, appendix A, as far as they patch objects."""

from __future__ import annotations

import copy
from typing import Any

from homeport.domain.model.merge_patch import merge
from tests.unit.domain.tables import check, check_each

EXAMPLES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

DOCUMENT = {
    "title": "Goodbye!",
    "author": {"givenName": "John", "familyName": "Doe"},
    "tags": ["example", "sample"],
    "content": "This will be unchanged",
}
CHANGE = {
    "title": "Hello!",
    "phoneNumber": "+01-123-456-7890",
    "author": {"familyName": None},
    "tags": ["example"],
}
CHANGED = {
    "title": "Hello!",
    "author": {"givenName": "John"},
    "tags": ["example"],
    "content": "This will be unchanged",
    "phoneNumber": "+01-123-456-7890",
}


def test_the_examples_of_the_rfc() -> None:
    def merged(case: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
        before = copy.deepcopy(case)
        result = merge(*case)
        assert case == before
        return result

    table = [*EXAMPLES, (DOCUMENT, CHANGE, CHANGED)]
    check(merged, [((target, patch), result) for target, patch, result in table])


def test_an_object_takes_the_place_of_anything_else() -> None:
    olds: list[Any] = [1, "text", None, True, [1, {"b": 2}]]
    check_each(lambda old: merge({"a": old}, {"a": {"b": None, "c": 1}}), olds, {"a": {"c": 1}})


def test_null_inside_a_list_is_a_value() -> None:
    assert merge({}, {"a": [None, {"b": None}]}) == {"a": [None, {"b": None}]}


def test_the_order_of_names_is_kept() -> None:
    assert list(merge({"b": 1, "a": 2}, {"b": 3, "c": 4})) == ["b", "a", "c"]
