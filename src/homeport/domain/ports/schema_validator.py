"""Says where data breaks a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from homeport.domain.errors import Fault
from homeport.domain.model.data import Data


class Schema(Protocol):
    """One schema, ready for use, from any thread."""

    def faults(self, data: Data) -> list[Fault]:
        """Each place where `data` breaks the schema: none where it fits, 20 at most,
        and of long data perhaps fewer.

        A fault has a JSON pointer into the data; where a name is missing or too many, the
        pointer is that of the object. Its detail tells names and rules, never a value of the
        data. Numbers are compared as they are written: `data` holds `Decimal` and large `int`.
        Its time grows with the data and the schema, whatever a pattern says.
        """
        ...


class SchemaValidator(Protocol):
    """Reads schemas in JSON Schema 2020-12."""

    def compile(self, schema: Mapping[str, Any]) -> Schema:
        """Raises Invalid, with pointers into the schema, for one that cannot be used: broken by
        the standard's own rules, of another draft, with a pattern or format that the validator
        does not know, or with a reference to what is not in it. Nothing is ever fetched.

        `format` is checked, not only noted.
        """
        ...
