"""Servers for the session: one real, one quick."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.opensearch.servers import quick_server, real_server


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real OpenSearch server: one that is started, or that HOMEPORT_TEST_OPENSEARCH
    names."""
    named = os.environ.get("HOMEPORT_TEST_OPENSEARCH")
    if named:
        yield named
        return
    with real_server(tmp_path_factory.mktemp("opensearch")) as url:
        yield url


@pytest.fixture(scope="session")
def osmem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an osmem-server."""
    with quick_server(tmp_path_factory.mktemp("osmem")) as url:
        yield url
