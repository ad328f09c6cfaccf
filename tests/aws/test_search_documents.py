"""Documents for CloudSearch: whatever is in a record, CloudSearch gets what it can take of it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_documents import Operation, Operations, document_id
from homeport.adapters.aws.search_errors import missing_field
from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.aws.search_uploads import BATCH_BYTES, Uploads, batches
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import HomeportError, Overloaded, Unavailable
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, Removal
from homeport.domain.model.query import All, Scope, SearchQuery, Sort, Term, Words
from homeport.domain.model.record import Key
from homeport.testing import CATALOG
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator, Field
from homeport.testing.cloudsearch.faults import Service
from tests.aws.search_domains import domain, emulated_fields, index_on, session

SPACE = "anna"
LONGEST = Key("s" * 128, "c" * 64, "i" * 128)


def _key(id: str = "a") -> Key:
    return Key(SPACE, "notes", id)


def _document(id: str = "a", **held: Any) -> Document:
    return Document(_key(id), 1, "anna", **held)


def _put(document: Document) -> Operation:
    return Operations(CATALOG).put(document)


def _fields(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_put(document).body)["fields"]
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[CloudSearchEmulator]:
    with domain(clock) as running:
        yield running


@pytest.fixture
def index(emulator: CloudSearchEmulator, clock: ManualClock) -> CloudSearchIndex:
    return index_on(emulator, clock)


def _found(index: CloudSearchIndex, *filters: Term) -> list[str]:
    page = index.search(SearchQuery(All(), (Scope(SPACE),), filters))
    return [hit.key.id for hit in page.hits]


# What a document becomes


def test_a_document_field_by_field() -> None:
    document = Document(
        _key(),
        7,
        "anna",
        text={"title": ("A fox",), "Ärger": ("two", "values")},
        keyword={"kind": ("b", "a", "b"), "tag": ("",)},
        number={"pages": (-0.0, 3.0)},
        date={"seen": (-1,)},
        geo={"place": ((1.0, 2.0),)},
    )
    assert _fields(document) == {
        "key": "anna,notes,a",
        "space": "anna",
        "collection": "notes",
        "version": "0000000000000000007",
        "live": "1",
        "fk_kind": "x62",
        "k_kind": ["b", "a"],
        "fn_pages": 0.0,
        "n_pages": [0.0, 3.0],
        "fd_seen": -1,
        "d_seen": [-1],
        "words": ["A fox", "two", "values"],
        "starts": ["A fox", "two", "values"],
        "t_title": ["A fox"],
        "p_title": ["A fox"],
        "k_tag": ["\uf8ff"],
        fields.text_field("Ärger"): ["two", "values"],
        fields.starts_field("Ärger"): ["two", "values"],
    }


def test_ids_fit_every_page_of_cloudsearchs_and_differ() -> None:
    ids = [document_id(key) for key in (LONGEST, _key("A"), _key("a"), Key(SPACE, "note", "s,a"))]
    assert all(re.fullmatch("[a-z0-9]{52}", id) for id in ids)
    assert len(set(ids)) == len(ids)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=60).filter(bool), unique=True, max_size=20))
def test_paths_are_names_that_cloudsearch_takes_and_differ(paths: list[str]) -> None:
    for name in (fields.text_field, lambda path: fields.first_field(FieldRole.DATE, path)):
        made = [name(path) for path in paths]
        assert all(re.fullmatch("[a-z][a-z0-9_]{2,63}", one) for one in made)
        assert len(set(made)) == len(paths)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_keywords_come_back_as_they_were(one: str, other: str) -> None:
    odd = one + "\x00\ud800\uf8ff\uf8ff0000\n"
    for text in (one, other, odd):
        assert fields.from_exact(fields.exact(text)) == text
        assert fields.from_sortable(fields.sortable(text)) == text
        assert fields.exact(text).encode()
    assert (fields.exact(one) == fields.exact(other)) == (one == other)
    assert (fields.sortable(one) < fields.sortable(other)) == (one < other)


def test_characters_that_xml_lacks_cost_nothing_else(
    index: CloudSearchIndex, emulator: CloudSearchEmulator
) -> None:
    odd = "a\x00fox \ud800 \uffff\x0b\x1f red"
    assert index.apply([_document(text={"title": (odd,)}, keyword={"kind": (odd,)})]) == []
    emulator.settle()
    assert _found(index, Term(FieldRole.KEYWORD, "kind", odd)) == ["a"]
    query = SearchQuery(Words("fox"), (Scope(SPACE),), highlight=("title",))
    assert index.search(query).hits[0].highlights[0][1][0].startswith("a <em>fox</em>")


# Limits


def test_fields_beyond_two_hundred_are_left_out_declared_ones_last() -> None:
    many = {f"tag{number}": ("x",) for number in range(300)}
    document = _document(text=many | {"title": ("fox",)}, keyword=many | {"kind": ("a",)})
    operation = _put(document)
    held = json.loads(operation.body)["fields"]
    assert len(held) == 200
    assert {"k_kind", "fk_kind", "t_title", "p_title", "words", "starts"} <= held.keys()
    assert len(held["words"]) == 301
    assert operation.lost["more fields than a document has"] == 900 - (200 - 11)


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f98a", '"', "\n"])
def test_no_document_is_over_a_megabyte(letter: str, index: CloudSearchIndex) -> None:
    text = ("fox " + letter * 16) * 24_000
    operation = _put(_document(text={"title": (text,), "body": (text,)}, keyword={"kind": ("a",)}))
    assert 900_000 < len(operation.body) <= 1_000_000
    assert operation.lost["more bytes than a document has"] > 0
    assert json.loads(operation.body)["fields"]["k_kind"] == ["a"]
    assert index.apply([operation.change]) == []


def test_texts_beyond_a_thousand_stand_in_one() -> None:
    texts = tuple(f"word{number}" for number in range(1500))
    words = _fields(_document(text={"title": texts}))["words"]
    assert len(words) == 1000
    assert words[-1].split() == list(texts[999:])


def test_values_that_cloudsearch_has_no_place_for_are_left_out(
    index: CloudSearchIndex, emulator: CloudSearchEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    document = _document(
        text={"title": ("fox",)},
        keyword={"kind": ("x" * 5000, "short"), "tag": tuple(map(str, range(1001)))},
        number={"pages": (float("nan"), 1.0, float("inf"))},
        date={"seen": (2**63, 5)},
    )
    with caplog.at_level(logging.WARNING):
        assert index.apply([document]) == []
    emulator.settle()
    assert _found(index, Term(FieldRole.KEYWORD, "kind", "short")) == ["a"]
    assert _found(index, Term(FieldRole.NUMBER, "pages", 1)) == ["a"]
    assert _found(index, Term(FieldRole.DATE, "seen", 5)) == ["a"]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "anna/notes/a" in message
    for reason in ("too long for a keyword (1)", "too many values (1)", "not a finite number (2)"):
        assert reason in message
    assert "short" not in message


def test_a_first_value_that_cannot_be_sorted_by_is_not_replaced_by_another() -> None:
    long = _fields(_document(keyword={"kind": ("é" * 2000, "a")}))
    assert "fk_kind" not in long
    assert long["k_kind"] == ["é" * 2000, "a"]
    assert "fn_pages" not in _fields(_document(number={"pages": (float("nan"), 1.0)}))


# Batches


def test_batches_are_filled_to_five_megabytes(
    index: CloudSearchIndex, emulator: CloudSearchEmulator
) -> None:
    text = "fox " * 100_000
    documents = [_document(f"n{number}", text={"title": (text,)}) for number in range(14)]
    assert index.apply(documents) == []
    sent = [one.size for one in emulator.requests if one.service == "documents"]
    assert len(sent) == 3
    assert all(4_000_000 < size <= BATCH_BYTES for size in sent[:-1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 1_000_000), max_size=40))
def test_no_batch_is_over_its_limit(sizes: list[int]) -> None:
    own = Removal(_key(), 1)
    operations = [Operation(own, str(place), b"x" * size) for place, size in enumerate(sizes)]
    made = list(batches(operations))
    assert [one for batch in made for one in batch] == operations
    assert all(sum(len(one.body) + 1 for one in batch) + 1 <= BATCH_BYTES for batch in made)


def test_nothing_is_sent_where_nothing_is_new(
    index: CloudSearchIndex, emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    document = _document(text={"title": ("fox",)})
    index.apply([document])
    before, sent = clock.now(), len(emulator.requests)
    assert index.apply([document]) == []
    assert [one.service for one in emulator.requests[sent:]] in ([], ["search"])
    assert clock.now() == before


# Documents that CloudSearch refuses all the same


class Unnamed:
    """A client whose refusals do not say which documents are meant."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.sent = 0

    def upload_documents(self, **request: Any) -> Any:
        self.sent += 1
        try:
            return self._client.upload_documents(**request)
        except ClientError as exc:
            error: Any = {
                "Error": {"Code": "DocumentServiceException", "Message": "Something is wrong"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
            raise ClientError(error, "UploadDocuments") from exc


def _operations(good: int, bad: int) -> list[Operation]:
    """So many that CloudSearch takes, and among them those that it does not."""
    made = [_put(_document(f"good{number}", text={"title": ("fox",)})) for number in range(good)]
    for number in range(bad):
        key = _key(f"bad{number}")
        id = document_id(key)
        body = {"type": "add", "id": id, "fields": {"version": None}}
        operation = Operation(Document(key, 1, "anna"), id, json.dumps(body).encode())
        made.insert((number * 7 + 3) % (good + 1), operation)
    return made


@pytest.mark.parametrize("bad", [1, 2, 25])
@pytest.mark.parametrize("named", [True, False])
def test_a_bad_document_does_not_cost_its_batch(
    emulator: CloudSearchEmulator, clock: ManualClock, named: bool, bad: int
) -> None:
    real: Any = Clients(session=session()).get("cloudsearchdomain", emulator.endpoint)
    client: Any = real if named else Unnamed(real)
    rejected = Uploads(lambda: client, clock.advance).send(_operations(40, bad))
    assert {one.key for one in rejected} == {_key(f"bad{number}") for number in range(bad)}
    assert all(one.cause.startswith("CloudSearch: ") for one in rejected)
    assert all(("null" in one.cause) is named for one in rejected)
    emulator.settle()
    shown = emulator.documents()
    assert len(shown) == 40
    assert document_id(_key("good0")) in shown
    if named and bad < 20:
        assert len(emulator.requests) == 1 + bad + 1


class _OutOfTime(BaseException):
    """As that of functions, which code that expects trouble must not take for its own."""


def test_who_is_out_of_time_does_not_wait_and_who_comes_next_does() -> None:
    """CloudSearch keeps no order within a second: not of batches of two processes either."""
    happened: list[str] = []
    trouble: list[BaseException] = []

    class Client:
        def upload_documents(self, **_: Any) -> None:
            happened.append("sent")
            if trouble:
                raise trouble.pop()

    def sleep(seconds: float) -> None:
        happened.append("waited")
        assert seconds == 1.0

    client: Any = Client()
    uploads = Uploads(lambda: client, sleep)
    uploads.send(_operations(1, 0))
    uploads.send(_operations(1, 0))
    assert happened == ["waited", "sent", "waited", "sent", "waited"]
    happened.clear()
    trouble.append(_OutOfTime())
    with pytest.raises(_OutOfTime):
        uploads.send(_operations(1, 0))
    assert happened == ["sent"]
    uploads.send(_operations(1, 0))
    assert happened == ["sent", "waited", "sent", "waited"]
    happened.clear()
    trouble.append(EndpointConnectionError(endpoint_url="http://127.0.0.1"))
    with pytest.raises(Unavailable):
        uploads.send(_operations(1, 0))
    assert happened == ["sent", "waited"]


def test_a_refused_document_is_told_with_its_cause(clock: ManualClock) -> None:
    stricter = emulated_fields() | {"n_*": Field("int-array")}
    with CloudSearchEmulator(
        stricter, clock=_seconds_of(clock), schemes={"words_en": AnalysisScheme()}
    ) as emulator:
        index = index_on(emulator, clock)
        good = _document("good", number={"pages": (1.5,)}, text={"title": ("fox",)})
        other = _document("other", text={"title": ("fox",)})
        (one,) = index.apply([good, other])
        assert one.key == good.key
        assert "n_pages" in one.cause
        emulator.settle()
        assert [entry.key for entry in index.entries(10)] == [other.key]
        # It is not taken for seen: once the domain is put right, it may come again.
        assert index.apply([good])[0].key == good.key


# Trouble


@pytest.mark.parametrize(
    ("status", "kind"),
    [(507, Overloaded), (509, Overloaded), (503, Unavailable), (500, Unavailable)],
)
@pytest.mark.parametrize("service", ["documents", "search"])
def test_an_engine_in_trouble_is_unavailable_and_heals(
    index: CloudSearchIndex,
    emulator: CloudSearchEmulator,
    status: int,
    kind: type[Unavailable],
    service: Service,
) -> None:
    document = _document(text={"title": ("fox",)})
    emulator.fail(status, on=service, times=10)
    query = SearchQuery(All(), (Scope(SPACE),))
    with pytest.raises(kind) as caught:
        index.apply([document]) if service == "documents" else index.search(query)
    assert type(caught.value) is kind
    emulator.heal()
    assert index.apply([document]) == []
    emulator.settle()
    assert _found(index) == ["a"]


def test_a_lost_answer_is_waited_out_and_sent_again(
    index: CloudSearchIndex, emulator: CloudSearchEmulator, clock: ManualClock
) -> None:
    """CloudSearch may have taken it: what follows must not fall into the same second."""
    before = clock.now()
    emulator.drop(times=10, after=True)
    with pytest.raises(Unavailable):
        index.apply([_document(text={"title": ("fox",)})])
    assert clock.now() >= before + 1_000_000
    emulator.heal()
    assert index.apply([_document(text={"title": ("fox",)})]) == []
    older = Document(_key(), 0, "anna", text={"title": ("hound",)})
    assert index.apply([older]) == []
    emulator.settle()
    assert index.entries(10)[0].version == 1


def test_a_domain_without_the_fields_is_told(clock: ManualClock) -> None:
    bare = {name: one for name, one in emulated_fields().items() if name != "k_*"}
    with CloudSearchEmulator(
        bare, clock=_seconds_of(clock), schemes={"words_en": AnalysisScheme()}
    ) as emulator:
        index = index_on(emulator, clock)
        with pytest.raises(Unavailable, match="no index field for k_kind"):
            index.apply([_document(keyword={"kind": ("a",)})])
        one = Term(FieldRole.KEYWORD, "kind", "a")
        with pytest.raises(Unavailable, match="no index field for k_kind"):
            _found(index, one)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ('Field "k_kind" does not exist in domain configuration (near operation', "k_kind"),
        ("Syntax error in query: field (t__0f) does not exist.", "t__0f"),
        ("Field (k_kind) of type literal-array is not facet enabled.", "k_kind"),
        ("Field name 'n_pages' is not configured", "n_pages"),
        ('Field "version": the value cannot be null (near operation with index 1)', None),
        ('Field "title" must have array type to have multiple values', None),
        ("", None),
    ],
)
def test_a_missing_field_is_told_from_a_bad_document(message: str, name: str | None) -> None:
    assert missing_field(message) == name


