"""A benchmark that had no good answers reaches nothing, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks import overload, stalls
from benchmarks.harness.open_loop import Answer, Outcome
from benchmarks.harness.results import Report

_SECONDS = 10.0


def _answers(count: int, status: int, took: float = 2.0, since: float = 0.0) -> list[Answer]:
    return [
        Answer(since + number * _SECONDS / count, took, status, retry_after=status == 503)
        for number in range(count)
    ]


def _report() -> Report:
    return Report("any", {}, {})


def _rows(report: Report) -> dict[str, dict[str, Any]]:
    """Each row of all tables by its first cell."""
    return {
        str(row[0]): dict(zip(table.columns, row, strict=True))
        for table in report.tables
        for row in table.rows
    }


class TestStalls:
    def told(self, *outcomes: Outcome) -> tuple[dict[str, Any], list[str]]:
        report = _report()
        table = stalls._table(report, "At half of what is possible")
        for one in outcomes:
            stalls.check(report, "create", "Homeport", one)
        stalls.tell(table, "create", "Homeport", outcomes, is_target=True)
        return _rows(report)["create"], report.faults

    def test_good_answers_in_time_reach_the_target(self) -> None:
        row, faults = self.told(Outcome(100.0, _answers(1000, 201), 0.5, 0, []))
        assert (row["reached"], row["p99 ms"], row["no good answer"], faults) == (True, 2.0, 0, [])

    @pytest.mark.parametrize(
        ("answers", "missing"),
        [
            (_answers(100, 500), 900),
            ([], 1000),
            ([], 0),
            (_answers(999, 200), 1),
            ([*_answers(999, 200), *_answers(1, 503)], 0),
        ],
        ids=["all bad", "none", "nothing sent", "one missing", "one bad"],
    )
    def test_anything_but_good_answers_is_a_fault(
        self, answers: list[Answer], missing: int
    ) -> None:
        row, faults = self.told(
            Outcome(100.0, _answers(1000, 200), 0.5, 0, []),
            Outcome(100.0, answers, 0.5, missing, []),
        )
        assert row["reached"] is False
        assert row["no good answer"] == sum(one.status >= 300 for one in answers) + missing
        assert len(faults) == 1

    def test_without_a_good_answer_there_is_no_time(self) -> None:
        row, _ = self.told(Outcome(100.0, _answers(100, 500), 0.5, 900, []))
        assert row["p99 ms"] is None and row["slowest ms"] is None and row["reached"] is False

    def test_the_middle_round_counts_and_all_of_them_are_kept(self) -> None:
        rounds = [
            Outcome(rate, _answers(100, 200, took), 0.5, 0, [])
            for rate, took in ((90.0, 3), (120.0, 120), (100.0, 4))
        ]
        row, faults = self.told(*rounds)
        assert row["a second"] == 100.0
        assert (row["p99 ms"], row["spread"], row["slowest ms"]) == (4, "3-120", 4)
        assert (row["over 100 ms"], row["reached"], faults) == (100, True, [])
        slow = [Outcome(100.0, _answers(100, 200, took), 0.5, 0, []) for took in (3, 12, 14)]
        assert self.told(*slow)[0]["reached"] is False


class TestOverload:
    def told(
        self, usual: list[Answer], flood: list[Answer], after: list[Answer], made: int, missing: int
    ) -> tuple[dict[str, Any], list[str]]:
        report = _report()
        sent = [number / 100 for number in range(1100)]
        overload.tell(
            report, _SECONDS, 80.0, Outcome(20.0, usual, 0.5, 0, []),
            Outcome(160.0, [*flood, *after], 0.5, missing, [], sent), made,
        )  # fmt: skip
        return _rows(report), report.faults

    def reached(self, rows: dict[str, Any]) -> dict[str, bool]:
        return {name: row["reached"] for name, row in rows.items() if row["target"] is not None}

    def test_a_flood_that_is_refused_in_time(self) -> None:
        usual, after = _answers(200, 201), _answers(200, 201, since=_SECONDS)
        flood = [*_answers(800, 201), *_answers(800, 503)]
        rows, faults = self.told(usual, flood, after, made=1200, missing=0)
        assert faults == []
        assert set(self.reached(rows).values()) == {True}
        # Requests that wait for a connection are due, and not sent.
        assert rows["due a second"]["value"] == 160
        assert rows["sent a second"]["value"] == pytest.approx(100, abs=0.2)
        assert rows["answered 503 a second"]["value"] == 80

    @pytest.mark.parametrize("missing", [0, 2000])
    def test_without_an_answer_nothing_is_reached(self, missing: int) -> None:
        rows, faults = self.told([], [], [], made=0, missing=missing)
        assert set(self.reached(rows).values()) == {False}
        assert "503 answered within, p99, ms" in rows
        assert faults == [
            "no create was answered 201",
            "nothing was answered 503: that was no flood",
        ]

    def test_a_flood_of_which_nothing_is_refused_is_none(self) -> None:
        usual, after = _answers(200, 201), _answers(200, 201, since=_SECONDS)
        rows, faults = self.told(usual, _answers(1600, 201), after, made=2000, missing=0)
        assert faults == ["nothing was answered 503: that was no flood"]
        assert self.reached(rows) == {
            "other answers, and none": True,
            "503 without Retry-After": False,
            "503 answered within, p99, ms": False,
            "as before, s after the flood": True,
            "answered 201 and not found": True,
        }

    def test_what_was_answered_and_is_not_there_is_a_fault(self) -> None:
        usual, after = _answers(200, 201), _answers(200, 201, since=_SECONDS)
        flood = [*_answers(800, 201), *_answers(800, 503)]
        rows, faults = self.told(usual, flood, after, made=1199, missing=0)
        assert rows["answered 201 and not found"]["value"] == 1
        assert rows["answered 201 and not found"]["reached"] is False
        assert faults == ["1200 creates were answered 201, and 1199 records are there"]

    @pytest.mark.parametrize(
        ("held", "grown"),
        [([160.0, 150.0], 60.0), ([120.0, 90.0, 80.0], 20.0), ([99.0], -1.0)],
    )
    def test_memory_is_held_against_what_it_was_before(
        self, held: Sequence[float], grown: float
    ) -> None:
        report = _report()
        overload.tell_memory(report, 100.0, held)
        rows = _rows(report)
        assert rows["at most, in the flood and after it"]["value"] == max(held)
        assert rows["grown"]["value"] == grown
        assert rows["grown"]["reached"] is (grown <= 20)

    def test_memory_that_nobody_tells_of_is_not_flat(self) -> None:
        report = _report()
        overload.tell_memory(report, 0.0, [0.0])
        assert all(row["value"] is None for row in _rows(report).values())
        assert _rows(report)["grown"]["reached"] is None
