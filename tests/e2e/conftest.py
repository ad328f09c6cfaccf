"""Figures that tests measure, shown when all is done, whether a test passes or fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_FIGURES = "figures"


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Call it with a line to be shown at the end."""
    return lambda line: record_property(_FIGURES, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        (report.nodeid, value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == _FIGURES
    ]
    if lines:
        terminalreporter.section("figures")
    for nodeid, line in lines:
        terminalreporter.write_line(f"{nodeid.rpartition('::')[2]}: {line}")