def test_wrong_settings_are_told(clock: ManualClock, emulator: CloudSearchEmulator) -> None:
    def built(endpoint: str | None) -> CloudSearchIndex:
        return CloudSearchIndex(
            Clients(session=session()),
            clock,
            CATALOG,
            None,
            search_endpoint=endpoint,
            document_endpoint=endpoint,
            sleep=clock.advance,
        )

    def asked(index: CloudSearchIndex) -> str:
        with pytest.raises(Unavailable) as caught:
            index.search(SearchQuery(All(), (Scope(SPACE),)))
        return str(caught.value)

    assert "set aws.search_endpoint" in asked(built(None))
    assert "aws.search_endpoint says is no address" in asked(built("http://a b"))
    assert "check aws.search_endpoint" in asked(built("http://127.0.0.1:9"))
    assert "no endpoint of CloudSearch's" in asked(built(f"{emulator.endpoint}/elsewhere"))


def test_a_sort_by_what_is_not_declared_is_refused(index: CloudSearchIndex) -> None:
    query = SearchQuery(All(), (Scope(SPACE),), sort=Sort(FieldRole.NUMBER, "size"))
    with pytest.raises(HomeportError, match="size is not declared"):
        index.search(query)


# The fields as they are configured


def test_the_fields_can_be_configured_as_they_are_described(clock: ManualClock) -> None:
    """By CloudSearch's own configuration service, as a deployment does it."""
    with CloudSearchEmulator(
        {}, clock=_seconds_of(clock), schemes={"words_en": AnalysisScheme(stemming=True)}
    ) as emulator:
        client: Any = session().client("cloudsearch", endpoint_url=emulator.endpoint)
        for one in fields.index_fields():
            client.define_index_field(DomainName="homeport", IndexField=one.definition())
        client.index_documents(DomainName="homeport")
        emulator.settle()
        assert emulator.configuration.deployed.fields == emulated_fields()


