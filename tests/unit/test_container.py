"""What the composition root refuses to put together."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.container import assemble, build
from homeport.definition import Definition, DefinitionError
from homeport.domain.model.collection import Catalog
from homeport.domain.ports.search_index import Capability

SHOPS = Definition.of({"collections": {"shops": {"fields": {"place": "geo"}}}})


class Index(MemorySearchIndex):
    """One that has no capability."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset()


class Atlas(MemorySearchIndex):
    """An index that can search by place."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.GEO})


def test_a_capability_that_the_index_lacks_is_missed_at_the_start() -> None:
    with pytest.raises(DefinitionError) as refused:
        build(SHOPS, search_index=Index()).check()
    assert str(refused.value) == (
        "collections.shops.fields.place: the role geo needs an index with the capability geo, "
        'which "embedded" has not. Give the field another role, or set adapters.search_index to '
        "one that has it."
    )


class Library(MemorySearchIndex):
    """An index that asks for what the container has for it."""

    def __init__(self, catalog: Catalog, language: str, shelf: str) -> None:
        super().__init__()
        self.made_of = (catalog, language, shelf)


def test_an_index_of_ones_own_gets_what_its_constructor_names() -> None:
    own = {"use": f"{__name__}:Library", "options": {"shelf": "a"}}
    settings = {"search": {"language": "sv"}, "adapters": {"search_index": own}}
    container = assemble(Definition.of(settings))
    index = container.search_index()
    assert isinstance(index, Library)
    assert index.made_of == (container.catalog(), "sv", "a")


def test_an_index_that_has_the_capability_will_do() -> None:
    build(SHOPS, search_index=Atlas()).check()
