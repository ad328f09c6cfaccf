"""For every test: the backend in memory, and the examples of the documents as tests."""

from __future__ import annotations

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
