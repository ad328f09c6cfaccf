"""What the index gets to see of a record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from homeport.domain.document_builder import build_document
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document
from homeport.domain.model.record import Key, Record
from tests.unit.domain.tables import check

CATALOG = Catalog(
    [
        Collection(
            "books",
            fields={
                "title": FieldDeclaration(FieldRole.TEXT),
                "kind": FieldDeclaration(FieldRole.KEYWORD),
                "size.pages": FieldDeclaration(FieldRole.NUMBER),
                "seen": FieldDeclaration(FieldRole.DATE),
                "place": FieldDeclaration(FieldRole.GEO),
            },
        )
    ]
)


def build(data: dict[str, Any], collection: str = "undeclared") -> Document:
    record = Record(Key("s", collection, "a"), "anna", 7, 3, Data.of(data))
    return build_document(record, CATALOG)


def test_the_record_is_named() -> None:
    document = build({})
    assert (document.key, document.version, document.author) == (
        Key("s", "undeclared", "a"),
        7,
        "anna",
    )


def test_paths_are_not_written_out_beyond_what_can_be_indexed() -> None:
    # Each of the inner paths would be 200 KB: 400 MB in all.
    inner: dict[str, Any] = {f"{number:x}": 0 for number in range(2_000)}
    document = build({"n" * 200_000: inner, "m" * 253: {"a": 1, "bcd": 1}})
    assert list(document.number) == ["m" * 253 + ".a"]


def test_roles_are_inferred_from_json() -> None:
    document = build(
        {
            "name": "Fox",
            "long": "x" * 257,
            "edge": "é" * 256,
            "when": "1970-01-01T00:00:01Z",
            "day": "1970-01-02",
            "count": 7,
            "share": 0.5,
            "exact": Decimal("0.12345678901234567890"),
            "done": True,
            "nothing": None,
            "empty": "",
        }
    )
    assert set(document.text) == {"name", "long", "edge", "when", "day", "empty"}
    assert dict(document.keyword) == {
        "name": ("Fox",),
        "edge": ("é" * 256,),
        "when": ("1970-01-01T00:00:01Z",),
        "day": ("1970-01-02",),
        "done": ("true",),
        "empty": ("",),
    }
    assert dict(document.number) == {
        "count": (7.0,),
        "share": (0.5,),
        "exact": (pytest.approx(0.123456789),),
    }
    assert dict(document.date) == {"when": (1_000_000,), "day": (86_400_000_000,)}
    assert dict(document.geo) == {}


def test_text_is_composed_and_a_keyword_is_not() -> None:
    document = build({"name": "cafe\u0301", "title": "cafe\u0301"})
    assert document.text == {"name": ("caf\u00e9",), "title": ("caf\u00e9",)}
    assert document.keyword == {"name": ("cafe\u0301",), "title": ("cafe\u0301",)}


def test_objects_are_dotted_and_arrays_flattened() -> None:
    document = build(
        {"a": {"b": [1, {"c": "x"}, [2, 1]], "": 5}, "b.c": 3, "tags": ["x", "y", "x"]}
    )
    assert dict(document.number) == {"a.b": (1.0, 2.0), "a.": (5.0,), "b.c": (3.0,)}
    assert document.keyword["a.b.c"] == ("x",)
    assert document.keyword["tags"] == ("x", "y")


def test_two_types_of_one_field_are_both_kept() -> None:
    document = build({"x": [1, "one", False]})
    assert document.number["x"] == (1.0,)
    assert document.keyword["x"] == ("one", "false")
    assert document.text["x"] == ("one",)


def test_declared_roles_win() -> None:
    document = build(
        {
            "title": ["Fox", 7],
            "kind": ["novel", 7, True],
            "size": {"pages": 300},
            "seen": "1970-01-02",
            "place": {"lat": 60.2, "lon": 24.9},
        },
        "books",
    )
    assert dict(document.text) == {"title": ("Fox", "7")}
    assert dict(document.keyword) == {"kind": ("novel", "7", "true")}
    assert dict(document.number) == {"size.pages": (300.0,)}
    assert dict(document.date) == {"seen": (86_400_000_000,)}
    assert dict(document.geo) == {"place": ((60.2, 24.9),)}


def test_what_does_not_fit_its_role_is_still_found() -> None:
    document = build(
        {
            "title": "kept",
            "kind": "x" * 257,
            "size": {"pages": "many"},
            "seen": 12,
            "place": {"lat": 91, "lon": 0},
        },
        "books",
    )
    assert document.text["kind"] == ("x" * 257,)
    assert document.text["size.pages"] == ("many",)
    assert dict(document.number) == {"seen": (12.0,), "place.lat": (91.0,), "place.lon": (0.0,)}
    assert document.text["title"] == ("kept",)


def test_what_no_index_takes_costs_nothing_else() -> None:
    huge = Decimal("9" * 38 + "e80")
    data = {"": 1, "a\x00b": 2, "x" * 257: 3, "huge": int(huge), "ok": 4, "deep": {"\x1f": "no"}}
    document = build(data)
    assert set(document.number) == {"huge", "ok"}
    assert dict(document.text) == {}


def test_fields_and_values_are_bounded_and_declared_ones_first() -> None:
    data: dict[str, Any] = {f"f{number:03}": number for number in range(300)}
    document = build(data | {"title": "last", "kind": "novel"}, "books")
    assert len(document.number) == 198
    assert "f197" in document.number
    assert document.text["title"] == ("last",)
    assert len(build({"many": list(range(2000))}).number["many"]) == 1000


def test_the_first_places_of_a_field_count() -> None:
    places = [{"lat": latitude, "lon": 7} for latitude in range(40)]
    data: dict[str, Any] = {"place": [places[0], "by the sea", *places, 12]}
    document = build(data, "books")
    assert document.geo == {"place": tuple((latitude, 7) for latitude in range(32))}
    # The others are nothing else instead; what is no place is what it would be elsewhere.
    assert dict(document.text) == {"place": ("by the sea",)}
    assert dict(document.number) == {"place": (12.0,)}


def test_a_place_is_a_latitude_and_a_longitude() -> None:
    def points(place: object) -> object:
        return build({"place": place}, "books").geo.get("place")

    table: list[tuple[object, object]] = [
        ({"lat": 90, "lon": 180}, (90, 180)),
        ({"lat": -90, "lon": -180}, (-90, -180)),
        ({"lat": 90.1, "lon": 0}, None),
        ({"lat": 0, "lon": 180.1}, None),
        ({"lat": 1}, None),
        ({"lat": 1, "lon": "2"}, None),
        ({"lat": "1", "lon": 2}, None),
        ({"lat": 1, "lon": 2, "height": 3}, None),
        ([1, 2], None),
    ]
    check(points, [(place, None if point is None else (point,)) for place, point in table])
