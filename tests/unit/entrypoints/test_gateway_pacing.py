"""How long longer work leaves the processor to requests."""

from __future__ import annotations

import time
from itertools import count

import pytest

from homeport.entrypoints.local.pacing import (
    BUSY,
    BUSY_DUTY,
    CALM,
    CARRIED,
    DUTY,
    LONGEST_REST,
    SHARED,
    SHORTEST_SPAN,
    Pacing,
    duty_at,
    rest_after,
)
from homeport.entrypoints.local.pumps import IDLE_REST


@pytest.mark.parametrize(
    ("rate", "share", "duty"),
    [
        (CALM, 1.0, 1.0),
        (CALM + 1, 0.0, DUTY),
        (BUSY, SHARED - DUTY, DUTY),
        (BUSY, SHARED - 0.3, 0.3),
        (CALM + 1, 1.0, BUSY_DUTY),
        (BUSY + 1, 0.0, BUSY_DUTY),
    ],
    ids=["few requests", "some", "many", "a slow machine", "a slower one", "a flood"],
)
def test_it_is_worked_for_a_share_of_the_time(rate: float, share: float, duty: float) -> None:
    assert duty_at(rate, share) == pytest.approx(duty)
    rest = rest_after(0.1, duty_at(rate, share), 0.0)
    assert 0.1 / (0.1 + rest) == pytest.approx(duty)


def test_a_rest_has_bounds() -> None:
    assert rest_after(1000.0, BUSY_DUTY, 0.0) == LONGEST_REST
    assert rest_after(0.0, DUTY, IDLE_REST) == IDLE_REST
    assert rest_after(0.0, 1.0, IDLE_REST) == 0.0


def test_it_works_for_no_more_than_it_may() -> None:
    rests = list[float]()
    pacing = Pacing(lambda: 0, lambda: 0.0, rests.append, most=0.25)
    for _ in range(2):  # before it knows a rate, and then
        pacing.begin()
        _compute(0.01)
        pacing.rest(0.0)
        _compute(SHORTEST_SPAN)
    assert rests[0] == pytest.approx(0.03, rel=0.5)
    assert rests[1] > 3 * SHORTEST_SPAN


def _compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_it_rests_for_what_others_work_for_it() -> None:
    """Also while it rests."""
    worked, rests = 0.0, list[float]()
    served = count(10**9, 10**9)

    def rest(seconds: float) -> None:
        nonlocal worked
        rests.append(seconds)
        worked += 0.01

    pacing = Pacing(lambda: next(served), lambda: 0.0, rest, lambda: worked)
    pacing.begin()
    time.sleep(SHORTEST_SPAN)
    worked += 0.02
    pacing.rest(0.0)
    worked += 0.02
    pacing.begin()  # the next batch
    pacing.rest(0.0)
    worked += 1000.0
    pacing.begin()
    pacing.rest(0.0)
    expected = [one * (1 / BUSY_DUTY - 1) for one in (0.02, 0.03, CARRIED)]
    assert rests == pytest.approx(expected)
