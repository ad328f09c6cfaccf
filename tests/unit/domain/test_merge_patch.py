"""JSON Merge Patch on the examples of RFC 7396, appendix A, as far as they patch objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from homeport.domain.model.merge_patch import merge

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


@pytest.mark.parametrize(("target", "patch", "result"), [*EXAMPLES, (DOCUMENT, CHANGE, CHANGED)])
def test_the_examples_of_the_rfc(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    before = copy.deepcopy((target, patch))
    assert merge(target, patch) == result
    assert (target, patch) == before


@pytest.mark.parametrize("old", [1, "text", None, True, [1, {"b": 2}]])
def test_an_object_takes_the_place_of_anything_else(old: Any) -> None:
    assert merge({"a": old}, {"a": {"b": None, "c": 1}}) == {"a": {"c": 1}}


def test_null_inside_a_list_is_a_value() -> None:
    assert merge({}, {"a": [None, {"b": None}]}) == {"a": [None, {"b": None}]}


def test_the_order_of_names_is_kept() -> None:
    assert list(merge({"b": 1, "a": 2}, {"b": 3, "c": 4})) == ["b", "a", "c"]
