"""What a request's form can be wrong in is told in words of our own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from homeport.domain.errors import Invalid
from homeport.entrypoints import models
from homeport.entrypoints.lambdas.problems import POINTER, problem
from homeport.entrypoints.lambdas.requests import _SENTENCES, _validated, body_text, parameters
from homeport.entrypoints.operations import OPERATIONS

MODELS = {
    one
    for operation in OPERATIONS
    for one in (operation.query, operation.body)
    if isinstance(one, type)
}
WRONG_TEXT: list[Any] = ["", "A b", "-1", "101", "1.5", "9" * 5000, ["x"] * 101]
WRONG_JSON: list[Any] = [None, True, 1, -1, 1.5, 10**30, "", "A b", [], [1], [{}], ["x"] * 101, {}]
OPEN_WORDS = ("at least ", "at most ", "one of ", "only ", "1 to ")


def told(model: type[BaseModel], value: Any) -> set[str]:
    try:
        _validated(model, value, as_pointer=True)
    except Invalid as refused:
        return {one.detail for one in refused.faults}
    return set()


@pytest.mark.parametrize("model", sorted(MODELS, key=repr), ids=lambda model: model.__name__)
def test_no_fault_is_told_in_the_words_of_a_library(model: type[BaseModel]) -> None:
    wrong = WRONG_TEXT if issubclass(model, models.Parameters) else WRONG_JSON
    faults = told(model, {"colour": "red"})
    for value in wrong:
        for name in model.model_fields:
            faults |= told(model, {name: value})
        if issubclass(model, models.Body):
            faults |= told(model, value)
    assert "unknown" in faults
    known = set(_SENTENCES.values())
    assert {one for one in faults - known if not one.startswith(OPEN_WORDS)} == set()


@pytest.mark.parametrize("limit", [20, 20.0])
def test_a_whole_number_in_a_body_may_be_written_with_a_point(limit: float) -> None:
    made = _validated(models.SearchBody, {"limit": limit}, as_pointer=True)
    assert isinstance(made, models.SearchBody)
    assert repr(made.limit) == "20"


@pytest.mark.parametrize("limit", [20.5, "20", True, None])
def test_what_is_no_whole_number_is_refused(limit: object) -> None:
    assert told(models.SearchBody, {"limit": limit}) == {"not a whole number"}


def test_of_many_unknown_names_twenty_are_told() -> None:
    names = [f"n{number}" for number in range(100_000)]
    body: Any = dict.fromkeys(names)
    batch: Any = {"writes": [body] * 90}
    for value in (body, batch):
        model = models.RefreshBody if value is body else models.BatchBody
        with pytest.raises(Invalid) as refused:
            _validated(model, value, as_pointer=True)
        above = "" if value is body else "/writes/0"
        told = [(one.pointer, one.detail) for one in refused.value.faults]
        assert told == [(f"{above}/{name}", "unknown") for name in names[:20]]


def test_of_many_other_faults_twenty_are_told() -> None:
    body: Any = {"writes": [{"op": "none", "collection": "A b"} for _ in range(80)]}
    with pytest.raises(Invalid) as refused:
        _validated(models.BatchBody, body, as_pointer=True)
    assert len(refused.value.faults) == 20


def test_a_long_name_is_not_sent_back() -> None:
    with pytest.raises(Invalid) as refused:
        _validated(models.RefreshBody, {"n" * 900_000: 1, "refresh_token": ""}, as_pointer=True)
    assert len(problem(refused.value, "id", "/")["body"]) < POINTER + 500


def test_long_queries_are_not_kept() -> None:
    short, long = "q=" + "x" * 2046, "q=" + "x" * 2047
    assert parameters(short, models.SearchParameters) is parameters(short, models.SearchParameters)
    made = parameters(long, models.SearchParameters)
    assert made == parameters(long, models.SearchParameters)
    assert made is not parameters(long, models.SearchParameters)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "gzip, br"])
def test_a_compressed_body_is_refused_by_its_coding(coding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": coding}
    with pytest.raises(Invalid, match=f"not in the coding {coding}") as refused:
        body_text({"headers": headers, "body": "H4sI", "isBase64Encoded": True}, "application/json")
    answer = problem(refused.value, "id", "/")
    assert answer["statusCode"] == 415
    assert answer["headers"]["accept-encoding"] == "identity"
    plain = {**headers, "content-encoding": "identity"}
    assert body_text({"headers": plain, "body": "{}"}, "application/json") == "{}"
