"""The index on CloudSearch keeps the contract, as far as CloudSearch lets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.testing import SearchIndexContract
from homeport.testing.cloudsearch import CloudSearchEmulator
from homeport.testing.search_convergence import SearchConvergence
from tests.aws.resources import THOROUGH
from tests.aws.search_domains import domain, index_on


class TestCloudSearchConvergence(SearchConvergence):
    """By versions alone: what goes wrong beside a store is in test_search_convergence.py."""

    histories = 20 if THOROUGH else 10
    _domain: CloudSearchEmulator
    _clock: ManualClock

    @pytest.fixture
    def index(self, clock: ManualClock) -> Iterator[CloudSearchIndex]:
        self._clock = clock
        with domain(clock, delay=5.0) as self._domain:
            yield index_on(self._domain, clock)

    def settle(self) -> None:
        self._clock.advance(61)
        self._domain.settle()


class TestCloudSearchIndex(SearchIndexContract):
    """On a domain that shows nothing at once, and mixes up what comes in one second."""

    letters = False
    stems = True
    swaps = False
    histories = 4
    _domain: CloudSearchEmulator

    @pytest.fixture
    def index(self, clock: ManualClock) -> Iterator[CloudSearchIndex]:
        with domain(clock, delay=5.0) as self._domain:
            yield index_on(self._domain, clock)

    def settle(self) -> None:
        self._domain.settle()
