"""What the forms of requests take, and what they say of the rest."""

from __future__ import annotations

from typing import Any, Final

import jsonschema_rs
import pytest

from homeport.domain.errors import Invalid
from homeport.entrypoints import inputs
from homeport.entrypoints.forms import Form
from homeport.entrypoints.lambdas.problems import POINTER, problem
from homeport.entrypoints.operations import OPERATIONS

FORMS: Final = sorted(
    {
        one
        for operation in OPERATIONS
        for one in (operation.query, operation.body, inputs.BATCH_ITEM)
        if isinstance(one, Form)
    },
    key=repr,
)
LEAST: Final[dict[str, dict[str, Any]]] = {
    "BatchItem": {"op": "create", "collection": "notes"},
    "BatchBody": {"writes": [{"op": "delete", "collection": "notes"}]},
    "MessageBody": {"to": ["ann"]},
    "DeviceBody": {"platform": "apns", "token": "a0"},
    "AccountBody": {"login": "ann", "password": "secret"},
    "RefreshBody": {"refresh_token": "token"},
    "SuggestParameters": {"prefix": "ba"},
}
"""What forms need at least."""
VALUES: Final[list[Any]] = [
    *(None, True, False, -1, 0, 1, 1.0, 1.5, 20.0, 21, 100, 101, 10**30, 1e300),
    *("", "a", "A b", ".a", "a" * 64, "a" * 65, "a" * 128, "a" * 129, "a\n", "\u0661", "1", "*"),
    *("apns", "sandbox", "put", "-id", "alive"),
    *([], ["a"], ["a"] * 10, ["a"] * 101, [1], [[]], [None], [{}], {}, {"a": 1}),
    *([{"op": "put", "collection": "a"}], [{"op": "put", "collection": "a", "b": 1}]),
]


def told(form: Form, value: object, *, pointers: bool = True) -> list[tuple[str, str]]:
    try:
        form.of(value, pointers=pointers)
    except Invalid as refused:
        return [(one.pointer, one.detail) for one in refused.faults]
    return []


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_form_takes_what_its_schema_allows(form: Form) -> None:
    allows = jsonschema_rs.Draft202012Validator(form.bare_schema()).is_valid
    least = LEAST.get(form.name, {})
    assert told(form, least) == []
    tried: list[Any] = [*VALUES, {**least, "colour": "red"}]
    tried += [{**least, name: value} for name in form.fields for value in VALUES]
    tried += [{key: least[key] for key in least if key != name} for name in least]
    for value in tried:
        assert allows(value) == (told(form, value) == []), value


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_what_was_not_sent_is_its_default(form: Form) -> None:
    least = LEAST.get(form.name, {})
    made = form.of(least, pointers=True)
    assert list(made) == list(form.fields)
    schema = form.bare_schema()
    assert form.of(made, pointers=True) == made
    for name in form.fields.keys() - least.keys():
        assert name not in schema.get("required", [])
        assert made[name] == schema["properties"][name]["default"]
        value = made[name]
        assert (
            not isinstance(value, list | dict) or form.of(least, pointers=True)[name] is not value
        )


@pytest.mark.parametrize(
    ("form", "value", "faults"),
    [
        (inputs.SEARCH_BODY, [], [("", "not an object")]),
        (inputs.SEARCH_BODY, {"limit": 0}, [("/limit", "1 to 100")]),
        (inputs.SEARCH_BODY, {"limit": "20"}, [("/limit", "not a whole number")]),
        (inputs.SEARCH_BODY, {"limit": True}, [("/limit", "not a whole number")]),
        (inputs.SEARCH_BODY, {"filters": "a"}, [("/filters", "not an array")]),
        (inputs.SEARCH_BODY, {"filters": ["a", 1]}, [("/filters/1", "not a string")]),
        (inputs.SEARCH_BODY, {"q": None}, [("/q", "not a string")]),
        (inputs.BATCH_BODY, {"writes": []}, [("/writes", "at least 1 item")]),
        (inputs.BATCH_BODY, {"writes": [{}] * 101}, [("/writes", "at most 90 items")]),
        (
            inputs.BATCH_BODY,
            {"writes": [{"op": "move", "collection": "A", "if_none_match": "x", "a/b": 1}]},
            [
                ("/writes/0/a~1b", "unknown"),
                ("/writes/0/op", "one of create, put, patch, delete"),
                ("/writes/0/collection", "1 to 64 of a-z 0-9 _"),
                ("/writes/0/if_none_match", "only *"),
            ],
        ),
        (
            inputs.ACCOUNT_BODY,
            {"user": "ann", "password": 1},
            [("/user", "unknown"), ("/login", "missing"), ("/password", "not a string")],
        ),
        (inputs.MESSAGE_BODY, {"to": ["a"], "data": []}, [("/data", "not an object")]),
    ],
)
def test_each_fault_is_told_with_its_place(
    form: Form, value: object, faults: list[tuple[str, str]]
) -> None:
    assert told(form, value) == faults


def test_of_a_query_the_name_is_told() -> None:
    assert told(inputs.SUGGEST_PARAMETERS, {"fild": "a"}, pointers=False) == [
        ("fild", "unknown"),
        ("prefix", "missing"),
    ]


@pytest.mark.parametrize("limit", [20, 20.0])
def test_a_whole_number_in_a_body_may_be_written_with_a_point(limit: float) -> None:
    assert repr(inputs.SEARCH_BODY.of({"limit": limit}, pointers=True)["limit"]) == "20"


def test_of_many_faults_twenty_are_told() -> None:
    names = [f"n{number}" for number in range(100_000)]
    body = dict.fromkeys(names)
    assert told(inputs.REFRESH_BODY, body) == [(f"/{name}", "unknown") for name in names[:20]]
    batch = {"writes": [body] * 90}
    assert told(inputs.BATCH_BODY, batch) == [
        (f"/writes/0/{name}", "unknown") for name in names[:20]
    ]
    other = {"writes": [{"op": "none", "collection": "A b"}] * 80}
    assert len(told(inputs.BATCH_BODY, other)) == 20


def test_a_long_name_is_not_sent_back() -> None:
    with pytest.raises(Invalid) as refused:
        inputs.REFRESH_BODY.of({"n" * 900_000: 1, "refresh_token": ""}, pointers=True)
    assert len(problem(refused.value, "id", "/")["body"]) < POINTER + 500
