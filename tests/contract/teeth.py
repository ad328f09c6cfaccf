"""Proves that a contract suite bites: runs it over adapters that were broken on purpose.

    def test_the_suite_bites(tmp_path):
        check_teeth(
            tmp_path,
            sound=suite_over(MemoryThing),
            broken={"forgets things": suite_over(ForgetfulThing), ...},
        )

where `suite_over` makes a subclass of the suite whose fixture gives the adapter.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from homeport.testing.contract import Contract

_SOUND = "the sound adapter"
_MODULE = """
from tests.contract import teeth
globals().update(teeth.suites_of({run}))
"""
_UNUSED_PLUGINS = (
    "terminal",
    "cacheprovider",
    "faulthandler",
    "logging",
    "warnings",
    "threadexception",
    "unraisableexception",
)
_runs = itertools.count()
_suites: dict[int, dict[str, type[Contract]]] = {}


def check_teeth(
    folder: Path, sound: type[Contract], broken: Mapping[str, type[Contract]]
) -> dict[str, str]:
    """Fail unless the suite passes the sound adapter and catches each broken one.

    `broken` maps what is wrong to the suite over that adapter. Returns what is wrong -> the
    test that caught it. `folder` is for a scratch file.
    """
    caught = run_suites(folder, {_SOUND: sound, **broken})
    assert _SOUND not in caught, f"fails without a fault: {caught[_SOUND]}"
    survivors = [name for name in broken if name not in caught]
    assert not survivors, f"the suite did not notice: {survivors}"
    return {name: report.split("\n", 1)[0] for name, report in caught.items()}


def run_suites(folder: Path, suites: Mapping[str, type[Contract]]) -> dict[str, str]:
    """Run each suite up to its first failure, in one pytest session within this process.

    Returns the name of each failing suite -> its failing test and, from the second line on,
    the report.
    """
    run = next(_runs)
    _suites[run] = dict(suites)
    scratch = folder / f"test_mutants_{run}.py"
    scratch.write_text(_MODULE.format(run=run))
    (folder / "pytest.ini").write_text("[pytest]\n")
    watcher = _Watcher(list(suites))
    arguments = [str(scratch), "-c", str(folder / "pytest.ini"), "--import-mode=importlib"]
    arguments += ["--assert=plain", "--capture=no"]
    arguments += [f"-pno:{plugin}" for plugin in _UNUSED_PLUGINS]
    # The outer session's environment (its current test, its options) must not leak in or out.
    with mock.patch.dict(os.environ, {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}):
        status = pytest.main(arguments, plugins=[watcher])
    del _suites[run]
    assert not watcher.trouble, watcher.trouble
    assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert watcher.ran == set(suites), f"never ran: {set(suites) - watcher.ran}"
    return watcher.caught


def suites_of(run: int) -> dict[str, type[Contract]]:
    """For the scratch file: the suites of one run under names that pytest collects."""
    named = enumerate(_suites[run].values())
    return {f"TestSuite{place}": type(f"TestSuite{place}", (suite,), {}) for place, suite in named}


class _Watcher:
    """A pytest plugin: notes the first failure of each suite and passes over the rest of it."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self.ran: set[str] = set()
        self.caught: dict[str, str] = {}
        self.trouble = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        # Telling a failure in pytest's own way looks for its source in all that is loaded.
        config.option.tbstyle = "native"

    def _suite(self, node_id: str) -> str:
        return self._names[int(node_id.split("::")[1].removeprefix("TestSuite"))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for item in session.items:
            if self._suite(item.nodeid) not in self.caught:
                # No next item: each test is torn down whole, whichever the next one will be.
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = self._suite(report.nodeid)
        self.ran.add(name)
        if report.failed and name not in self.caught:
            test = report.nodeid.split("::", 2)[2]
            self.caught[name] = f"{test}\n{report.longreprtext}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble += report.longreprtext
