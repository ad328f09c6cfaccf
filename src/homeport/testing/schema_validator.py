"""The contract of what validates schemas."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, final

import pytest

from homeport.domain import limits
from homeport.domain.errors import Invalid
from homeport.domain.model.data import Data
from homeport.domain.ports.schema_validator import SchemaValidator
from homeport.testing.contract import Contract


class SchemaValidatorContract(Contract):
    """What `homeport.domain.ports.schema_validator.SchemaValidator` promises.

    Override the fixture `validator`.
    """

    @pytest.fixture
    def validator(self) -> SchemaValidator:
        raise self.missing("validator")

    @final
    def test_what_fits_has_no_fault(self, validator: SchemaValidator) -> None:
        schema = {"required": ["title"], "properties": {"title": {"type": "string"}}}
        assert validator.compile(schema).faults(Data.of({"title": "Bread", "more": 1})) == []

    @final
    @pytest.mark.parametrize(
        ("schema", "data", "pointers"),
        [
            ({"properties": {"a": {"type": "string"}}}, {"a": 1}, ["/a"]),
            ({"required": ["a"]}, {}, [""]),
            ({"additionalProperties": False}, {"a": 1}, [""]),
            ({"properties": {"a": {"items": {"minimum": 3}}}}, {"a": [3, 2]}, ["/a/1"]),
            ({"properties": {"a/b~": {"type": "null"}}}, {"a/b~": 1}, ["/a~1b~0"]),
            ({"properties": {"a": {"format": "date"}}}, {"a": "2025-02-30"}, ["/a"]),
            ({"properties": {"a": {"pattern": "^b+$"}}}, {"a": "c"}, ["/a"]),
            (
                {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}},
                {"a": 1, "b": 2},
                ["/a", "/b"],
            ),
            (
                {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
                {"b": 1},
                [""],
            ),
            (
                {
                    "$defs": {"n": {"prefixItems": [{"type": "integer"}]}},
                    "additionalProperties": {"$ref": "#/$defs/n"},
                },
                {"a": ["x", "y"]},
                ["/a/0"],
            ),
        ],
        ids=str,
    )
    def test_faults_point_into_the_data(
        self,
        validator: SchemaValidator,
        schema: dict[str, Any],
        data: dict[str, Any],
        pointers: list[str],
    ) -> None:
        faults = validator.compile(schema).faults(Data.of(data))
        assert sorted(one.pointer for one in faults) == pointers
        assert all(one.detail for one in faults)

    @final
    @pytest.mark.parametrize(
        ("rule", "value"),
        [
            ({"maximum": 2**53 + 1}, 2**53 + 2),
            ({"maximum": 10**37}, 10**37 + 1),
            ({"const": 10**37}, 10**37 + 1),
            ({"type": "integer"}, Decimal("1.00000000000000000000000001")),
            ({"multipleOf": Decimal("0.01")}, Decimal("12345678901234567890.123")),
        ],
        ids=str,
    )
    def test_numbers_are_exact(
        self, validator: SchemaValidator, rule: dict[str, Any], value: Any
    ) -> None:
        schema = validator.compile({"properties": {"n": rule}})
        assert [one.pointer for one in schema.faults(Data.of({"n": value}))] == ["/n"]

    @final
    def test_exact_numbers_fit(self, validator: SchemaValidator) -> None:
        schema = validator.compile({"additionalProperties": {"multipleOf": Decimal("0.01")}})
        assert schema.faults(Data.of({"a": 0.07, "b": Decimal("12345678901234567890.12")})) == []

    @final
    def test_no_value_is_told(self, validator: SchemaValidator) -> None:
        schema = validator.compile(
            {"properties": {"a": {"const": "x"}, "b": {"maxLength": 2}, "c": {"type": "null"}}}
        )
        faults = schema.faults(Data.of(dict.fromkeys("abc", "sesame")))
        assert len(faults) == 3
        assert not any("sesame" in one.detail for one in faults)

    @final
    @pytest.mark.parametrize("count", [50, 20_000])
    def test_at_most_twenty_faults_are_told(self, validator: SchemaValidator, count: int) -> None:
        schema = validator.compile({"properties": {"a": {"items": {"type": "null"}}}})
        faults = schema.faults(Data.of({"a": [1] * count}))
        assert 1 <= len(faults) <= limits.SCHEMA_FAULTS == 20

    @final
    def test_patterns_take_linear_time(self, validator: SchemaValidator) -> None:
        schema = validator.compile({"properties": {"a": {"pattern": "^(a+)+$"}}})
        # An engine that tracks back would never come to an end.
        assert schema.faults(Data.of({"a": "a" * 1000 + "b"}))

    @final
    @pytest.mark.parametrize(
        ("schema", "pointer"),
        [
            ({"properties": {"a": {"type": "text"}}}, "/properties/a/type"),
            ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength"),
            ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
            ({"properties": {"a": {"format": "datum"}}}, "/properties/a/format"),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
            ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "/properties/a/$ref"),
            ({"properties": {"a": {"$ref": "http://127.0.0.1:9/a"}}}, "/properties/a/$ref"),
            ({"properties": {"a": {"$ref": "file:///etc/hostname"}}}, "/properties/a/$ref"),
        ],
        ids=str,
    )
    def test_a_schema_that_cannot_be_used_is_refused(
        self, validator: SchemaValidator, schema: dict[str, Any], pointer: str
    ) -> None:
        with pytest.raises(Invalid) as refused:
            validator.compile(schema)
        assert [one.pointer for one in refused.value.faults] == [pointer]