def test_languages_have_schemes_of_their_own() -> None:
    (german,) = fields.analysis_schemes("de")
    assert german["AnalysisSchemeName"] == "words_de"
    assert german["AnalysisOptions"]["Stopwords"] == "[]"
    assert {one.scheme for one in fields.index_fields("de")} == {"words_de", "_mul_default_", None}
    for language in ("none", "ta"):
        assert fields.analysis_schemes(language) == ()
        assert {one.scheme for one in fields.index_fields(language)} == {"_mul_default_", None}


def _seconds_of(clock: ManualClock) -> Callable[[], float]:
    return lambda: clock.now() / 1_000_000


@pytest.mark.parametrize(
    "text",
    ["q3.report.pdf", "_a__b_.", "we don't, we can\u2019t", "1,000 12:30", "plain. Words, here:"],
)
def test_signs_inside_words_have_stand_ins(text: str) -> None:
    sent = fields.readable(text)
    assert len(sent) == len(text)
    assert fields.as_written(sent) == text
    assert re.search(r"\S[._',:\u2019]\S|_", sent) is None
    assert fields.readable("plain. Words, here:") == "plain. Words, here:"


def test_a_stand_in_of_the_users_is_a_space() -> None:
    assert fields.readable("\uf800.\uf8ff") == " .\uf8ff"


@pytest.mark.parametrize(("texts", "words", "starts"), [(64, 64, 64), (96, 96, 1), (193, 0, 0)])
def test_of_many_undeclared_texts_the_values_go_first(texts: int, words: int, starts: int) -> None:
    held = {f"f{number:03}": ("fox",) for number in range(texts)}
    sent = _fields(_document(text=held, keyword=held))
    counts = [sum(name.startswith(start) for name in sent) for start in ("k_", "t_", "p_")]
    assert counts == [texts, words, starts]
    assert len(sent["words"]) == texts
