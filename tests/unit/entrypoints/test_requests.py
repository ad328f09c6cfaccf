"""What requests are read as; what their forms take is in test_forms.py."""

from __future__ import annotations

import pytest

from homeport.domain.errors import Invalid
from homeport.entrypoints import inputs
from homeport.entrypoints.lambdas.problems import problem
from homeport.entrypoints.lambdas.requests import body_text, parameters


def test_long_queries_are_not_kept() -> None:
    short, long = "q=" + "x" * 2046, "q=" + "x" * 2047
    form = inputs.SEARCH_PARAMETERS
    assert parameters(short, form) is parameters(short, form)
    assert parameters(long, form) == parameters(long, form)
    assert parameters(long, form) is not parameters(long, form)


@pytest.mark.parametrize("limit", ["20", "%2B20", "020", "20.", "20.0"])
def test_a_whole_number_in_a_query_may_be_written_in_several_ways(limit: str) -> None:
    assert repr(parameters(f"limit={limit}", inputs.PAGE_PARAMETERS)["limit"]) == "20"


@pytest.mark.parametrize(
    "limit", ["", "20.5", "1e1", "0x1", "1_0", "%D9%A2", "+20", "20%0A", "9" * 5000]
)
def test_what_is_no_whole_number_in_a_query_is_refused(limit: str) -> None:
    with pytest.raises(Invalid) as refused:
        parameters(f"limit={limit}", inputs.PAGE_PARAMETERS)
    assert [(one.pointer, one.detail) for one in refused.value.faults] == [
        ("limit", "not a whole number")
    ]


def test_parameters_that_may_be_repeated_are_kept_in_order() -> None:
    raw = "filter=kind:b&limit=5&filter=kind:a&filter="
    given = parameters(raw, inputs.SEARCH_PARAMETERS)
    assert given["filter"] == ["kind:b", "kind:a", ""]
    assert (given["facet"], given["q"], given["space"]) == ([], "", None)


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
