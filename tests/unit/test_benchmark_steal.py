"""What an open loop leaves out where the processors were somebody else's."""

from __future__ import annotations

from benchmarks.harness.open_loop import Answer, Outcome
from benchmarks.harness.steal import Steal, counted, disturbed, is_within, share


def test_no_growth_is_no_disturbance() -> None:
    assert disturbed([(0.0, 7), (0.1, 7), (0.2, 7)]) == []


def test_a_disturbance_lasts_until_what_gathered_is_worked_off() -> None:
    looks = [(0.0, 7), (1.0, 8), (2.0, 8), (3.0, 9), (3.05, 10), (3.1, 10), (9.0, 10)]
    assert disturbed(looks) == [(0.0, 1.1), (2.0, 3.15)]


def test_answers_count_if_all_of_their_time_was_undisturbed() -> None:
    times = [(1.0, 2.0), (3.0, 4.0)]
    before, into, within, around, between, after = (
        (0.2, 0.9), (0.9, 1.1), (1.2, 1.3), (0.9, 2.1), (2.1, 2.9), (4.1, 5.0),
    )  # fmt: skip
    assert [is_within(times, *one) for one in (before, into, within, around, between, after)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    answers = [Answer(due, took, 201, retry_after=False) for due, took in ((0.5, 400), (0.5, 600))]
    outcome = Outcome(2.0, answers, 0.0, 0, times)
    assert outcome.undisturbed() == answers[:1]


def test_looks_are_seldom() -> None:
    steal = Steal()
    for thousandth in range(1000):
        steal.look(thousandth / 1000)
    assert len(steal._looks) == 40


def test_what_was_stolen_is_a_share_of_all_processors() -> None:
    assert share((10, 1000), (14, 1200)) == 0.02
    assert share((0, 0), (0, 0)) == 0.0
    stolen, processors = counted()
    assert 0 <= stolen <= processors
