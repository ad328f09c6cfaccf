"""Indexes for tests, each with a prefix of its own, so that many share a server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.opensearch.layout import Layout
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.adapters.opensearch.server import Access, Server
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import CATALOG

STANDARD: Final = {"type": "standard"}
"""The tokenizer on osmem-server, whose indexing does not know the one that we use."""


def access_to(url: str, **options: Any) -> Access:
    return Access(urls=(url,), **{"pool": 8, **options})


def new_prefix() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def index_on(
    url: str,
    clock: ManualClock,
    prefix: str,
    *,
    catalog: Catalog = CATALOG,
    language: str = "en",
    store: Callable[[], RecordStore] | None = None,
    access: dict[str, Any] | None = None,
    layout: dict[str, Any] | None = None,
    **options: Any,
) -> OpenSearchIndex:
    """Its waiting moves the clock."""
    options.setdefault("sleep", clock.advance)
    settings = {"replicas": 0, **(layout or {})}
    return OpenSearchIndex(
        access_to(url, **(access or {})),
        clock,
        catalog,
        store,
        prefix=prefix,
        layout=Layout(catalog, language, **settings),
        **options,
    )


def ask(url: str, method: str, path: str, body: Any = None, **params: Any) -> Any:
    """The server itself, for what no port does."""
    server = Server(access_to(url))
    try:
        return server.ask(method, path, body, doing="testing", params=params)
    finally:
        server.close()


def clean(url: str, prefix: str) -> None:
    for name in ask(url, "GET", f"/{prefix}-0*/_alias"):
        ask(url, "DELETE", f"/{name}")
        with suppress(Unavailable):
            ask(url, "DELETE", f"/_index_template/{prefix}")
