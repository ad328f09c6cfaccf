"""Our schema validator keeps the contract."""

from __future__ import annotations

import pytest

from homeport.adapters.jsonschema.schema_validator import JsonSchemaValidator
from homeport.domain.errors import Invalid
from homeport.testing import SchemaValidatorContract


class TestJsonSchemaValidator(SchemaValidatorContract):
    @pytest.fixture
    def validator(self) -> JsonSchemaValidator:
        return JsonSchemaValidator()

    def test_an_unknown_format_is_told_with_those_that_there_are(
        self, validator: JsonSchemaValidator
    ) -> None:
        with pytest.raises(Invalid) as refused:
            validator.compile({"properties": {"a": {"format": "emial"}}})
        (fault,) = refused.value.faults
        told, _, allowed = fault.detail.partition(" Allowed: ")
        assert told == "there is no such format."
        formats = allowed.removesuffix(".").split(", ")
        assert "idn-email" in formats
        for one in formats:
            validator.compile({"format": one})
