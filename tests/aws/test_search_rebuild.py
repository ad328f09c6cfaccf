"""A rebuild on CloudSearch that one process leaves or dies at, and others go on with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.model.query import All, Scope, SearchQuery
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.search_domains import domain, index_on

EVERYTHING = SearchQuery(All(), (Scope(None),))


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[CloudSearchEmulator]:
    with domain(clock, delay=3.0) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_another_process_goes_on_once_the_lease_is_over(
    emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    killed, other = (index_on(emulator, clock) for _ in range(2))
    rebuild = killed.rebuild()
    for place in ("here", "far"):
        rebuild.keep(place)
        clock.advance(50)
        with pytest.raises(Conflict, match="in 60 seconds"):
            other.rebuild()
    assert other.status().rebuilding
    clock.advance(20)
    again = other.rebuild()
    assert again.place == "far"
    again.commit()
    clock.advance(700)
    with pytest.raises(Conflict):
        rebuild.commit()
    assert index_on(emulator, clock).rebuild().place == ""


def test_what_was_left_is_gone_on_with_at_once(
    emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    rebuild = index_on(emulator, clock).rebuild()
    rebuild.keep("far")
    rebuild.leave()
    clock.advance(5)
    again = index_on(emulator, clock).rebuild()
    assert again.place == "far"


def test_one_that_was_taken_over_is_not_committed(
    emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    slow = index_on(emulator, clock).rebuild()
    clock.advance(100)
    index_on(emulator, clock).rebuild().keep("theirs")
    clock.advance(5)
    with pytest.raises(Conflict):
        slow.commit()
    slow.abandon()


def test_what_is_noted_is_neither_found_nor_counted(
    emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    index = index_on(emulator, clock)
    rebuild = index.rebuild()
    rebuild.keep("far")
    emulator.settle()
    assert index.search(EVERYTHING).total == index.status().documents == 0
    assert index.entries(10) == []
    rebuild.commit()
    emulator.settle()
    assert set(emulator.documents()) == {"visible"}


def test_a_lease_ends_by_itself_where_the_domain_is_gone(
    emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    index = index_on(emulator, clock)
    rebuild = index.rebuild()
    emulator.stop()
    rebuild.leave()
    with pytest.raises(Unavailable):
        index.rebuild()
