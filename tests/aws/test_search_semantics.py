"""Searches mean the same on CloudSearch, as far as its emulator tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.testing import SearchSemantics
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.search_domains import domain, index_on


class TestCloudSearchSemantics(SearchSemantics):
    """One domain for all, which shows nothing at once."""

    stems = True

    @pytest.fixture(scope="class")
    @classmethod
    def emulator(cls) -> Iterator[tuple[CloudSearchEmulator, ManualClock]]:
        clock = ManualClock()
        with domain(clock, delay=5.0) as emulator:
            yield emulator, clock

    @pytest.fixture
    def index(self, emulator: tuple[CloudSearchEmulator, ManualClock]) -> CloudSearchIndex:
        self._domain, clock = emulator
        return index_on(self._domain, clock)

    def settle(self) -> None:
        self._domain.settle()
