"""JSON that comes in stays as it was, or is refused with the place and the reason."""

from __future__ import annotations

from collections import UserDict
from decimal import Decimal
from typing import Any

import pytest

from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.data import Data, encode, parse_json, stored_size
from tests.unit.domain.tables import check, check_each, faults

ROUND_TRIPS = [
    "{}",
    '{"a":1}',
    '{"n":null,"t":true,"f":false,"s":"x","l":[],"o":{}}',
    '{"":0,"ä ö":"\U0001f600","quote\\"":"\\\\"}',
    '{"int":12345678901234567890123456789012345678}',
    '{"int":-99999999999999999999999999999999999999}',
    '{"long":0.12345678901234567890123456789012345678}',
    '{"long":1234567890123456789012345678901234567.8}',
    '{"short":0.1,"half":1.5,"small":1.0}',
]

REFUSED = [
    ('{"a": NaN}', "/a", "NaN is not a JSON number"),
    ('{"a": [1, Infinity]}', "/a/1", "Infinity is not a JSON number"),
    ('{"a": -Infinity}', "/a", "-Infinity is not a JSON number"),
    ('{"a": 1, "a": 2}', "/a", "this name stands twice in one object"),
    ('{"a": {"b": [{"c": 1, "c": 2}]}}', "/a/b/0/c", "this name stands twice in one object"),
    ('{"a~b/c": NaN}', "/a~0b~1c", "NaN is not a JSON number"),
    ('{"a": ' + "1" * 39 + "}", "/a", "a number of more than 38 digits"),
    ('{"a": -' + "1" * 39 + "}", "/a", "a number of more than 38 digits"),
    ('{"a": 0.' + "1" * 39 + "}", "/a", "a number of more than 38 digits"),
    ('{"a": 1e126}', "/a", "a number outside 1e-130 to 9.99e125"),
    ('{"a": -1e126}', "/a", "a number outside 1e-130 to 9.99e125"),
    ('{"a": 1e-131}', "/a", "a number outside 1e-130 to 9.99e125"),
    ('{"a": 1E126}', "/a", "a number outside 1e-130 to 9.99e125"),
    ('{"a": ' + "[" * 31 + "NaN" + "]" * 31 + "}", "/a" + "/0" * 31, "NaN is not a JSON number"),
    (
        '{"a": ' * 31 + '{"x": 1, "x": 2}' + "}" * 31,
        "/a" * 31 + "/x",
        "this name stands twice in one object",
    ),
    ('{"a": 1' + "0" * 126 + "}", "/a", "a number outside 1e-130 to 9.99e125"),
    ('{"a": 1e99999999999999999999}', "/a", "a number out of range"),
    ('{"a": "\\ud800"}', "/a", "holds a lone surrogate, which is not text"),
    ('{"a": ["", "\\udc00\\ud800"]}', "/a/1", "holds a lone surrogate, which is not text"),
    ('{"\\udfff": 1}', "", "a name holds a lone surrogate, which is not text"),
    ('{"a": "\ud800"}', "/a", "holds a lone surrogate, which is not text"),
    ('{"a": ' * 32 + "{}" + "}" * 32, "", "nested deeper than 32 levels"),
    ('{"a": ' + "[" * 32 + "]" * 32 + "}", "", "nested deeper than 32 levels"),
    ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "", "nested deeper than 32 levels"),
    ('{"a": ' + "[" * 32 + "NaN" + "]" * 32 + "}", "", "nested deeper than 32 levels"),
    ('{"a": ' * 700 + '{"x": 1, "x": 2}' + "}" * 700, "", "nested deeper than 32 levels"),
    ('{"a": 0.' + "0" * 300 + "}", "/a", "a number of more than 38 digits"),
    ("[1]", "", "not an object"),
    ('"text"', "", "not an object"),
    ("null", "", "not an object"),
    ("7", "", "not an object"),
]

MALFORMED = [
    "",
    " ",
    "{",
    '{"a"}',
    '{"a": 1,}',
    "{'a': 1}",
    '{"a": 01}',
    '{"a": 1} x',
    '{"a": "\n"}',
]


