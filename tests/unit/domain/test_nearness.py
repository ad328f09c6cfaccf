"""Searching for what is near, and for words that are nearly so."""

from __future__ import annotations

import base64
import json

import pytest

from homeport.domain.errors import Fault, Invalid
from homeport.domain.filter_parser import FieldRoles, parse_condition, to_filters
from homeport.domain.model.place import Place, distance
from homeport.domain.model.query import AnyOf, Filter, Fuzzy, Near, Words
from homeport.domain.ports.search_index import Capability
from homeport.domain.query_parser import parse_query
from homeport.domain.spelling import resembles
from tests.unit.domain.nearby import CATALOG, Shops
from tests.unit.domain.tables import check, faults

VIENNA = {"lat": 48.2082, "lon": 16.3738}
GRAZ = {"lat": 47.0707, "lon": 15.4395}


@pytest.fixture
def shops() -> Shops:
    return Shops()


def filters(text: str, collection: str | None = "shops") -> tuple[Filter, ...]:
    return to_filters(parse_condition(text), FieldRoles(CATALOG, collection))


def test_near_a_place() -> None:
    def everywhere(text: str) -> list[tuple[Filter, ...]]:
        return [filters(f"home:{text}", collection) for collection in ("shops", None)]

    table: list[tuple[str, tuple[float, float], float]] = [
        ("48.2,16.4,5km", (48.2, 16.4), 5000),
        ("48.2,16.4,0.5km", (48.2, 16.4), 500),
        ("-90,180,300m", (-90, 180), 300),
        ("90,-180,300", (90, -180), 300),
        (".5,+1e1,1e3", (0.5, 10), 1000),
    ]
    check(
        everywhere,
        [(text, [(Near("home", Place(*place), metres),)] * 2) for text, place, metres in table],
    )


def test_in_several_collections_a_field_may_hold_something_else() -> None:
    (found,) = filters("home:7", None)
    assert isinstance(found, AnyOf)
    assert filters("elsewhere:48.2,16.4,5km") != filters("home:48.2,16.4,5km")


_SHAPE = "what is near is written latitude,longitude,distance: 48.21,16.37,5km"


def test_what_is_no_place_is_told(shops: Shops) -> None:
    refused = faults(lambda text: shops.search(filters=("kind:x", f"home:{text}")))
    table = [
        ("91,0,1km", "a latitude is from -90 to 90 degrees"),
        ("-90.001,0,1km", "a latitude is from -90 to 90 degrees"),
        ("0,181,1km", "a longitude is from -180 to 180 degrees"),
        ("0,1e999,1km", "a longitude is from -180 to 180 degrees"),
        ("NaN,0,1km", "a latitude is a number of degrees"),
        ("0,inf,1km", "a longitude is a number of degrees"),
        ("0,0,-1km", "a distance is more than 0 m"),
        ("0,0,0", "a distance is more than 0 m"),
        ("0,0,1e999km", "a distance is more than 0 m"),
        ("0,0,NaN", "a distance is a number with m or km, or of metres"),
        ("0,0,5mi", "a distance is a number with m or km, or of metres"),
        ("0,0,", "a distance is a number with m or km, or of metres"),
        ("0,0", _SHAPE),
        ("7", _SHAPE),
        ("0,0,0,5", "a longitude is a number of degrees"),
        ("\u0661,0,5", "a latitude is a number of degrees"),
        (">5", "home has no order: it is declared as geo"),
    ]
    check(refused, [(text, [Fault("filter/1", detail)]) for text, detail in table])


def test_a_wrong_place_is_told_in_all_collections_too() -> None:
    for text in ("91,0,1km", "0,-181,1km", "0,0,-1km"):
        with pytest.raises(Invalid):
            filters(f"home:{text}", None)


def test_the_nearest_first_with_distances(shops: Shops) -> None:
    shops.put({"home": GRAZ}, {"title": "nowhere"}, {"home": [VIENNA, GRAZ]}, {"home": VIENNA})
    asked = {"sort": "home:48.2082,16.3738"}
    hits = shops.search(**asked).hits
    assert [hit.record.key.id for hit in hits] == ["2", "3", "0", "1"]
    graz = distance((48.2082, 16.3738), (47.0707, 15.4395))
    assert [hit.distance for hit in hits] == [0, 0, pytest.approx(graz), None]
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        page = shops.search(**asked, limit=1, cursor=cursor)
        seen += [hit.record.key.id for hit in page.hits]
        cursor = page.cursor
    assert (seen, cursor) == (["2", "3", "0", "1"], None)
    assert [hit.distance for hit in shops.search(sort="pages").hits] == [None] * 4


