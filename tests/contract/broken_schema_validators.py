"""Validators of schemas, each broken in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonschema_rs

from homeport.adapters.jsonschema.schema_validator import JsonSchema, JsonSchemaValidator
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.data import Data


class FindsNothing(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        return []


class TellsTheFirstAlone(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        return super().faults(data)[:1]


class TellsEverything(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        errors = self._validator.iter_errors(data.value)
        return [
            Fault("".join(f"/{part}" for part in one.instance_path), one.message) for one in errors
        ]


class ForgetsToEscape(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        found = super().faults(data)
        return [Fault(one.pointer.replace("~1", "/"), one.detail) for one in found]


class RoundsNumbers(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        return super().faults(Data.of({name: _rounded(one) for name, one in data.items()}))


class TellsValues(JsonSchema):
    def faults(self, data: Data) -> list[Fault]:
        return [Fault(one.pointer, f"{one.detail}: {data.text}") for one in super().faults(data)]


def _rounded(value: Any) -> Any:
    return float(value) if isinstance(value, int) and value > 2**53 else value


class TakesAnySchema(JsonSchemaValidator):
    def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
        try:
            return super().compile(schema)
        except Invalid:
            return super().compile({})


class NotesFormats(JsonSchemaValidator):
    def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
        super().compile(schema)
        plain = jsonschema_rs.Draft202012Validator(
            dict(schema), mask="the value", pattern_options=jsonschema_rs.RegexOptions()
        )
        return JsonSchema(plain)


class PointsNowhere(JsonSchemaValidator):
    def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
        try:
            return super().compile(schema)
        except Invalid as exc:
            raise Invalid(exc.detail, (Fault("", "wrong"),)) from exc


class TakesEveryDraft(JsonSchemaValidator):
    def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
        return super().compile({name: one for name, one in schema.items() if name != "$schema"})


SCHEMAS: Final[Sequence[type[JsonSchema]]] = (
    FindsNothing,
    TellsTheFirstAlone,
    TellsEverything,
    ForgetsToEscape,
    RoundsNumbers,
    TellsValues,
)
VALIDATORS: Final[Sequence[type[JsonSchemaValidator]]] = (
    TakesAnySchema,
    NotesFormats,
    PointsNowhere,
    TakesEveryDraft,
)
