"""How `make mutate` names modules and counts what was caught."""

from __future__ import annotations

import pytest

from tests.mutation import parse_results, pattern_of, table

RESULTS = """
    homeport.domain.access.x_reading__mutmut_1: killed
    homeport.domain.access.x_reading__mutmut_2: survived
    homeport.domain.access.x_reading__mutmut_3: no tests
    homeport.domain.model.data.xǁDataǁof__mutmut_1: timeout
"""


def test_a_module_or_a_package_is_named_by_its_path() -> None:
    assert pattern_of("src/homeport/domain/access.py") == "homeport.domain.access.*"
    assert pattern_of("src/homeport/domain/model/") == "homeport.domain.model.*"
    for wrong in ("src/homeport/domain/no.py", "tests/mutation.py"):
        with pytest.raises(SystemExit, match="no module of the product"):
            pattern_of(wrong)


def test_what_survives_or_has_no_test_is_not_caught() -> None:
    assert table(parse_results(RESULTS))[2:] == [
        "| homeport.domain.access | 3 | 1 | 33.3% |",
        "| homeport.domain.model.data | 1 | 1 | 100.0% |",
        "| total | 4 | 2 | 50.0% |",
    ]
