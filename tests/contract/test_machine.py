"""Our clocks and makers of ids keep the contract."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.system import SystemClock, SystemIds
from homeport.testing import ClockContract, IdFactoryContract


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock_under_test(self) -> SystemClock:
        return SystemClock()


class TestSystemIds(IdFactoryContract):
    @pytest.fixture
    def ids(self) -> SystemIds:
        return SystemIds()


class TestSequentialIds(IdFactoryContract):
    @pytest.fixture
    def ids(self) -> SequentialIds:
        return SequentialIds()
