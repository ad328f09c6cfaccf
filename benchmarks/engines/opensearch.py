"""A real OpenSearch server, on this machine: one that is started, or that
HOMEPORT_TEST_OPENSEARCH names."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from opensearchpy import OpenSearch, helpers

from benchmarks.engines.engine import MARK
from benchmarks.harness.command import LeftOut
from homeport.adapters.opensearch.answers import Answers
from homeport.adapters.opensearch.documents import Operations, key_of
from homeport.adapters.opensearch.highlights import Highlighter
from homeport.adapters.opensearch.layout import Layout
from homeport.adapters.opensearch.query import QueryTranslator
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.adapters.opensearch.server import Access, Server
from homeport.adapters.system import SystemClock
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document
from homeport.domain.model.query import SearchQuery
from tests.opensearch.servers import real_server

_CHUNK: Final = 1000


@contextmanager
def engine(folder: Path, *, quick: bool) -> Iterator[OnOpenSearch]:
    with ExitStack() as opened:
        url = os.environ.get("HOMEPORT_TEST_OPENSEARCH")
        if url is None:
            if not (shutil.which("java") and shutil.which("mvn")):
                raise LeftOut("OpenSearch: there is no java, or no mvn, on this machine")
            try:
                url = opened.enter_context(real_server(folder, lasting=not quick))
            except pytest.skip.Exception as exc:  # it cannot be fetched
                raise LeftOut(str(exc)) from exc
        made = OnOpenSearch(url)
        try:
            yield made
        finally:
            made.close()


class OnOpenSearch:
    """The bare index has the same mapping and gets the same documents and queries, by the same
    client with the same settings; it keeps no versions of ours."""

    def __init__(self, url: str) -> None:
        self._prefix = f"t{uuid.uuid4().hex[:12]}"
        self._layout = Layout(Catalog(()), replicas=0)
        access = Access(urls=(url,))
        self.adapter = OpenSearchIndex(
            access, SystemClock(), Catalog(()), prefix=self._prefix, layout=self._layout
        )
        self.adapter.check()
        self._asking = Answers(Server(access), QueryTranslator(self._layout), exact=True)
        self._client = OpenSearch([url], http_compress=access.compress, pool_maxsize=access.pool)
        self._bare = f"{self._prefix}-0bare"
        self._client.indices.create(index=self._bare)
        self._sources: dict[str, dict[str, Any]] = {}
        self._body = ""

    def ready(self, documents: Sequence[Document], query: SearchQuery) -> None:
        operations = Operations(self._layout)
        for one in documents:
            source = json.loads(operations.put(one).lines.split(b"\n")[1])
            self._sources[one.key.id] = source
        self._body = json.dumps(self._asking.asked(query, Highlighter(query)))

    def settle(self) -> None:
        indices = self._client.indices
        indices.refresh(index=f"{self._prefix}-0*")
        # Else one of the two may have twice as many segments to look through, by chance.
        indices.forcemerge(index=f"{self._prefix}-0*", params={"max_num_segments": 1})

    def index(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        actions = (
            {"_index": self._bare, "_id": source["key"], "_source": source}
            for source in (self._sources[id] for id, _ in documents)
        )
        helpers.bulk(self._client, actions, chunk_size=_CHUNK)

    def search(self, word: str) -> list[str]:
        found = self._client.search(index=self._bare, body=self._body.replace(MARK, word))
        return [key_of(hit["_id"]).id for hit in found["hits"]["hits"]]

    def close(self) -> None:
        self.adapter.close()
        for name in self._client.indices.get(index=f"{self._prefix}-0*"):
            self._client.indices.delete(index=name)
        self._client.indices.delete_index_template(name=self._prefix)
        self._client.close()
