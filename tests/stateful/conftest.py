"""Says how many steps a long run took."""

from __future__ import annotations

import os

import pytest

from tests.stateful.agreement import STEPS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "STATEFUL_EXAMPLES" in os.environ:
        for machine, count in STEPS.items():
            terminalreporter.write_line(f"{machine}: {count:,} steps")
