"""Forms: the names that a query string or a JSON body has, and the values that each takes.

In plain Python: a function's first answer need not wait for a library that builds validators.
Each kind of value reads itself, tells what is wrong with it in words for whoever sent it, and
says what it is as JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from homeport.domain.errors import Fault, Invalid

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names and positions, from the outside in."""
Schema: TypeAlias = dict[str, Any]

FAULTS: Final = 20
"""What an answer tells of at most: telling of each could take longer than all that was asked."""
MISSING: Final = "missing"
UNKNOWN: Final = "unknown"


class Faults:
    """What is wrong with a value and what is in it. Raises Enough at the last that is told."""

    def __init__(self) -> None:
        self.found: Final[list[tuple[Place, str]]] = []

    def add(self, place: Place, told: str) -> None:
        self.found.append((place, told))
        if len(self.found) == FAULTS:
            raise Enough


class Enough(Exception):
    """As many faults as an answer tells of."""


class Kind:
    """A kind of value. One without a default is required."""

    REQUIRED: Final = object()

    def __init__(self, default: Any = REQUIRED) -> None:
        self._default: Final = default

    @property
    def required(self) -> bool:
        return self._default is Kind.REQUIRED

    def default(self) -> Any:
        """The value where none was sent."""
        return self._default

    def of_text(self, text: str) -> object:
        """What a query string's text stands for, to be read; the text itself if for nothing."""
        return text

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        """The value, checked. What is wrong with it goes to the faults."""
        raise NotImplementedError

    def schema(self) -> Schema:
        """As JSON Schema, with the default."""
        made = self.bare_schema()
        return made if self.required else {**made, "default": self.default()}

    def bare_schema(self) -> Schema:
        raise NotImplementedError


class Text(Kind):
    """A string. One with a `pattern` is told in the words of its `alphabet`."""

    def __init__(
        self, pattern: str | None = None, alphabet: str = "", default: Any = Kind.REQUIRED
    ) -> None:
        super().__init__(default)
        self._pattern: Final = pattern
        self._alphabet: Final = alphabet
        # A dollar in Python matches before a last line break as well.
        self._fits: Final = pattern and re.compile(pattern.rstrip("$") + r"\Z").match

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if not isinstance(value, str):
            faults.add(place, "not a string")
        elif self._fits and not self._fits(value):
            faults.add(place, self._alphabet)
        return value

    def bare_schema(self) -> Schema:
        made: Schema = {"type": "string"}
        return made if self._pattern is None else {**made, "pattern": self._pattern}


class OneOf(Kind):
    """One of a few strings."""

    def __init__(self, *choices: str, default: Any = Kind.REQUIRED) -> None:
        super().__init__(default)
        self._choices: Final = choices
        self._told: Final = f"{'one of' if choices[1:] else 'only'} {', '.join(choices)}"

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if value not in self._choices:
            faults.add(place, self._told)
        return value

    def bare_schema(self) -> Schema:
        said: Schema = {"enum": list(self._choices)} if self._choices[1:] else {}
        return {"type": "string", **(said or {"const": self._choices[0]})}


class Whole(Kind):
    """A whole number from `low` to `high`. JSON Schema counts 20.0 as one, and so do clients
    that know one kind of number."""

    def __init__(self, low: int, high: int, default: Any = Kind.REQUIRED) -> None:
        super().__init__(default)
        self._low: Final = low
        self._high: Final = high

    def of_text(self, text: str) -> object:
        return int(text.partition(".")[0]) if _whole(text) else text

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            faults.add(place, "not a whole number")
        elif not self._low <= value <= self._high:
            faults.add(place, f"{self._low} to {self._high}")
        return value

    def bare_schema(self) -> Schema:
        return {"type": "integer", "minimum": self._low, "maximum": self._high}


class Maybe(Kind):
    """A value that may be null, and is where it is missing."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(None)
        self._kind: Final = kind

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        return None if value is None else self._kind.read(value, place, faults)

    def bare_schema(self) -> Schema:
        return {"anyOf": [self._kind.bare_schema(), {"type": "null"}]}


class Several(Kind):
    """A list. One that may be empty may be missing as well."""

    def __init__(self, kind: Kind, most: int, least: int = 0) -> None:
        super().__init__(Kind.REQUIRED if least else ())
        self._kind: Final = kind
        self._least: Final = least
        self._most: Final = most

    def default(self) -> list[Any]:
        return []

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if not isinstance(value, list):
            faults.add(place, "not an array")
        elif len(value) > self._most:
            faults.add(place, f"at most {_items(self._most)}")
        elif len(value) < self._least:
            faults.add(place, f"at least {_items(self._least)}")
        else:
            return [self._kind.read(one, (*place, at), faults) for at, one in enumerate(value)]
        return value

    def bare_schema(self) -> Schema:
        bounds = {"minItems": self._least} if self._least else {}
        return {
            "type": "array",
            "items": self._kind.bare_schema(),
            **bounds,
            "maxItems": self._most,
        }


class Table(Kind):
    """A JSON object with anything in it; `optional` ones are empty where they are missing."""

    def __init__(self, *, optional: bool = False) -> None:
        super().__init__({} if optional else Kind.REQUIRED)

    def default(self) -> dict[str, Any]:
        return {}

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if not isinstance(value, dict):
            faults.add(place, "not an object")
        return value

    def bare_schema(self) -> Schema:
        return {"type": "object", "additionalProperties": True}


class Form(Kind):
    """An object of these fields and no others. What is read is a dictionary with all of them."""

    def __init__(self, name: str, **fields: Kind) -> None:
        super().__init__()
        self.name: Final = name
        self.fields: Final[Mapping[str, Kind]] = fields

    def __repr__(self) -> str:
        return self.name

    def of(self, value: object, *, pointers: bool) -> dict[str, Any]:
        """The value, checked. Raises Invalid: its faults tell JSON `pointers`, of a body, or the
        names of parameters."""
        faults = Faults()
        try:
            made: dict[str, Any] = self.read(value, (), faults)
        except Enough:
            made = {}
        if not faults.found:
            return made
        where = "body" if pointers else "query string"
        raise Invalid(
            f"The {where} is not as it should be.",
            tuple(Fault(_told(place, pointers=pointers), told) for place, told in faults.found),
        )

    def read(self, value: object, place: Place, faults: Faults) -> Any:
        if not isinstance(value, Mapping):
            faults.add(place, "not an object")
            return value
        fields = self.fields
        for name in value:
            if name not in fields:
                faults.add((*place, name), UNKNOWN)
        made = {}
        for name, kind in fields.items():
            if name in value:
                made[name] = kind.read(value[name], (*place, name), faults)
            elif kind.required:
                faults.add((*place, name), MISSING)
            else:
                made[name] = kind.default()
        return made

    def bare_schema(self) -> Schema:
        required = [name for name, kind in self.fields.items() if kind.required]
        return {
            "type": "object",
            "properties": {name: kind.schema() for name, kind in self.fields.items()},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _told(place: Place, *, pointers: bool) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in place]
    return "".join(f"/{part}" for part in parts) if pointers else ".".join(parts)


_whole = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?").fullmatch
"""Of a query string's text; a longer one is beyond every bound, and slow to read."""
