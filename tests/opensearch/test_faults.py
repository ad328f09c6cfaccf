"""What a search server does wrong is told clearly, and nothing that was to be indexed is lost."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.opensearch.errors import IndexGone
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.domain.errors import Overloaded, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.document import Rejection
from homeport.domain.model.query import (
    All,
    Node,
    Phrase,
    Prefix,
    Scope,
    SearchQuery,
    Term,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.domain.query_parser import parse_query
from homeport.testing import CATALOG
from homeport.testing.search_support import key, note
from tests.opensearch.between import CUT, Answer, Asked, Between, error, listening
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix
from tests.servers import free_port
from tests.tools import needs

EVERYTHING = SearchQuery(All(), (Scope("s"),), limit=100)


class World:
    """An index on a quick server, with something between the two that can go wrong."""

    def __init__(self, osmem: str, between: Between, url: str, prefix: str) -> None:
        self.server, self.between, self.prefix = osmem, between, prefix
        self.clock = ManualClock()
        self.now = 0.0
        self._url = url
        self.index = self.another()

    def another(self, **options: Any) -> OpenSearchIndex:
        """Another process."""
        return index_on(
            self._url,
            self.clock,
            self.prefix,
            layout={"tokenizer": STANDARD},
            monotonic=lambda: self.now,
            **options,
        )

    def found(self) -> list[str]:
        return [hit.key.id for hit in self.index.search(EVERYTHING).hits]

    def bulk_once(self, answer: Answer) -> None:
        """Answer the next batch so, and forward what comes after."""
        self.bulk_times(1, answer)

    def bulk_times(self, times: int, answer: Answer) -> None:
        left = [times]

        def before(asked: Asked) -> Answer | None:
            if "_bulk" in asked.path and left[0]:
                left[0] -= 1
                return answer
            return None

        self.between.before = before


@pytest.fixture
def world(osmem: str) -> Iterator[World]:
    between, prefix = Between(osmem), new_prefix()
    with listening(between) as url:
        world = World(osmem, between, url, prefix)
        yield world
        world.index.close()
    clean(osmem, prefix)


def items(*said: tuple[int, str, str]) -> Answer:
    found = [
        {"index": {"status": status, **({"error": {"type": kind, "reason": why}} if kind else {})}}
        for status, kind, why in said
    ]
    return Answer(200, {"errors": True, "items": found})


class TestNoWayToTheServer:
    def test_a_server_that_is_down(self, world: World) -> None:
        index = index_on(f"http://127.0.0.1:{free_port()}", world.clock, world.prefix)
        before = world.clock.now()
        for work in (index.status, index.check, lambda: index.apply([note(key("s"))])):
            with pytest.raises(Unavailable, match="cannot be reached"):
                work()
        assert 0 < world.clock.now() - before < 6_000_000

    def test_a_server_that_is_slow(self, osmem: str) -> None:
        between, go_on = Between(osmem), threading.Event()

        def wait(asked: Asked) -> None:
            go_on.wait(10)

        with listening(between) as url:
            index = index_on(url, ManualClock(), new_prefix(), access={"timeout": 0.2})
            between.before = wait
            with pytest.raises(Unavailable, match="does not answer in time"):
                index.search(EVERYTHING)
            assert len(between.asked) == 1, "what takes too long is not asked again"
            go_on.set()
            index.close()

    def test_a_connection_that_breaks_is_made_anew(self, world: World) -> None:
        world.bulk_times(2, CUT)
        assert world.index.apply([note(key("s"), title="fox")]) == []
        assert world.found() == ["a"]

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_a_server_that_has_no_time_is_asked_again(self, world: World, status: int) -> None:
        world.bulk_times(2, error(status, "", "busy"))
        assert world.index.apply([note(key("s"), title="fox")]) == []
        world.bulk_times(9, error(status, "", "busy"))
        with pytest.raises(Unavailable):
            world.index.apply([note(key("s", "b"), title="fox")])
        assert world.found() == ["a"]

    def test_one_that_refuses_who_asks(self, world: World) -> None:
        world.between.before = lambda asked: Answer(401, "Unauthorized")
        with pytest.raises(Unavailable, match=r"opensearch\.password"):
            world.index.search(EVERYTHING)
        world.between.before = lambda asked: error(403, "security_exception", "no permissions")
        with pytest.raises(Unavailable, match=r"security_exception.*opensearch\.prefix"):
            world.index.search(EVERYTHING)

    def test_user_and_password_are_sent(self, world: World) -> None:
        index = world.another(access={"user": "anna", "password": "secret"})
        index.search(EVERYTHING)
        assert {one.headers["authorization"] for one in world.between.asked} == {
            "Basic YW5uYTpzZWNyZXQ="
        }
        index.close()

    @pytest.mark.parametrize(
        ("version", "told"),
        [
            ({"number": "8.15.0", "build_flavor": "default"}, "Elasticsearch 8.15.0 answers"),
            ({"number": "1.3.20", "distribution": "opensearch"}, "1.3.20, which is too old"),
            (None, "something else answers"),
        ],
    )
    def test_another_server_answers(self, world: World, version: object, told: str) -> None:
        def before(asked: Asked) -> Answer | None:
            return (
                Answer(200, {"version": version} if version else {}) if asked.path == "/" else None
            )

        world.between.before = before
        for work in (world.index.check, lambda: world.index.search(EVERYTHING)):
            with pytest.raises(Unavailable, match=told):
                work()

    def test_a_domain_that_pretends_to_be_elasticsearch(self, world: World) -> None:
        answer = {
            "version": {"number": "7.10.2"},
            "tagline": "The OpenSearch Project: https://opensearch.org/",
        }
        world.between.before = lambda asked: Answer(200, answer) if asked.path == "/" else None
        world.index.check()

    def test_what_answers_is_a_web_page(self, world: World) -> None:
        world.between.before = lambda asked: Answer(200, "<html>hello</html>")
        with pytest.raises(Unavailable, match="is no OpenSearch"):
            world.index.check()


class TestCertificates:
    @pytest.fixture(scope="class")
    @classmethod
    def certificate(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
        needs("certificates of search servers", "openssl")
        folder: Path = tmp_path_factory.mktemp("certificate")
        certificate, private = str(folder / "a.crt"), str(folder / "a.key")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=search", "-addext", "subjectAltName=IP:127.0.0.1"]
        where = ["-out", certificate, "-keyout", private]
        subprocess.run([*command, *names, *where], check=True, capture_output=True)
        return certificate, private

    def test_it_has_to_be_trusted(self, osmem: str, certificate: tuple[str, str]) -> None:
        with listening(Between(osmem), certificate) as url:
            index = index_on(url, ManualClock(), new_prefix())
            with pytest.raises(Unavailable, match=r"not trusted.*opensearch\.ca_certs"):
                index.check()
            index.close()

    @pytest.mark.parametrize("trusts", [True, False])
    def test_ones_own_authority_or_none(
        self, osmem: str, certificate: tuple[str, str], *, trusts: bool
    ) -> None:
        prefix = new_prefix()
        access = {"ca_certs": certificate[0]} if trusts else {"verify": False}
        with listening(Between(osmem), certificate) as url:
            index = index_on(url, ManualClock(), prefix, access=access)
            index.check()
            index.close()
        clean(osmem, prefix)


class TestBatches:
    def test_each_document_has_its_own_fate(self, world: World) -> None:
        world.index.apply([note(key("s", "0"), title="fox")])
        world.bulk_once(
            items(
                (201, "", ""),
                (409, "version_conflict_engine_exception", "newer"),
                (400, "mapper_parsing_exception", "no. Preview of field's value: 'secret'"),
                (429, "opensearch_rejected_execution_exception", "busy"),
            )
        )
        changes = [note(key("s", name), title="fox") for name in "abcd"]
        assert world.index.apply(changes) == [
            Rejection(key("s", "c"), "OpenSearch: mapper_parsing_exception: no")
        ]
        assert world.found() == ["0", "d"], "what was busy is sent again, and nothing else"

    @pytest.mark.parametrize("kind", ["", "action_request_validation_exception"])
    def test_a_refusal_of_versions_is_no_reason_to_do_without(
        self, world: World, kind: str
    ) -> None:
        """But for a serverless collection, only something between here and there says it."""
        world.index.apply([note(key("s", "0"), 5, title="fox")])
        world.bulk_once(error(400, kind, "Unsupported HTTP version"))
        with pytest.raises(Unavailable):
            world.index.apply([note(key("s", "0"), 6, title="fox")])
        world.index.apply([note(key("s", "0"), 4, title="fox")])
        assert world.index.versions([key("s", "0")]) == [5], "versions are still sent along"

    def test_a_shard_that_is_down_says_nothing_of_its_documents(self, world: World) -> None:
        world.index.apply([note(key("s", "0"), 5, title="fox")])
        kind = "no_shard_available_action_exception"

        def behind(asked: Asked, answer: Answer) -> Answer:
            if "_mget" not in asked.path:
                return answer
            return Answer(200, {"docs": [{"_id": "x", "error": {"type": kind, "reason": "down"}}]})

        world.between.behind = behind
        with pytest.raises(Unavailable, match=kind):
            world.index.versions([key("s", "0")])
        kind = "index_not_found_exception"
        with pytest.raises(IndexGone):
            world.index.versions([key("s", "0")])

    def test_a_document_that_the_server_fails_at_is_the_only_one_refused(
        self, world: World
    ) -> None:
        failed = (500, "mapper_exception", "what is this?")
        world.bulk_once(items((200, "", ""), failed))
        (one,) = world.index.apply([note(key("s", id), title="fox") for id in "ab"])
        assert one.cause == "OpenSearch: mapper_exception: what is this?"
        world.bulk_once(items(failed, failed))
        with pytest.raises(Unavailable, match="mapper_exception"):
            world.index.apply([note(key("s", id), title="fox") for id in "cd"])

    def test_a_server_that_stays_busy(self, world: World) -> None:
        world.index.apply([note(key("s", "0"), title="fox")])
        world.bulk_times(9, items((429, "opensearch_rejected_execution_exception", "busy")))
        with pytest.raises(Overloaded):
            world.index.apply([note(key("s"), title="fox")])

    @pytest.mark.parametrize("status", [403, 429])
    def test_a_full_disk(self, world: World, status: int) -> None:
        world.index.apply([note(key("s", "0"), title="fox")])
        why = "index blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
        for answer in (
            items((status, "cluster_block_exception", why)),
            error(status, "cluster_block_exception", why),
        ):
            world.bulk_once(answer)
            with pytest.raises(Unavailable, match="disk is full"):
                world.index.apply([note(key("s"), title="fox")])
        assert world.index.apply([note(key("s"), title="fox")]) == []

    def test_a_batch_that_is_too_large_is_halved(self, world: World) -> None:
        def before(asked: Asked) -> Answer | None:
            return error(413, "", "too large") if len(asked.body) > 1500 else None

        world.index.apply([note(key("s", "0"), title="fox")])
        world.between.before = before
        changes = [note(key("s", f"n{number}"), title="fox " * 20) for number in range(20)]
        changes.append(note(key("s", "large"), title="fox " * 1000))
        assert [one.key.id for one in world.index.apply(changes)] == ["large"]
        assert len(world.found()) == 21

    def test_nothing_is_lost_where_a_server_restarts_in_a_batch(self, world: World) -> None:
        """The feed hands the events over again."""
        store = MemoryRecordStore(world.clock, SequentialIds())
        indexing = Indexing(store, world.index, CATALOG)
        writes = [Put(Key("s", "notes", f"n{n}"), "anna", Data.of({"n": n})) for n in range(50)]
        events = [
            RecordChanged(one.key, one.version, None, "anna", deleted=False)
            for one in store.write(writes)
        ]
        done = [False]

        def behind(asked: Asked, answer: Answer) -> Answer:
            if "_bulk" in asked.path and not done[0]:
                world.between.before = lambda asked: CUT
                return CUT
            return answer

        world.between.behind = behind
        with pytest.raises(Unavailable):
            indexing.consume(events)
        done[0], world.between.before = True, lambda asked: None
        assert indexing.consume(events) == {}
        assert len(world.found()) == 50


class TestIndexes:
    @pytest.mark.parametrize("knew", [True, False], ids=["a server", "a function that starts"])
    def test_changes_go_on_where_the_index_was_deleted(self, world: World, *, knew: bool) -> None:
        rebuild = world.index.rebuild()
        rebuild.apply([note(key("s"), title="fox")])
        rebuild.commit()
        ask(world.server, "DELETE", f"/{world.prefix}-000002")
        index = world.index if knew else world.another()
        assert index.apply([note(key("s", "b"), title="fox")]) == []
        for one in (index, world.another()):
            with pytest.raises(Unavailable, match=r"was deleted.*homeport index rebuild"):
                one.search(EVERYTHING)
            assert "was deleted" in str(one.needs_rebuild)
            assert one.status().documents == 1
        rebuild = world.another().rebuild()
        rebuild.apply([note(key("s"), title="fox"), note(key("s", "b"), title="fox")])
        rebuild.commit()
        world.now += 5
        assert [hit.key.id for hit in index.search(EVERYTHING).hits] == ["a", "b"]
        assert index.needs_rebuild is None
        assert set(ask(world.server, "GET", f"/{world.prefix}-0*/_alias")) == {
            f"{world.prefix}-000004"
        }

    def test_a_search_tells_at_once_and_another_makes_the_index_anew(self, world: World) -> None:
        world.index.apply([note(key("s"), title="fox")])
        ask(world.server, "DELETE", f"/{world.prefix}-000001")
        with pytest.raises(Unavailable, match=r"not there any more.*homeport index rebuild"):
            world.index.search(EVERYTHING)
        with pytest.raises(Unavailable, match="was deleted"):
            world.index.search(EVERYTHING)

    def test_an_index_that_is_deleted_while_another_is_filled_is_not_made_anew(
        self, world: World
    ) -> None:
        world.index.apply([note(key("s"), title="fox")])
        rebuild = world.index.rebuild()
        ask(world.server, "DELETE", f"/{world.prefix}-000001")
        for work in (
            lambda: world.index.apply([note(key("s", "b"), title="fox")]),
            lambda: world.another().search(EVERYTHING),
        ):
            with pytest.raises(Unavailable, match="homeport index rebuild"):
                work()
        rebuild.apply([note(key("s"), title="fox")])
        rebuild.commit()
        assert world.found() == ["a"]

    def test_looking_at_it_makes_nothing(self, world: World) -> None:
        assert world.index.examined() is None
        assert ask(world.server, "GET", f"/{world.prefix}-0*/_alias") == {}
        world.index.apply([note(key("s"), title="fox")])
        assert "never filled" in str(world.index.examined())
        ask(world.server, "DELETE", f"/{world.prefix}-000001")
        assert "was deleted" in str(world.another().examined())
        assert ask(world.server, "GET", f"/{world.prefix}-0*/_alias") == {}

    def test_two_that_find_it_deleted_make_one(self, world: World) -> None:
        """The second one looks in each of the moments in which the first one makes it."""
        world.index.apply([note(key("s"), title="fox")])
        for moment in range(8):
            for name in ask(world.server, "GET", f"/{world.prefix}-0*/_alias"):
                ask(world.server, "DELETE", f"/{name}")
            left, second = [moment], world.another()

            def before(asked: Asked, left: list[int] = left, second: Any = second) -> None:
                left[0] -= 1
                if left[0] == -1:
                    second.apply([note(key("s", "b"), title="fox")])

            world.between.before = before
            first = world.another()
            first.apply([note(key("s", "a"), title="fox")])
            world.between.before = lambda asked: None
            assert len(ask(world.server, "GET", f"/{world.prefix}-0*/_alias")) == 1, moment
            assert first.status().documents == 2, moment

    def test_one_that_was_never_filled_says_so(self, world: World) -> None:
        assert world.another().needs_rebuild == "the search index was never filled"
        world.index.rebuild().commit()
        assert [one.needs_rebuild for one in (world.index, world.another())] == [None, None]

    def test_new_fields_beyond_what_there_is_room_for(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        index = world.another()
        index.apply([note(key("s", "0"), title="fox", kind="a")])
        limit = {"index.mapping.total_fields.limit": 60}
        ask(world.server, "PUT", f"/{world.prefix}-000001/_settings", limit)
        many: dict[str, Any] = {f"f{number}": f"v{number}" for number in range(80)}
        crowded = note(key("s", "a"), title="a fox", kind="b", **many)
        assert index.apply([crowded, note(key("s", "b"), title="fox")]) == []
        assert "opensearch.max_fields" in caplog.text
        assert world.found() == ["0", "a", "b"]
        query = SearchQuery(Words("fox", "title"), (Scope("s"),))
        assert len(index.search(query).hits) == 3
        index.close()


HOSTILE = [
    '"', "*", "?" * 200, "*" * 1024, "(" * 500 + ")" * 500, "a AND (b OR", "title:/a.*/",
    "[a TO b}", "\\", "&&||!", "^5~2", "_exists_:space", "*:*", "{{space}}", "${jndi:ldap://127.0.0.1/a}",
    "ctx._source.remove('space')", "fox' OR '1'='1", "\x00\x1f\ud800", "a " * 500, "é" * 500,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_hostile_text_means_nothing(hostile: OpenSearchIndex, text: str) -> None:
    trees: list[Node] = [
        Words(text),
        Phrase((text, text)),
        Prefix(text),
        Words(text, text),
        parse_query(text),
    ]
    for tree in trees:
        query = SearchQuery(tree, (Scope("mine"),), highlight=("title",))
        assert {hit.key.space for hit in hostile.search(query).hits} <= {"mine"}
        assert "theirs" not in str(hostile.search(query))
    for scope in (Scope(text), Scope("mine", text), Scope(None, text)):
        assert hostile.search(SearchQuery(All(), (scope,))).total == 0
    within = (Term(FieldRole.KEYWORD, "kind", text), Words(text, text))
    for one in within:
        assert hostile.search(SearchQuery(All(), (Scope("mine"),), (one,))).total == 0


@pytest.fixture(scope="module")
def hostile(opensearch: str) -> Iterator[OpenSearchIndex]:
    prefix = new_prefix()
    index = index_on(opensearch, ManualClock(), prefix)
    index.apply([note(key("mine"), title="one fox"), note(key("theirs"), title="theirs")])
    ask(opensearch, "POST", f"/{prefix}-0*/_refresh")
    yield index
    index.close()
    clean(opensearch, prefix)


def test_requests_never_hold_an_engines_own_query_syntax(world: World) -> None:
    for text in HOSTILE:
        world.index.search(SearchQuery(Words(text), (Scope("s"),), highlight=("title",)))
    for asked in world.between.asked:
        if "_search" in asked.path:
            names = set(_names(json.loads(asked.body)))
            assert names.isdisjoint({"query_string", "simple_query_string", "script", "regexp"})


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
