"""The contracts of the clock and of what makes ids."""

from __future__ import annotations

import re
import time
import uuid
from typing import final

import pytest

from homeport.domain.model import names
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.testing.contract import Contract

_MADE = 2_000
_HOUR = 3_600_000_000


class ClockContract(Contract):
    """What `homeport.domain.ports.clock.Clock` promises of a clock that tells real time.

    Override the fixture `clock_under_test`.
    """

    @pytest.fixture
    def clock_under_test(self) -> Clock:
        raise self.missing("clock_under_test")

    @final
    def test_it_tells_microseconds_since_1970(self, clock_under_test: Clock) -> None:
        """Within an hour of this machine's own: it may be another machine's."""
        assert abs(clock_under_test.now() - time.time_ns() // 1_000) < _HOUR

    @final
    def test_it_goes_on(self, clock_under_test: Clock) -> None:
        first = clock_under_test.now()
        end = time.monotonic() + 5
        while clock_under_test.now() == first:
            assert time.monotonic() < end, "it stands still"


class IdFactoryContract(Contract):
    """What `homeport.domain.ports.id_factory.IdFactory` promises.

    Override the fixture `ids`.
    """

    @pytest.fixture
    def ids(self) -> IdFactory:
        raise self.missing("ids")

    @final
    def test_record_ids_are_uuids_of_version_7(self, ids: IdFactory) -> None:
        made = ids.record_id()
        read = uuid.UUID(made)
        assert (str(read), read.version, read.variant) == (made, 7, uuid.RFC_4122)
        assert names.check_id("id", made) == made

    @final
    def test_record_ids_sort_as_they_were_made(self, ids: IdFactory) -> None:
        made = [ids.record_id() for _ in range(_MADE)]
        assert made == sorted(set(made))

    @final
    def test_identities_are_26_characters_and_differ(self, ids: IdFactory) -> None:
        made = {ids.identity_id() for _ in range(_MADE)}
        assert len(made) == _MADE
        assert all(re.fullmatch("[a-z2-7]{26}", one) for one in made)

    @final
    def test_secrets_have_256_bits_and_differ(self, ids: IdFactory) -> None:
        made = {ids.secret() for _ in range(_MADE)}
        assert len(made) == _MADE
        assert all(re.fullmatch("[A-Za-z0-9_-]{43,}", one) for one in made)

    @final
    def test_tails_have_12_bits_and_are_spread(self, ids: IdFactory) -> None:
        made = [ids.tail() for _ in range(_MADE)]
        assert all(0 <= one < 4096 for one in made)
        assert len(set(made)) > _MADE // 2
