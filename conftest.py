"""For every test: the backend in memory, the examples of the documents as tests, and how tests
share a machine."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any, Final

import pytest
from sybil import Sybil

from tests.documents import PARSERS, PATTERNS

# A project of its own, with its own settings: tests/integration/test_example_app.py runs it.
collect_ignore = ["docs/example-app"]

pytest_plugins = ["homeport.testing.backend"]

pytest_collect_file = Sybil(
    parsers=PARSERS,
    patterns=PATTERNS,
    fixtures=["tmp_path"],
).pytest()

_ONE_SERVER: Final = "tests/opensearch/"

# Thousands of small tests make much that is let go of at once: by the usual threshold, a third of
# their time goes into collections that find nothing.
gc.set_threshold(50_000, 20, 20)

# Whoever runs the tests in the background, as nohup does, has them and all that they start ignore
# an interruption: those that are to be interrupted would go on for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stays together longest begins first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_ONE_SERVER))


def pytest_collection_finish() -> None:
    """Lets collections walk what the tests make, not what was loaded for them."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hypothesis's plugin loads all of it for its part of the summary: a tenth of a second, for
    nothing where no test has used it. With `-n`, tests are in other processes."""
    plugins = session.config.pluginmanager
    unused = "hypothesis" not in sys.modules and not plugins.has_plugin("dsession")
    if unused and plugins.has_plugin("hypothesispytest"):
        plugins.unregister(name="hypothesispytest")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, up to four: servers under test wait for the disk."""
    return min((os.cpu_count() or 1) + 1, 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a file's tests stay together, for their fixtures' sake; and so does all that
    needs the real OpenSearch server, of which one is enough."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class ByServer(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            scope: str = super()._split_scope(nodeid)
            return _ONE_SERVER if scope.startswith(_ONE_SERVER) else scope

    return ByServer(config, log)
