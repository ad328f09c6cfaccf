"""A whole backend that searches on OpenSearch, chosen by its definition."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import Backend, build
from homeport.definition import Definition, DefinitionError
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.index_records import Pace
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.query import All, Scope, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.domain.search import SearchRequest
from homeport.entrypoints.cli import opensearch_checks
from homeport.entrypoints.cli.checks import Status
from tests.opensearch.indexes import ask, clean, new_prefix

ANNA = Principal("anna", Kind.USER)


@pytest.fixture
def settings(opensearch: str) -> Iterator[dict[str, Any]]:
    prefix = new_prefix()
    yield {
        "profile": "memory",
        "adapters": {"search_index": "opensearch"},
        "opensearch": {"url": opensearch, "prefix": prefix, "replicas": 0, "total_hits": "bounded"},
        "collections": {
            "notes": {
                "fields": {
                    "title": {"role": "text", "boost": 3.0},
                    "pages": "number",
                    "kind": "keyword",
                }
            }
        },
    }
    clean(opensearch, prefix)


@pytest.fixture
def backend(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A rebuild's head start passes by its clock: nobody else writes here."""
    clock = ManualClock()
    backend = build(Definition.of(settings), clock=clock)
    monkeypatch.setattr(backend.indexing, "_pace", Pace(clock, clock.advance))
    backend.check()
    yield backend
    backend.close()


def test_what_is_written_is_found(
    backend: Backend, settings: dict[str, Any], opensearch: str
) -> None:
    texts = {
        "a": {"title": "Running foxes", "pages": 3, "kind": "x", "other": {"path": "deep fox"}},
        "b": {"title": "hounds", "body": "a fox runs", "pages": 2, "kind": "y"},
        "c": {"title": "nothing", "pages": 1, "day": "2025-01-02"},
    }
    records = [
        backend.store.write([Put(Key("anna", "notes", id), "anna", Data.of(data))])[0]
        for id, data in texts.items()
    ]
    events = [RecordChanged(one.key, one.version, None, "anna", deleted=False) for one in records]
    assert backend.indexing.consume(events) == {}
    ask(opensearch, "POST", f"/{settings['opensearch']['prefix']}-0*/_refresh")

    def ids(**asked: Any) -> list[str]:
        found = backend.search.search(ANNA, SearchRequest(space="me", **asked))
        return [hit.record.key.id for hit in found.hits]

    assert ids(q="fox") == ["a", "b"], "what stands in the title weighs more"
    assert ids(q="fox", sort="pages", collection="notes") == ["b", "a"]
    assert ids(q="-fox") == ["c"]
    assert ids(q='"fox runs"') == ["b"]
    assert ids(q="hou*") == ["b"]
    assert ids(filters=("pages:2..3",), sort="-pages") == ["a", "b"]
    assert ids(filters=("day:2025-01-02",)) == ["c"]
    found = backend.search.search(
        ANNA, SearchRequest(q="run", facets=("kind",), highlight=("title",), collection="notes")
    )
    assert found.total == 2
    assert [(one.value, one.count) for one in found.facets["kind"]] == [("x", 1), ("y", 1)]
    assert found.hits[0].highlights == {"title": ("<em>Running</em> foxes",)}
    assert [one.text for one in backend.search.suggest(ANNA, "fo")] == ["fox", "foxes"]
    stranger = backend.search.search(Principal("eve", Kind.USER), SearchRequest(q="fox"))
    assert stranger.total == 0
    assert backend.indexing.verify().clean


def test_an_index_that_is_deleted_under_it(
    backend: Backend, settings: dict[str, Any], opensearch: str
) -> None:
    """Nothing is lost: changes go on, searches say what to do, and a rebuild brings all back."""
    prefix = settings["opensearch"]["prefix"]

    def write(id: str) -> None:
        (record,) = backend.store.write([Put(Key("anna", "notes", id), "anna", Data.of({"n": 1}))])
        event = RecordChanged(record.key, record.version, None, "anna", deleted=False)
        assert backend.indexing.consume([event]) == {}

    write("before")
    backend.indexing.rebuild()
    (index,) = ask(opensearch, "GET", f"/{prefix}-0*/_alias")
    ask(opensearch, "DELETE", f"/{index}")
    found = list(opensearch_checks.index(Definition.of(settings)))
    assert [(one.status, one.cure) for one in found] == [
        (Status.WARNING, "Fill it with: homeport index rebuild")
    ]
    write("after")
    ask(opensearch, "POST", f"/{prefix}-0*/_refresh")
    with pytest.raises(Unavailable, match=r"was deleted.*homeport index rebuild"):
        backend.search.search(ANNA, SearchRequest(space="me"))
    assert backend.index.status().documents == 1
    assert "was deleted" in str(getattr(backend.index, "needs_rebuild", None))
    assert backend.indexing.rebuild().records == 2
    assert backend.search.search(ANNA, SearchRequest(space="me")).total == 2
    assert backend.indexing.verify().clean
    found = list(opensearch_checks.index(Definition.of(settings)))
    assert [one.status for one in found] == [Status.OK]


def test_doctor_tells_of_a_server_that_does_not_answer(settings: dict[str, Any]) -> None:
    settings["opensearch"]["url"] = "http://127.0.0.1:9"
    (found,) = opensearch_checks.index(Definition.of(settings))
    assert found.status is Status.FAULT
    assert "cannot be reached" in found.detail


def test_pages_by_relevance_reach_as_deep_as_everywhere(backend: Backend) -> None:
    page = backend.index.search(SearchQuery(All(), (Scope("anna"),), limit=100, offset=9_999))
    assert page.hits == ()
    beyond = SearchQuery(All(), (Scope("anna"),), limit=100, offset=10_000)
    assert backend.index.search(beyond).hits == ()


def test_nothing_is_asked_before_it_is_needed(settings: dict[str, Any]) -> None:
    settings["opensearch"]["url"] = "http://127.0.0.1:9"
    backend = build(Definition.of(settings))
    assert not backend.index.in_place
    with pytest.raises(Unavailable):
        backend.index.status()
    backend.close()


def test_a_file_of_certificates_that_is_not_there(settings: dict[str, Any]) -> None:
    settings["opensearch"]["ca_certs"] = "nowhere.pem"
    with pytest.raises(DefinitionError, match=r"opensearch\.ca_certs: there is no file nowhere"):
        _ = build(Definition.of(settings)).index


def test_a_client_that_is_not_installed(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.startswith("homeport.adapters.opensearch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opensearchpy", None)
    with pytest.raises(DefinitionError, match=r"pip install 'homeport\[opensearch\]'"):
        _ = build(Definition.of(settings)).index