class TestParsing:
    def test_what_went_in_comes_out(self) -> None:
        def through(text: str) -> tuple[str, str]:
            data = Data.parse(text)
            return data.text, encode(data.value)

        check(through, [(text, (text, text)) for text in ROUND_TRIPS])

    def test_what_stands_around_is_not_counted(self) -> None:
        text = '{"a": ' * 33 + "1" + "}" * 33
        assert Data.parse(text, around=1).text == text
        with pytest.raises(Invalid):
            Data.parse('{"a": ' + text + "}", around=1)

    def test_values_without_end_are_refused(self) -> None:
        endless: dict[str, Any] = {}
        for _ in range(5000):
            endless = {"a": endless}
        with pytest.raises(Invalid) as refused:
            Data.of(endless)
        assert refused.value.faults == (Fault("", "nested deeper than 32 levels"),)

    def test_what_cannot_be_kept_is_refused(self) -> None:
        check(
            faults(Data.parse),
            [(text, [Fault(pointer, detail)]) for text, pointer, detail in REFUSED],
        )

    def test_malformed_text_is_refused_with_its_place(self) -> None:
        def refused(text: str) -> None:
            with pytest.raises(Invalid) as caught:
                Data.parse(text)
            assert caught.value.detail == "The body is not well-formed JSON."
            (fault,) = caught.value.faults
            assert "at line" in fault.detail and "column" in fault.detail

        check_each(refused, MALFORMED)

    def test_every_fault_is_named(self) -> None:
        with pytest.raises(Invalid) as refused:
            Data.parse('{"a": NaN, "b": [1e200, {"c": 1, "c": Infinity}]}')
        assert [fault.pointer for fault in refused.value.faults] == [
            "/a",
            "/b/0",
            "/b/1/c",
            "/b/1/c",
        ]

    def test_of_many_faults_the_first_20_are_told(self) -> None:
        with pytest.raises(Invalid) as refused:
            Data.parse(f'{{"a": [{",".join(["NaN"] * 21)}]}}')
        assert [fault.pointer for fault in refused.value.faults] == [f"/a/{n}" for n in range(20)]

    def test_a_fault_after_many_values_under_a_long_name_is_found_in_time(self) -> None:
        # A pointer to each of the values would be 400 MB of text.
        name = "n" * 200_000
        values = ",".join(["0"] * 2_000)
        with pytest.raises(Invalid) as refused:
            Data.parse(f'{{"{name}": [{values}], "a": NaN}}')
        assert [fault.pointer for fault in refused.value.faults] == ["/a"]

    def test_any_value_has_32_levels(self) -> None:
        assert encode(parse_json("[" * 32 + "]" * 32)) == "[" * 32 + "]" * 32
        with pytest.raises(Invalid):
            parse_json("[" * 33 + "]" * 33)

    def test_32_levels_are_allowed(self) -> None:
        text = '{"a":' * 31 + "{}" + "}" * 31
        assert Data.parse(text).text == text
        wide = '{"a":[' + ",".join(["[1]"] * 100) + "]}"
        assert Data.parse(wide).text == wide

    def test_a_surrogate_pair_is_text(self) -> None:
        assert Data.parse('{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}

    def test_numbers_keep_their_value_and_kind(self) -> None:
        def number(literal: str) -> object:
            parsed = parse_json(f"[{literal}]")
            assert isinstance(parsed, list) and len(parsed) == 1
            return parsed[0]

        check(
            number,
            [
                ("1", 1),
                ("-0", 0),
                ("1.0", 1.0),
                ("0.1", 0.1),
                ("1e2", 100.0),
                ("1E+2", 100.0),
                ("2.5e-3", 0.0025),
                ("123456789.123456789", Decimal("123456789.123456789")),
                (
                    "0.1000000000000000055511151231257827",
                    Decimal("0.1000000000000000055511151231257827"),
                ),
                ("9.9999999999999999999999999999999999999e125", Decimal("9." + "9" * 37 + "e125")),
                ("1e-130", 1e-130),
                ("0e999", 0.0),
                ("1" + "0" * 100, 10**100),
            ],
        )


class TestFromPython:
    def test_values_are_kept_under_the_same_rules(self) -> None:
        value = {"n": 1, "d": Decimal("0.1234567890123456789"), "l": [1.5, None, {"x": True}]}
        data = Data.of(value)
        assert data == value
        assert Data.parse(data.text) == value

    def test_data_is_taken_as_it_is(self) -> None:
        data = Data.of({"a": 1})
        assert Data.of(data) is data

    def test_any_mapping_will_do(self) -> None:
        assert Data.of(UserDict({"a": Decimal("1.50"), "b": 2})) == {"a": 1.5, "b": 2}

    def test_what_json_cannot_say_is_refused(self) -> None:
        values: list[dict[str, Any]] = [
            {"a": float("nan")},
            {"a": float("inf")},
            {"a": Decimal("NaN")},
            {"a": Decimal("Infinity")},
            {"a": 10**200},
            {"a": len},
            {"a": {1, 2}},
            {"a": b"bytes"},
            {"a": "\ud800"},
            {"a": Decimal("1." + "1" * 40)},
        ]

        def refused(value: dict[str, Any]) -> None:
            with pytest.raises(Invalid):
                Data.of(value)

        check_each(refused, values)


class TestData:
    def test_it_reads_like_a_dictionary(self) -> None:
        data = Data.parse('{"a": 1, "b": {"c": 2}}')
        assert data["b"]["c"] == 2
        assert list(data) == ["a", "b"]
        assert len(data) == 2
        assert data.get("none") is None
        assert "a" in data

    def test_equality_is_that_of_the_values(self) -> None:
        assert Data.parse('{"a": 1, "b": 2}') == Data.parse('{"b":2,"a":1}') == {"a": 1, "b": 2}
        assert Data.of({"a": 1}) != {"a": 2}
        assert Data.of({"a": 1}) != 1
        assert hash(Data.parse('{"a": 1, "b": 2}')) == hash(Data.parse('{"b":2,"a":1}'))

    def test_what_json_tells_apart_is_neither_equal_nor_of_one_digest(self) -> None:
        def told_apart(pair: tuple[str, str]) -> None:
            first, second = (Data.parse(f'{{"a": {text}}}') for text in pair)
            assert first != second
            assert second != first
            assert first != second.value
            assert first.digest() != second.digest()

        check_each(
            told_apart,
            [
                ("1", "1.0"),
                ("1", "true"),
                ("0", "false"),
                ("1.0", "true"),
                ("0", "null"),
                ("[1]", "[true]"),
                ("[1]", "[1, 1]"),
                ('{"b": 1}', '{"b": 1.0}'),
                ('{"b": 1}', '{"c": 1}'),
                ("[]", "{}"),
                ("{}", "[]"),
                ("0.1", '"0.1"'),
                ("1234567890123456789.5", '"1234567890123456789.5"'),
                ("1234567890123456789.5", "1234567890123456789.6"),
                ("[1234567890123456789.5]", '["1234567890123456789.5"]'),
            ],
        )

    def test_however_it_is_written_it_is_equal_and_of_one_digest(self) -> None:
        def the_same(pair: tuple[str, str]) -> None:
            first, second = (Data.parse(f'{{"a": {text}}}') for text in pair)
            assert first == second
            assert first.digest() == second.digest()

        check_each(
            the_same,
            [
                ("1.5", "1.50"),
                ("100.0", "1e2"),
                ("1234567890123456789.5", "1234567890123456789.50"),
                ('[{"b": 1234567890123456789.5, "c": 1}]', '[{"c":1,"b":1234567890123456789.5}]'),
                ('"\\u00e4"', '"ä"'),
            ],
        )

    def test_a_digest_stays_what_stores_have_kept(self) -> None:
        check(
            lambda text: Data.parse(text).digest(),
            [
                ('{"b": [1, 1.5, true, null], "a": "ä"}', "a1141c0c853b11358136a3a69bc700c7"),
                ('{"a": 629946931861723947.0e1}', "e81d093ae93e5874860c1cdce2b26d19"),
                ('{"a": [-12345678901234567890123.0, 1]}', "3684498ea56a2279a9d48ae183fd69b1"),
            ],
        )

    def test_a_value_that_is_written_again_is_the_same(self) -> None:
        def again(literal: str) -> None:
            data = Data.parse(f'{{"a": {literal}}}')
            assert Data.parse(encode(data.value)) == data
            assert Data.of({**data, "b": 1})["a"] == data["a"]
            assert type(Data.parse(encode(data.value))["a"]) is type(data["a"])

        check_each(
            again,
            [
                "629946931861723947.0e1",
                "-629946931861723947.0e1",
                "12345678901234567890123.0",
                "1234567890123456789012345678901234567800e-2",
                "6294693186172394712e5",
                "12345678901234567890123",
                "0.1234567890123456789",
                "1e30",
                "-0.0",
            ],
        )

    def test_stored_text_is_passed_on_unread(self) -> None:
        data = Data('{"a": 1}')
        assert data.text == '{"a": 1}'
        assert data.value == {"a": 1}


def test_the_size_is_what_dynamodb_counts() -> None:
    sizes: list[tuple[Any, int]] = [
        ("abc", 3),
        ("äö", 4),
        (None, 1),
        (True, 1),
        ([], 3),
        ({}, 3),
        ({"ab": "c"}, 3 + 1 + 2 + 1),
        (["a", "b"], 3 + 2 * 2),
        (7, 3),
        (1234, 4),
        (10**37, 21),
    ]
    check(stored_size, sizes)


def test_levels_are_counted_not_brackets() -> None:
    deepest = "[" * 31 + "[]," * 40 + "[]" + "]" * 31
    with pytest.raises(Invalid):
        Data.parse(f'{{"a": {deepest}}}')
    assert Data.parse(f'{{"a": {deepest[1:-1]}}}')


def test_a_number_counts_for_21_bytes_at_most() -> None:
    assert stored_size(10**100) == 21
    assert stored_size(7) == 3
