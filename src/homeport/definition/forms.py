"""Forms: frozen dataclasses that pydantic fills in and checks, and is loaded by the first of.

pydantic takes as long to import as half of a function's start, and a function has nothing to
check: what it reads was checked when its bundle was made. So forms say what they want of
pydantic in their own words, which need none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema


class Misfit(ValueError):
    """A value that does not fit its form. `found` is what pydantic says of each fault: `loc`,
    `type`, `msg`, `ctx` and `input`."""

    def __init__(self, found: list[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(f"{_place(one)}: {one['msg']}" for one in found))
        self.found: Final = found


class Form:
    """What forms are made of, each a frozen dataclass. Keys that it has not are faults."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
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
        from pydantic import TypeAdapter, ValidationError

        adapter: TypeAdapter[Self] = _adapters.get(cls) or TypeAdapter(cls)
        _adapters[cls] = adapter
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise Misfit([*error.errors(include_url=False)]) from None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Self], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        def checked(made: Self) -> Self:
            made.check()
            return made

        # By its name pydantic finds a form again: that is to have what is around it as well.
        bare: Any = dict(handler(source))
        name = bare.pop("ref", None)
        read = core_schema.no_info_after_validator_function(checked, bare)
        return core_schema.no_info_before_validator_function(cls.prepared, read, ref=name)


@dataclass(frozen=True)
class Prepared:
    """What a function makes of the value is read instead of it."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.function, handler(source))


@dataclass(frozen=True)
class Checked:
    """What was read goes through a function, which raises ValueError for what is wrong."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.function, handler(source))


class Held:
    """Bounds, by pydantic's names: `ge`, `le`, `min_length`, `strict` ..."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds: Final = bounds

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        bound: CoreSchema = self._bound(handler(source))
        return bound

    def _bound(self, schema: Any) -> Any:
        """The bounds on what the functions around a value are given, or give."""
        if "schema" in schema:
            return {**schema, "schema": self._bound(schema["schema"])}
        return {**schema, **self.bounds}


_adapters: Final[dict[type[Any], TypeAdapter[Any]]] = {}
"""By form, as they are needed."""


def _place(found: Mapping[str, Any]) -> str:
    return ".".join(map(str, found["loc"])) or "it"
