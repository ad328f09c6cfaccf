"""Our schema validator keeps the contract."""

from __future__ import annotations

import pytest

from homeport.adapters.jsonschema.schema_validator import JsonSchemaValidator
from homeport.testing import SchemaValidatorContract


class TestJsonSchemaValidator(SchemaValidatorContract):
    @pytest.fixture
    def validator(self) -> JsonSchemaValidator:
        return JsonSchemaValidator()
