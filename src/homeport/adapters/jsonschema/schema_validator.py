"""Schemas by the library jsonschema-rs.

It compares numbers exactly, has an engine for patterns that takes linear time, can keep values
out of its messages, and needs a few microseconds for a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NoReturn

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.data import Data

try:
    import jsonschema_rs
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "A collection's schema needs the package jsonschema-rs. "
        "Run: pip install 'homeport[schema]'",
        name="jsonschema_rs",
    ) from error

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_VALUE: Final = "the value"
_DETAIL_CHARACTERS: Final = 300
"""A detail may list a whole `enum`: this much of it is enough."""
_LISTED_CHARACTERS: Final = 10_000
"""Of longer data the first fault is told alone: the library makes every error before it gives
one out, which would take a second where each of 100,000 items is wrong."""
_FORMATS: Final = (
    "date-time, date, time, duration, email, idn-email, hostname, idn-hostname, ipv4, ipv6, uri, "
    "uri-reference, iri, iri-reference, uri-template, uuid, json-pointer, relative-json-pointer, "
    "regex"
)
"""Those of the standard, which the library knows."""
_UNKNOWN_FORMAT: Final = "Unknown format: "
"""How the library's message begins. It goes on with a setting that is not its reader's."""
_REFERENCES: Final = ("$ref", "$dynamicRef")


class JsonSchema:
    """One compiled schema."""

    def __init__(self, validator: jsonschema_rs.Draft202012Validator) -> None:
        self._validator = validator

    def faults(self, data: Data) -> list[Fault]:
        value = data.value
        try:
            if self._validator.is_valid(value):
                return []
            # Two branches of a schema may say the same of one place.
            found = dict.fromkeys(
                Fault(_pointer(one.instance_path), _detail(one)) for one in self._errors(data)
            )
            return list(found)
        except ValueError as exc:
            return [Fault("", f"cannot be held against the schema: {exc}"[:_DETAIL_CHARACTERS])]

    def _errors(self, data: Data) -> list[jsonschema_rs.ValidationError]:
        if len(data.text) <= _LISTED_CHARACTERS:
            errors = self._validator.iter_errors(data.value)
            return list(islice(errors, limits.SCHEMA_FAULTS))
        try:
            self._validator.validate(data.value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


class JsonSchemaValidator:
    """Compiles schemas without looking at files or the network."""

    def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
        draft = schema.get("$schema", _DRAFT)
        if not isinstance(draft, str) or draft.removesuffix("#") != _DRAFT:
            raise _unusable(Fault("/$schema", f'leave it out, or say "{_DRAFT}"'))
        plain = dict(schema)
        try:
            return JsonSchema(
                jsonschema_rs.Draft202012Validator(
                    plain,
                    validate_formats=True,
                    ignore_unknown_formats=False,
                    retriever=_refuse,
                    mask=_VALUE,
                    pattern_options=jsonschema_rs.RegexOptions(),
                )
            )
        except ValueError as exc:
            raise _unusable(_fault(plain, exc)) from exc


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def _references(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each reference in a schema: the pointer to it, and what it refers to."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _REFERENCES and isinstance(item, str):
                yield _pointer((*path, name)), item
            yield from _references(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _references(item, (*path, place))


def _fault(schema: dict[str, Any], error: ValueError) -> Fault:
    """Where a schema cannot be used, and why."""
    if not isinstance(error, jsonschema_rs.ValidationError):
        return Fault("", str(error)[:_DETAIL_CHARACTERS])
    if error.message.startswith(_UNKNOWN_FORMAT):
        detail = f"there is no such format. Allowed: {_FORMATS}."
        return Fault(_pointer(error.instance_path), detail)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Format) and kind.format == "regex":
        detail = "not a pattern that can be used: look-around and back-references cannot"
        return Fault(_pointer(error.instance_path), detail)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        return Fault(_pointer(error.instance_path), "not what this keyword takes")
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Referencing):
        # The error does not say where the reference stands.
        for path, reference in _references(schema):
            if reference in error.message or f"'{reference.partition('#')[2]}'" in error.message:
                return Fault(path, "this is not in the schema, and nothing is fetched")
    return Fault(_pointer(error.instance_path), _detail(error))


def _detail(error: jsonschema_rs.ValidationError) -> str:
    return error.message[:_DETAIL_CHARACTERS]


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _unusable(fault: Fault) -> Invalid:
    return Invalid("This is not a JSON Schema (2020-12) that can be used.", (fault,))
