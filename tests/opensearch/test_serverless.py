"""A serverless collection: signed requests, no refresh, no versions from outside, and it sleeps.

What stands in for one answers as we take Amazon OpenSearch Serverless to: nothing of it was seen
on the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.opensearch.lease import LEASE_SECONDS
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.domain.document_builder import build_document
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.indexing import Indexing
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.query import All, Scope, SearchQuery
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.domain.search import Search, SearchRequest
from homeport.testing import CATALOG
from homeport.testing.search_support import key, note
from tests.opensearch.between import Answer, Asked, Between, error, listening
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix

EVERYTHING = SearchQuery(All(), (Scope("s"),), limit=100)
A = Key("s", "notes", "a")


class Interrupted(MemoryRecordStore):
    """A store after whose reads something else may happen, before the reader goes on."""

    interrupt: Callable[[], None] | None = None

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        found = super().get_many(keys)
        if self.interrupt is not None:
            self.interrupt()
        return found


class Collection:
    """The stand-in, in front of a quick server."""

    def __init__(self, osmem: str, *, versions: bool) -> None:
        self.server = osmem
        self.between = Between(osmem)
        self.between.before = self._before
        self.asleep = False
        self.versions = versions
        self.clock = ManualClock()
        self.prefix = new_prefix()
        self.store = Interrupted(self.clock, SequentialIds())
        self.url = ""

    def index(self, *, with_store: bool = True) -> OpenSearchIndex:
        return index_on(
            self.url,
            self.clock,
            self.prefix,
            store=(lambda: self.store) if with_store else None,
            access={"aws": "aoss", "region": "eu-west-1"},
            layout={"tokenizer": STANDARD},
        )

    def _before(self, asked: Asked) -> Answer | None:
        signed = asked.headers.get("authorization", "")
        if "/eu-west-1/aoss/aws4_request" not in signed:
            return error(403, "", "not signed")
        if self.asleep:
            return error(503, "", "the collection wakes up")
        path = asked.path.partition("?")[0]
        if path.rpartition("/")[2] in ("_refresh", "_settings", "_cluster", "store", ""):
            return error(404, "", "there is no such operation here")
        if path.startswith("/_index_template") and b"number_of_shards" in asked.body:
            return error(400, "illegal_argument_exception", "unknown setting number_of_shards")
        if not self.versions and b'"version_type"' in asked.body:
            return error(
                400, "action_request_validation_exception", "Document version is not supported"
            )
        return None


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(params=[True, False], ids=["versions", "no versions"])
def collection(osmem: str, request: pytest.FixtureRequest) -> Iterator[Collection]:
    found = Collection(osmem, versions=request.param)
    with listening(found.between) as found.url:
        yield found
    clean(osmem, found.prefix)


def put(collection: Collection, title: str) -> RecordChanged:
    (record,) = collection.store.write([Put(A, "anna", Data.of({"title": title}))])
    return RecordChanged(A, record.version, None, "anna", deleted=False)


def held(collection: Collection) -> list[str]:
    """The titles that it holds."""
    answer = ask(collection.server, "POST", f"/{collection.prefix}/_search", {"size": 100})
    sources = [one["_source"] for one in answer["hits"]["hits"]]
    return [title for one in sources for title in one.get("text", {}).get("title", [])]


def test_records_come_and_go(collection: Collection) -> None:
    index = collection.index()
    indexing = Indexing(collection.store, index, CATALOG)
    events = [put(collection, "one"), put(collection, "two")]
    assert indexing.consume(events) == {}
    assert held(collection) == ["two"]
    assert index.versions([A]) == [events[1].version]
    (gone,) = collection.store.write([Delete(A, "anna")])
    deleted = RecordChanged(A, gone.version, events[1].version, "anna", deleted=True)
    assert indexing.consume([deleted, *events]) == {}
    assert held(collection) == []
    assert index.status().size is None
    index.close()


def test_what_crosses_a_newer_change_is_sent_anew(collection: Collection) -> None:
    """A rebuild reads, the stream reads something newer and sends it, and the rebuild sends."""
    stream = Indexing(collection.store, collection.index(), CATALOG)
    rebuilding = collection.index()
    stream.consume([put(collection, "one")])
    old = collection.store.get(A)
    assert old is not None
    event = put(collection, "two")

    def meanwhile() -> None:
        collection.store.interrupt = None
        put(collection, "three")
        stream.consume([event])

    collection.store.interrupt = meanwhile
    rebuilding.apply([build_document(old, CATALOG)])
    stream.consume([event])
    assert held(collection) == ["three"]


def test_a_rebuild_waits_until_it_sees_what_it_sent(collection: Collection) -> None:
    index = collection.index()
    put(collection, "fox")
    hidden = [3]

    def behind(asked: Asked, answer: Answer) -> Answer:
        if b".visible" in asked.body and "_search" in asked.path and hidden[0]:
            hidden[0] -= 1
            return Answer(200, {"hits": {"hits": [], "total": {"value": 0}}})
        return answer

    collection.between.behind = behind
    rebuild = index.rebuild()
    record = collection.store.get(A)
    assert record is not None
    rebuild.apply([build_document(record, CATALOG)])
    before = collection.clock.now()
    assert [one.key for one in rebuild.entries(10)] == [A]
    assert collection.clock.now() - before == 3_000_000
    rebuild.commit()
    assert [hit.key for hit in index.search(EVERYTHING).hits] == [A]


def test_a_rebuild_that_waits_long_stays_its_own(collection: Collection) -> None:
    """Longer than others may take for a sign that it has died."""
    index, other = collection.index(), collection.index()
    looks, taking = [0], list[str]()

    def behind(asked: Asked, answer: Answer) -> Answer:
        if b".visible" in asked.body and "_search" in asked.path:
            looks[0] += 1
            if looks[0] == LEASE_SECONDS + 20:
                taking.append(_told(other.rebuild))
            if looks[0] <= LEASE_SECONDS + 30:
                return Answer(200, {"hits": {"hits": [], "total": {"value": 0}}})
        return answer

    collection.between.behind = behind
    rebuild = index.rebuild()
    rebuild.entries(10)
    looks[0] = 0
    rebuild.commit()
    assert looks == [LEASE_SECONDS + 31]
    assert taking == ["Another process is rebuilding the search index."] * 2


def _told(work: Callable[[], object]) -> str:
    """Why something is a Conflict."""
    try:
        work()
    except Conflict as exc:
        return str(exc)
    return "nothing"


def test_it_is_asked_for_what_is_near_and_nearly_so(collection: Collection) -> None:
    """Through the stream that fills it, and the search service."""
    homes = {"vienna": [(48.2082, 16.3738)], "graz": [(47.0707, 15.4395)], "nowhere": []}
    keys = [Key("s", "notes", id) for id in homes]
    collection.store.write(
        [
            Put(key, "s", Data.of({"title": f"{key.id} bread", "home": _points(homes[key.id])}))
            for key in keys
        ]
    )
    index = collection.index()
    indexing = Indexing(collection.store, index, CATALOG)
    written = [one for one in collection.store.get_many(keys) if one is not None]
    events = [RecordChanged(one.key, one.version, None, "s", deleted=False) for one in written]
    assert indexing.consume(events) == {}
    search = Search(collection.store, index, CATALOG)

    def found(**asked: Any) -> list[str]:
        result = search.search(Principal("s", Kind.USER), SearchRequest(space="me", **asked))
        return [hit.record.key.id for hit in result.hits]

    assert found(filters=("home:48.2,16.4,5km",)) == ["vienna"]
    assert sorted(found(filters=("home:48.2,16.4,200km",))) == ["graz", "vienna"]
    assert found(sort="home:47,15.5", collection="notes") == ["graz", "vienna", "nowhere"]
    assert sorted(found(q="braed~")) == sorted(homes)
    assert found(q="braed~ viena~", filters=("title~veinna~",)) == ["vienna"]
    assert found(q="braed~ graz", filters=("home:48.2,16.4,5km",)) == []
    index.close()


def _points(home: list[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"lat": latitude, "lon": longitude} for latitude, longitude in home]


def test_one_that_sleeps_asks_for_half_a_minute(collection: Collection) -> None:
    index = collection.index()
    collection.asleep = True
    for work in (lambda: index.search(EVERYTHING), lambda: index.apply([note(key("s"))])):
        with pytest.raises(Unavailable, match="not ready") as told:
            work()
        assert told.value.retry_after == 30
    collection.asleep = False
    assert index.search(EVERYTHING).total == 0


def test_without_versions_and_records_nothing_is_written(osmem: str) -> None:
    found = Collection(osmem, versions=False)
    with listening(found.between) as found.url:
        index = found.index(with_store=False)
        with pytest.raises(Unavailable, match="takes no versions"):
            index.apply([note(key("s"))])
        index.close()
    clean(osmem, found.prefix)


@pytest.mark.parametrize("lacking", ["credentials", "region"])
def test_what_signing_lacks_is_named(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    if lacking == "credentials":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    region = "eu-west-1" if lacking == "credentials" else None
    index = index_on(
        "http://127.0.0.1:9", ManualClock(), new_prefix(), access={"aws": "es", "region": region}
    )
    with pytest.raises(Unavailable, match=f"give no .*{lacking}"):
        index.check()


def test_requests_go_through_the_environments_proxy(
    osmem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which gets the whole address, and here stands in front of the server itself."""
    between, prefix = Between(), new_prefix()

    def forward(asked: Asked) -> Answer | None:
        assert asked.path.startswith("http://search.invalid:9200/")
        if asked.path == "http://search.invalid:9200/":
            return Answer(200, {"version": {"distribution": "opensearch", "number": "2.19.1"}})
        return Answer(200, {})

    between.before = forward
    with listening(between) as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        index = index_on("http://search.invalid:9200", ManualClock(), prefix)
        with pytest.raises(Unavailable, match="being made"):
            index.check()
        index.close()
        direct = index_on(osmem, ManualClock(), prefix)
        direct.check()
        direct.close()
    assert any("_index_template" in asked.path for asked in between.asked)
    assert json.loads(next(one.body for one in between.asked if one.method == "PUT"))
    clean(osmem, prefix)
