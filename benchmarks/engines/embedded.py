"""tantivy, within this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tantivy

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import Document
from homeport.domain.model.query import SearchQuery

SPACE = "ann"


@contextmanager
def engine(folder: Path, *, quick: bool) -> Iterator[Embedded]:
    made = Embedded(folder)
    try:
        yield made
    finally:
        made.adapter.close()


class Embedded:
    """The bare index has what a search here needs: the text with stems, the space, the id."""

    def __init__(self, folder: Path) -> None:
        self.adapter = EmbeddedSearchIndex(folder / "adapter", Catalog(()))
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("id", stored=True, tokenizer_name="raw")
        schema.add_text_field("space", tokenizer_name="raw")
        schema.add_text_field("text", tokenizer_name="en_stem")
        place = folder / "bare"
        place.mkdir()
        self._index = tantivy.Index(schema.build(), str(place))
        self._writer = self._index.writer()

    def ready(self, documents: Sequence[Document], query: SearchQuery) -> None:
        """Nothing has to be."""

    def settle(self) -> None:
        """A commit shows what it commits."""

    def index(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        for id, data in documents:
            text = f"{data['title']} {data['body']}"
            self._writer.add_document(tantivy.Document(id=id, space=SPACE, text=text))
        self._writer.commit()
        self._index.reload()

    def search(self, word: str) -> list[str]:
        searcher = self._index.searcher()
        query = self._index.parse_query(f'+text:{word} +space:"{SPACE}"', ["text"])
        found = searcher.search(query, 10).hits
        return [searcher.doc(address)["id"][0] for _, address in found]
