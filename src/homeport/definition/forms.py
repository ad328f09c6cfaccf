"""Forms: frozen dataclasses that pydantic's core fills in and checks.

The core alone: pydantic around it, which makes schemas of types of every kind, takes as long to
load as half of a server's start, for the ten kinds of types that a definition has. And it is
loaded by the first form that is checked: what a function reads was checked when its bundle was
made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    Self,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

Schema: TypeAlias = dict[str, Any]


class Misfit(ValueError):
    """A value that does not fit its form. `found` is what pydantic says of each fault: `loc`,
    `type`, `msg`, `ctx` and `input`."""

    def __init__(self, found: list[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(f"{_place(one)}: {one['msg']}" for one in found))
        self.found: Final = found


class Form:
    """What forms are made of, each a frozen dataclass. Keys that it has not are faults."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def prepared(cls, value: Any) -> Any:
        """What to read instead of a value that is to become this form."""
        return value

    def check(self) -> None:
        """Raise ValueError where the fields do not go together."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Its fields, in order."""
        return tuple(cls.__dataclass_fields__)

    @classmethod
    def of(cls, value: Any) -> Self:
        """The value, checked. Raises Misfit."""
        from pydantic_core import SchemaValidator, ValidationError

        made = _validators.get(cls)
        if made is None:
            whole: Any = _schema_of(cls)
            made = _validators[cls] = SchemaValidator(whole)
        try:
            found: Self = made.validate_python(value)
        except ValidationError as error:
            raise Misfit([*error.errors(include_url=False)]) from None
        return found

    @classmethod
    def core_schema(cls) -> Schema:
        """What pydantic's core reads this form by."""

        def checked(made: Self) -> Self:
            made.check()
            return made

        types = get_type_hints(cls, include_extras=True)
        whole = {
            "type": "dataclass",
            "cls": cls,
            "fields": list(cls.names()),
            "config": {"extra_fields_behavior": "forbid", "title": cls.__name__},
            "schema": {
                "type": "dataclass-args",
                "dataclass_name": cls.__name__,
                "fields": [
                    {
                        "type": "dataclass-field",
                        "name": one.name,
                        "schema": _with_default(one, _schema_of(types[one.name])),
                    }
                    for one in fields(cls)
                ],
            },
        }
        return _before(cls.prepared, _after(checked, whole))


@dataclass(frozen=True)
class Prepared:
    """What a function makes of the value is read instead of it."""

    function: Callable[[Any], Any]

    def around(self, schema: Schema) -> Schema:
        return _before(self.function, schema)


@dataclass(frozen=True)
class Checked:
    """What was read goes through a function, which raises ValueError for what is wrong."""

    function: Callable[[Any], Any]

    def around(self, schema: Schema) -> Schema:
        return _after(self.function, schema)


class Held:
    """Bounds, by the core's names: `ge`, `le`, `min_length`, `strict` ..."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds: Final = bounds

    def around(self, schema: Schema) -> Schema:
        """The bounds on what the functions around a value are given, or give."""
        if "schema" in schema:
            return {**schema, "schema": self.around(schema["schema"])}
        return {**schema, **self.bounds}


def _schema_of(annotation: Any) -> Schema:
    """What pydantic's core reads a value of this type by."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        schema = _schema_of(arguments[0])
        for mark in arguments[1:]:
            schema = mark.around(schema)
        return schema
    if origin is Literal:
        return {"type": "literal", "expected": list(arguments)}
    if origin is UnionType or origin is Union:
        several = [_schema_of(one) for one in arguments if one is not NoneType]
        one = several[0] if len(several) == 1 else {"type": "union", "choices": several}
        return {"type": "nullable", "schema": one} if NoneType in arguments else one
    if origin is dict:
        keys, values = (_schema_of(one) for one in arguments)
        return {"type": "dict", "keys_schema": keys, "values_schema": values}
    if origin is tuple:
        items = [_schema_of(arguments[0])]
        return {"type": "tuple", "items_schema": items, "variadic_item_index": 0}
    if annotation is Path:
        return _PATH
    if annotation is Any:
        return {"type": "any"}
    if issubclass(annotation, Form):
        made: Schema = annotation.core_schema()
        return made
    if issubclass(annotation, Enum):
        members = list(annotation)
        return {"type": "enum", "cls": annotation, "members": members, "sub_type": "str"}
    return {"type": annotation.__name__}  # str, int, bool and float are called as there


def _with_default(one: Field[Any], schema: Schema) -> Schema:
    if one.default is not MISSING:
        return {"type": "default", "schema": schema, "default": one.default}
    if one.default_factory is not MISSING:
        return {"type": "default", "schema": schema, "default_factory": one.default_factory}
    return schema


def _before(function: Callable[[Any], Any], schema: Schema) -> Schema:
    called = {"type": "no-info", "function": function}
    return {"type": "function-before", "function": called, "schema": schema}


def _after(function: Callable[[Any], Any], schema: Schema) -> Schema:
    called = {"type": "no-info", "function": function}
    return {"type": "function-after", "function": called, "schema": schema}


_PATH: Final[Schema] = {
    "type": "union",
    "choices": [
        {"type": "is-instance", "cls": Path},
        _after(Path, {"type": "str", "strict": True}),
    ],
    "custom_error_type": "path_type",
    "custom_error_message": "Input is not a path",
}
_validators: Final[dict[type[Form], Any]] = {}
"""By form, as they are needed."""


def _place(found: Mapping[str, Any]) -> str:
    return ".".join(map(str, found["loc"])) or "it"
