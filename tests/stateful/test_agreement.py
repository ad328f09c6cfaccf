"""The adapters in memory and those in the data folder agree, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stateful.agreement import STEPS, Agreement
from tests.stateful.machines import MACHINES, run


@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
def test_both_adapters_agree(machine: type[Agreement[Any]]) -> None:
    before = STEPS[machine.__name__]
    run(machine)
    assert STEPS[machine.__name__] - before > 500
