"""What a request's form can be wrong in is told in words of our own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from homeport.domain.errors import Invalid
from homeport.entrypoints import models
from homeport.entrypoints.lambdas.requests import _SENTENCES, _validated
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
