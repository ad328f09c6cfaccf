"""What a function needs for the index beside the one that answers."""

from __future__ import annotations

import pytest

from homeport.definition import Definition
from homeport.entrypoints.bundling.contents import contents_of, own_code
from homeport.entrypoints.bundling.faults import BundleFault
from homeport.entrypoints.lambdas.needs import services_of


def shadowed(first: str, second: str | None) -> Definition:
    return Definition.of(
        {
            "profile": "aws",
            "adapters": {"search_index": first},
            "search": {} if second is None else {"shadow": second},
            "aws": {"search_endpoint": "search.example.com", "document_endpoint": "doc.example"},
        }
    )


@pytest.mark.parametrize("function", ["indexing", "search"])
def test_both_indexes_go_into_a_bundle(function: str) -> None:
    alone = contents_of(function, shadowed("cloudsearch", None))
    both = contents_of(function, shadowed("cloudsearch", "opensearch"))
    assert "opensearch-py" not in alone.distributions
    assert "opensearch-py" in both.distributions
    assert both.services == alone.services
    other_way = contents_of(function, shadowed("opensearch", "cloudsearch"))
    assert set(other_way.distributions) == set(both.distributions)
    assert "cloudsearchdomain" in other_way.services


def test_functions_that_do_not_search_need_neither() -> None:
    definition = shadowed("cloudsearch", "opensearch")
    assert "opensearch-py" not in contents_of("records", definition).distributions
    assert "cloudsearchdomain" not in dict(services_of("records", definition))


def test_the_client_of_a_shadow_is_made_at_the_start_too() -> None:
    made = dict(services_of("indexing", shadowed("opensearch", "cloudsearch")))
    assert made["cloudsearchdomain"] == "doc.example"


def test_the_code_of_a_shadow_of_ones_own_goes_along() -> None:
    definition = shadowed("cloudsearch", "kitchen.indexes:Shelf")
    assert list(own_code(definition, "search")) == ["kitchen"]
    assert list(own_code(definition, "records")) == []


def test_a_function_has_no_data_folder_for_a_shadow() -> None:
    with pytest.raises(BundleFault, match="embedded"):
        contents_of("search", shadowed("cloudsearch", "embedded"))
