"""The document endpoint of the emulated CloudSearch: what a batch may hold, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.cloudsearch_requests import BATCH, add, ask, client, started, upload

FIELDS = {
    "title": "text",
    "notes": "text-array",
    "kind": "literal",
    "tags": "literal-array",
    "year": "int",
    "years": "int-array",
    "price": "double",
    "prices": "double-array",
    "day": "date",
    "days": "date-array",
    "place": "latlon",
    "*_t": "text",
    "raw_*": "literal",
}


@pytest.fixture
def domain() -> Iterator[CloudSearchEmulator]:
    with started(FIELDS) as domain:
        yield domain


def adding(**fields: object) -> list[dict[str, object]]:
    return [{"type": "add", "id": "a1", "fields": fields}]


def complaint(domain: CloudSearchEmulator, batch: object) -> str:
    """The one error of a batch that is refused, and nothing of which is taken."""
    answer = upload(domain, batch)
    assert answer.status == 400, answer.text
    (error,) = answer.json["errors"]
    domain.settle()
    assert domain.documents() == {}
    return str(error["message"])


def test_a_batch_of_adds_and_deletes_is_counted(domain: CloudSearchEmulator) -> None:
    batch = [
        {"type": "add", "id": "a1", "fields": {"title": "One"}},
        {"type": "add", "id": "a2", "fields": {"title": "Two"}},
        {"type": "delete", "id": "a3"},
    ]
    answer = upload(domain, batch)
    assert answer.status == 200
    assert answer.json == {"status": "success", "adds": 2, "deletes": 1}
    domain.settle()
    assert domain.documents() == {"a1": {"title": ["One"]}, "a2": {"title": ["Two"]}}


def test_one_bad_document_refuses_the_whole_batch(domain: CloudSearchEmulator) -> None:
    batch = [
        {"type": "add", "id": "a1", "fields": {"title": "One"}},
        {"type": "add", "id": "a2", "fields": {"colour": "red"}},
    ]
    answer = upload(domain, batch)
    message = 'Field "colour" is not configured (near operation with index 2; document_id a2)'
    assert answer.status == 400
    assert answer.json == {
        "status": "error",
        "adds": 0,
        "deletes": 0,
        "errors": [{"message": message}],
        "message": message,
        "__type": "#DocumentServiceException",
    }
    domain.settle()
    assert domain.documents() == {}


def test_every_bad_document_is_told(domain: CloudSearchEmulator) -> None:
    bad = [{"type": "add", "id": f"a{nth}", "fields": {"year": "x"}} for nth in (1, 2)]
    assert [error["message"] for error in upload(domain, bad).json["errors"]] == [
        "Field \"year\": 'x' is no int (near operation with index 1; document_id a1)",
        "Field \"year\": 'x' is no int (near operation with index 2; document_id a2)",
    ]


def test_an_add_replaces_the_whole_document(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", title="One", year=1)
    add(domain, "a1", title="Two")
    assert domain.documents() == {"a1": {"title": ["Two"]}}


def test_a_delete_takes_a_document_away(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", title="One")
    assert upload(domain, [{"type": "delete", "id": "a1"}]).status == 200
    domain.settle()
    assert domain.documents() == {}


@pytest.mark.parametrize(
    "batch",
    [
        b"",
        b"{}",
        b"[",
        b"[]",
        b'["a1"]',
        b'[{"type": "add"}]',
        b'[{"type": "delete", "id": "a1"},]',
        b'[{"type": "delete", "id": "a1"} {"type": "delete", "id": "a2"}]',
        b'[{"type": "delete", "id": "a1"}] more',
        b'[{"type": "delete", "id": "a1", "id": "a2"}]',
        b'[{"type": "update", "id": "a1", "fields": {"title": "x"}}]',
        b'[{"type": "delete", "id": "a1", "fields": {"title": "x"}}]',
        b'[{"type": "add", "id": "a1", "version": 1, "fields": {"title": "x"}}]',
        b'[{"type": "add", "id": "a1"}]',
        b'[{"type": "add", "id": "a1", "fields": {}}]',
        b'[{"type": "add", "id": "a1", "fields": {"price": NaN}}]',
        b'[{"type": "add", "id": "a1", "fields": {"title": "\xff"}}]',
    ],
)
def test_what_is_no_batch_is_refused(domain: CloudSearchEmulator, batch: bytes) -> None:
    assert complaint(domain, batch)


def test_null_is_forbidden(domain: CloudSearchEmulator) -> None:
    assert "the value cannot be null" in complaint(domain, adding(title=None))
    assert "the value cannot be null" in complaint(domain, adding(tags=["a", None]))


@pytest.mark.parametrize(
    "id", ["", "a" * 129, "A1", "_a", "a-1", "a b", "a/1", "ä", "a.1", "a:1", 7, None]
)
def test_only_ids_that_every_page_of_the_service_allows_are_taken(
    domain: CloudSearchEmulator, id: object
) -> None:
    batch = [{"type": "add", "id": id, "fields": {"title": "x"}}]
    assert f"{id!r} is no id" in complaint(domain, batch)
    assert f"{id!r} is no id" in complaint(domain, [{"type": "delete", "id": id}])


@pytest.mark.parametrize(
    "id", ["a", "0", "a" * 128, "a_1_", "0123456789abcdefghijklmnopqrstuvwxyz_"]
)
def test_ids_of_1_to_128_lower_case_letters_digits_and_underscores_are_taken(
    domain: CloudSearchEmulator, id: str
) -> None:
    add(domain, id, title="x")
    assert list(domain.documents()) == [id]


@pytest.mark.parametrize("char", ["\x00", "\x08", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_only_characters_that_are_valid_in_xml_are_taken(
    domain: CloudSearchEmulator, char: str
) -> None:
    told = f"U+{ord(char):04X} is not valid in XML"
    assert told in complaint(domain, adding(title=f"a{char}b"))
    assert told in complaint(domain, adding(tags=["fine", char]))


def test_characters_that_xml_allows_are_taken(domain: CloudSearchEmulator) -> None:
    text = "tab\t line\n return\r é \u2028 \ufffd 😀"
    add(domain, "a1", title=text)
    assert domain.documents() == {"a1": {"title": [text]}}


@pytest.mark.parametrize(
    "name", ["colour", "Title", "_id", "ti", "score", "t", "title_T", "x" * 63 + "_t"]
)
def test_unknown_fields_are_refused(domain: CloudSearchEmulator, name: str) -> None:
    assert f'Field "{name}" is not configured' in complaint(domain, adding(**{name: "x"}))


def test_dynamic_fields_begin_or_end_with_the_wildcard(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", story_t="x", raw_="y", raw_kind="z", **{"x" * 62 + "_t": "long"})
    assert set(domain.documents()["a1"]) == {"story_t", "raw_", "raw_kind", "x" * 62 + "_t"}


def test_a_static_field_goes_before_dynamic_ones_and_a_longer_pattern_before_a_shorter() -> None:
    fields = {"*": "literal", "*_n": "int", "big_n": "text", "*_big_n": "double"}
    with started(fields) as domain:
        add(domain, "a1", big_n="text", other="literal", some_n=1, very_big_n=1.5)
        assert domain.documents()["a1"] == {
            "big_n": ["text"], "other": ["literal"], "some_n": ["1"], "very_big_n": ["1.5"],
        }  # fmt: skip
        assert upload(domain, adding(some_n="text")).status == 400


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("title", "Grüße", ["Grüße"]),
        ("title", "", [""]),
        ("notes", ["b", "a", "b"], ["b", "a", "b"]),
        ("notes", "one", ["one"]),
        ("kind", "Sci-Fi", ["Sci-Fi"]),
        ("year", 2**63 - 1, ["9223372036854775807"]),
        ("year", -(2**63), ["-9223372036854775808"]),
        ("year", "1977", ["1977"]),
        ("years", [2, 1], ["2", "1"]),
        ("price", 7.5, ["7.5"]),
        ("price", 7, ["7.0"]),
        ("price", "1e3", ["1000.0"]),
        ("day", "1970-08-23T17:00:00Z", ["1970-08-23T17:00:00Z"]),
        ("day", "1967-01-31T23:20:50.650Z", ["1967-01-31T23:20:50.650Z"]),
        ("day", "0001-01-01T00:00:00.5Z", ["0001-01-01T00:00:00.500Z"]),
        ("place", "35.628611,-120.694152", ["35.628611,-120.694152"]),
        ("place", "35, -120", ["35.0,-120.0"]),
    ],
)
def test_values_of_every_type_come_back_as_arrays_of_strings(
    domain: CloudSearchEmulator, name: str, value: object, stored: list[str]
) -> None:
    add(domain, "a1", **{name: value})
    assert domain.documents() == {"a1": {name: stored}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 7),
        ("title", True),
        ("title", {"a": "b"}),
        ("title", ["one"]),
        ("notes", []),
        ("notes", [["one"]]),
        ("kind", 7),
        ("year", 1.5),
        ("year", 1.0),
        ("year", True),
        ("year", "1.0"),
        ("year", ""),
        ("year", 2**63),
        ("year", "9" * 5000),
        ("years", [1, "x"]),
        ("price", "x"),
        ("price", "1e999"),
        ("day", 0),
        ("day", "2026-01-01"),
        ("day", "2026-01-01T00:00:00"),
        ("day", "2026-01-01T00:00:00+00:00"),
        ("day", "2026-02-30T00:00:00Z"),
        ("days", ["2026-01-01T00:00:00Z", "today"]),
        ("place", "91,0"),
        ("place", "0,181"),
        ("place", "0"),
        ("place", ["0,0", "1,1"]),
    ],
)
def test_values_of_another_type_are_refused(
    domain: CloudSearchEmulator, name: str, value: object
) -> None:
    assert f'Field "{name}"' in complaint(domain, adding(**{name: value}))


def test_a_literal_has_up_to_4096_code_points(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", kind="😀" * 4096, title="x" * 5000)
    too_long = upload(domain, adding(kind="x" * 4097))
    assert "at most 4096 code points" in too_long.json["message"]
    assert upload(domain, adding(tags=["x" * 4097])).status == 400


def test_an_array_has_up_to_1000_values(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", years=list(range(1000)))
    assert "1 to 1000 values" in upload(domain, adding(years=list(range(1001)))).json["message"]


def test_a_document_has_up_to_200_fields(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", **{f"f{nth}_t": "x" for nth in range(200)})
    too_many = upload(domain, adding(**{f"f{nth}_t": "x" for nth in range(201)}))
    assert "at most 200 fields" in too_many.json["message"]


def sized(size: int) -> bytes:
    """An add of exactly so many bytes, as it stands in its batch."""
    frame = json.dumps(adding(title="")[0])
    return json.dumps(
        adding(title="é" * 100 + "x" * (size - len(frame) - 200))[0], ensure_ascii=False
    ).encode()


def test_a_document_has_up_to_1_megabyte(domain: CloudSearchEmulator) -> None:
    assert len(sized(1024 * 1024)) == 1024 * 1024
    assert upload(domain, b"[" + sized(1024 * 1024) + b"]").status == 200
    too_big = upload(domain, b"[" + sized(1024 * 1024 + 1) + b"]")
    assert "at most 1048576 bytes, not 1048577" in too_big.json["message"]


def test_a_batch_has_up_to_5_megabytes(domain: CloudSearchEmulator) -> None:
    batch = b'[{"type": "delete", "id": "a1"}]'
    limit = 5 * 1024 * 1024
    assert upload(domain, batch.ljust(limit)).status == 200
    too_big = upload(domain, batch.ljust(limit + 1))
    assert too_big.status == 413
    assert too_big.headers["x-amzn-ErrorType"] == "RequestTooLarge"


BATCH_OF_ONE = b'[{"type": "add", "id": "a1", "fields": {"title": "gr\xc3\xbcn"}}]'


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("POST", BATCH, {}, 400),
        ("POST", BATCH, {"Content-Type": "text/plain"}, 415),
        ("POST", BATCH, {"Content-Type": "application/json; charset=utf-16"}, 415),
        ("POST", BATCH, {"Content-Type": "application/json", "Accept": "text/html"}, 406),
        ("POST", "/2011-02-01/documents/batch", {"Content-Type": "application/json"}, 404),
        ("PUT", BATCH, {"Content-Type": "application/json"}, 405),
        ("GET", BATCH, {}, 405),
    ],
)
def test_the_front_refuses_what_is_no_upload(
    domain: CloudSearchEmulator, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(domain, method, target, BATCH_OF_ONE, headers)
    assert answer.status == status
    assert answer.headers["x-amzn-ErrorType"]
    domain.settle()
    assert domain.documents() == {}


def test_a_body_without_its_length_is_refused(domain: CloudSearchEmulator) -> None:
    chunked = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert ask(domain, "POST", BATCH, b"0\r\n\r\n", chunked).status == 411


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/json;q=0.5"])
def test_replies_in_json_may_be_asked_for(domain: CloudSearchEmulator, accept: str) -> None:
    assert upload(domain, BATCH_OF_ONE, Accept=accept).status == 200


def test_a_batch_may_be_latin_1(domain: CloudSearchEmulator) -> None:
    batch = BATCH_OF_ONE.decode().encode("latin-1")
    kind = "application/json; charset=ISO-8859-1"
    assert upload(domain, batch, Content_Type=kind).status == 200
    domain.settle()
    assert domain.documents() == {"a1": {"title": ["grün"]}}


@pytest.mark.parametrize(
    "headers", [{"Content_Type": "application/xml"}, {"Accept": "application/xml"}]
)
def test_xml_is_refused_by_the_emulator_itself(
    domain: CloudSearchEmulator, headers: dict[str, str]
) -> None:
    answer = upload(domain, BATCH_OF_ONE, **headers)
    assert answer.status == 400
    assert "The emulator does not speak this" in answer.json["message"]


def test_boto3_uploads_and_reads_the_errors(domain: CloudSearchEmulator) -> None:
    boto = client(domain)
    kind = "application/json"
    answer = boto.upload_documents(documents=BATCH_OF_ONE, contentType=kind)
    assert (answer["status"], answer["adds"], answer["deletes"]) == ("success", 1, 0)

    def code(batch: bytes, contentType: str = kind) -> Any:  # noqa: N803  # boto3's name
        with pytest.raises(boto.exceptions.ClientError) as raised:
            boto.upload_documents(documents=batch, contentType=contentType)
        error = raised.value.response
        return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]

    with pytest.raises(boto.exceptions.DocumentServiceException) as raised:
        boto.upload_documents(documents=b"[]", contentType=kind)
    assert raised.value.response["status"] == "error"
    assert raised.value.response["Error"]["Message"] == "A batch has at least one operation"
    assert code(b" " * (5 * 1024 * 1024 + 1)) == ("RequestTooLarge", 413)
    assert code(b"[]", "text/plain") == ("InvalidContentType", 415)