def test_a_cursor_belongs_to_its_place(shops: Shops) -> None:
    shops.put(*[{"home": GRAZ}] * 2)
    cursor = shops.search(sort="home:1,2", limit=1).cursor
    assert cursor is not None
    real = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([real[0], "x", *real[2:]]).encode()).decode()
    for sort, wrong in (("home:1,3", cursor), ("home:1,2", forged)):
        with pytest.raises(Invalid) as caught:
            shops.search(sort=sort, cursor=wrong)
        assert [one.pointer for one in caught.value.faults] == ["cursor"]


def test_what_cannot_be_sorted_by_is_told(shops: Shops) -> None:
    refused = faults(lambda sort: shops.search(sort=sort))
    table = [
        ("home", "write home:latitude,longitude: what is nearest there comes first"),
        ("-home:1,2", "what is nearest comes first: leave out the -"),
        ("home:1", "a place is written latitude,longitude"),
        ("home:91,2", "a latitude is from -90 to 90 degrees"),
        ("home:1,2,3", "a longitude is a number of degrees"),
        ("home:nan,2", "a latitude is a number of degrees"),
        ("pages:1,2", "pages:1,2 is not declared as a keyword, number or date field"),
    ]
    check(refused, [(sort, [Fault("sort", detail)]) for sort, detail in table])


def test_what_the_index_cannot_is_told(shops: Shops) -> None:
    shops.index.able = frozenset({Capability.STEMMING})
    for request, pointer, word in (
        ({"q": "fox -hound~"}, "q", "fuzzy"),
        ({"filters": ("kind:x", "title~fox~")}, "filter/1", "fuzzy"),
        ({"filters": ("home:1,2,3",)}, "filter/0", "geo"),
        ({"sort": "home:1,2"}, "sort", "geo"),
    ):
        with pytest.raises(Invalid) as caught:
            shops.search(**request)
        (fault,) = caught.value.faults
        assert fault.pointer == pointer
        assert f"({word})" in fault.detail
    assert shops.index.asked == []


def test_a_tilde_at_the_end_of_a_word() -> None:
    check(
        parse_query,
        [
            ("shose~", Fuzzy("shose")),
            ("a~b", parse_query("a b")),
            ("~shose", Words("shose")),
            ("~", parse_query("...")),
            ("shose~2", parse_query("shose 2")),
            ('"running shose"~', parse_query('"running shose"')),
        ],
    )


def test_words_that_are_nearly_so(shops: Shops) -> None:
    shops.put({"title": "running shoes"}, {"title": "horse"}, {"text": "shoes"})
    assert sorted(shops.ids(q="shose~")) == ["0", "2"]
    assert shops.ids(filters=("title~shoos~",)) == ["0"]
    assert shops.ids(q="runing~ shoes") == ["0"]
    assert shops.ids(q="-shose~") == ["1"]


def test_a_filter_of_words_may_hold_both() -> None:
    assert filters("title~old shose~ e-mial~") == (
        Words("old", "title"),
        Fuzzy("shose", "title"),
        Words("e", "title"),
        Fuzzy("mial", "title"),
    )


def test_longer_words_may_differ_more() -> None:
    check(
        lambda word: Fuzzy(word).edits,
        [
            ("a", 0),
            ("ab", 0),
            ("abc", 1),
            ("abcde", 1),
            ("abcdef", 2),
            ("a" * 40, 2),
            ("a" * 41, 0),
        ],
    )


def test_edits_are_counted() -> None:
    def resembling(pair: tuple[str, str]) -> list[list[bool]]:
        one, other = pair
        return [[resembles(*words, n) for n in range(4)] for words in (pair, (other, one))]

    table = [
        ("", "", 0),
        ("bread", "bread", 0),
        ("bread", "bred", 1),
        ("bread", "breads", 1),
        ("bread", "broad", 1),
        ("bread", "braed", 1),
        ("bread", "rbead", 1),
        ("ca", "abc", 3),
        ("ab", "ba", 1),
        ("abcd", "badc", 2),
        ("abc", "", 3),
        ("\u00fcber", "uber", 1),
    ]
    check(
        resembling,
        [((one, other), [[n >= edits for n in range(4)]] * 2) for one, other, edits in table],
    )


def test_a_degree_of_the_equator_is_111_km() -> None:
    assert distance((0, 0), (0, 1)) == pytest.approx(111_195, abs=1)
    assert distance((0, -179.5), (0, 179.5)) == pytest.approx(111_195, abs=1)
    assert distance((90, 0), (90, 77)) == pytest.approx(0, abs=1e-6)
