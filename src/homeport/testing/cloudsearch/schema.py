"""The index fields of a domain: their types, their options, and which one a name means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from homeport.testing.cloudsearch.analysis import SCHEMES, AnalysisScheme
from homeport.testing.cloudsearch.errors import DefinitionError

MAX_FIELDS: Final = 200
"""Definitions of one domain; a dynamic field counts once."""

BASES: Final = ("int", "double", "date", "literal", "text", "latlon")
TYPES: Final = (*BASES, *(f"{base}-array" for base in BASES if base != "latlon"))

ID: Final = "_id"
"""The name under which the ids of documents can be searched and sorted."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,63}")
_DYNAMIC: Final = re.compile(r"\*[a-z0-9_]{0,63}|[a-z][a-z0-9_]{0,62}\*")


def is_name(name: str) -> bool:
    """Whether a field of a document, an expression or a suggester can be called so."""
    return _NAME.fullmatch(name) is not None and name != "score"


@dataclass(frozen=True, slots=True)
class Field:
    """An index field. Options that its type has are on unless switched off.

    `facet`, `sort`, `highlight`: None means on where the type can do it. Asking a type for
    what it cannot do (facets of text, sorting by an array) raises `DefinitionError`.
    """

    type: str
    search: bool = True
    returned: bool = True
    facet: bool | None = None
    sort: bool | None = None
    highlight: bool | None = None
    analysis_scheme: str = "_en_default_"

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise DefinitionError(f"{self.type!r} is no type of field: {', '.join(TYPES)}")
        text = self.base == "text"
        if text and not self.search:
            raise DefinitionError("text fields are always searchable")
        self._decide("facet", possible=not text)
        self._decide("sort", possible=not self.array)
        self._decide("highlight", possible=text)

    def _decide(self, option: str, *, possible: bool) -> None:
        wish = getattr(self, option)
        if wish and not possible:
            raise DefinitionError(f"a field of type {self.type} has no option {option}")
        object.__setattr__(self, option, possible if wish is None else wish)

    @property
    def array(self) -> bool:
        return self.type.endswith("-array")

    @property
    def base(self) -> str:
        """The type of one value: `int` for `int-array`."""
        return self.type.removesuffix("-array")


ID_FIELD: Final = Field("literal")


@dataclass(frozen=True)
class Schema:
    """What is configured. Names with a `*` at either end are dynamic fields."""

    fields: Mapping[str, Field]
    schemes: Mapping[str, AnalysisScheme]

    @classmethod
    def of(
        cls,
        fields: Mapping[str, str | Field],
        schemes: Mapping[str, AnalysisScheme] | None = None,
    ) -> Schema:
        """Check a whole configuration; `DefinitionError` says what no domain would take."""
        made = cls({}, {**SCHEMES, **(schemes or {})})
        for name, field in fields.items():
            made = made.with_field(name, Field(field) if isinstance(field, str) else field)
        return made

    def with_field(self, name: str, field: Field) -> Schema:
        """The same with one field more, or with another definition of it."""
        if name == "score":
            raise DefinitionError("the name score is reserved")
        if not is_name(name) and not _DYNAMIC.fullmatch(name):
            raise DefinitionError(f"{name!r} is no name of a field")
        if field.analysis_scheme not in self.schemes:
            raise DefinitionError(f"there is no analysis scheme {field.analysis_scheme!r}")
        fields = {**self.fields, name: field}
        if len(fields) > MAX_FIELDS:
            raise DefinitionError(f"a domain has at most {MAX_FIELDS} fields")
        return replace(self, fields=fields)

    @cached_property
    def _patterns(self) -> tuple[tuple[str, Field], ...]:
        """Dynamic fields, the one that wins first: longest, then by the alphabet."""
        dynamic = (one for one in self.fields.items() if "*" in one[0])
        return tuple(sorted(dynamic, key=lambda one: (-len(one[0]), one[0])))

    def resolve(self, name: str) -> Field | None:
        """How a document's field of that name is indexed, or None if it is not known."""
        if name == ID:
            return ID_FIELD
        if not is_name(name):
            return None
        if name in self.fields:
            return self.fields[name]
        for pattern, field in self._patterns:
            start, _, end = pattern.partition("*")
            if name.startswith(start) and name.endswith(end):
                return field
        return None

    def searched_by_default(self) -> Iterator[str]:
        """Where plain words are looked for: in static text fields, and nowhere else."""
        for name, field in self.fields.items():
            if "*" not in name and field.base == "text":
                yield name

    def scheme_of(self, field: Field) -> AnalysisScheme:
        return self.schemes[field.analysis_scheme]
