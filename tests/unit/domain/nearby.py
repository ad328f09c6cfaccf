"""A search service over shops with places, in memory, that keeps what its index was asked."""

from __future__ import annotations

from typing import Any, Final

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.events import RecordChanged
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.domain.ports.search_index import Capability
from homeport.domain.search import Search, SearchRequest, SearchResult

CATALOG: Final = Catalog(
    [
        Collection(
            "shops",
            fields={
                "title": FieldDeclaration(FieldRole.TEXT),
                "kind": FieldDeclaration(FieldRole.KEYWORD),
                "pages": FieldDeclaration(FieldRole.NUMBER),
                "seen": FieldDeclaration(FieldRole.DATE),
                "home": FieldDeclaration(FieldRole.GEO),
            },
        ),
    ]
)
_ANN: Final = Principal("ann", Kind.USER)


class Index(MemorySearchIndex):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[SearchQuery] = []
        self.able = super().capabilities

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.able

    def search(self, query: SearchQuery) -> SearchPage:
        self.asked.append(query)
        return super().search(query)


class Shops:
    def __init__(self) -> None:
        self.store = MemoryRecordStore(ManualClock(), SequentialIds())
        self.index = Index()
        self.service = Search(self.store, self.index, CATALOG)

    def put(self, *data: dict[str, Any]) -> None:
        """Records with the ids 0, 1, ..."""
        for number, one in enumerate(data):
            key = Key("ann", "shops", str(number))
            (record,) = self.store.write([Put(key, "ann", Data.of(one))])
            event = RecordChanged(key, record.version, None, "ann", deleted=False)
            Indexing(self.store, self.index, CATALOG).consume([event])

    def search(self, **request: Any) -> SearchResult:
        return self.service.search(_ANN, SearchRequest(collection="shops", **request))

    def ids(self, **request: Any) -> list[str]:
        return [hit.record.key.id for hit in self.search(**request).hits]
