"""What the definition file says about collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homeport.domain.model import names


class Access(StrEnum):
    """Who may read, or write, the records of a collection."""

    OWNER = "owner"
    """The owner of the private space (of a shared one: its members in the role of owner)."""
    MEMBERS = "members"
    """The owner of the private space; the members of a shared one by their role."""
    AUTHOR = "author"
    """Writing only: whoever could write, each their own records; in `public` every user."""
    SIGNED_IN = "signed_in"
    ANYONE = "anyone"
    """Any identity, guests included."""
    ADMIN = "admin"
    """Principals in the group `admin`."""


class FieldRole(StrEnum):
    """How a field is searched."""

    TEXT = "text"
    KEYWORD = "keyword"
    NUMBER = "number"
    DATE = "date"
    GEO = "geo"


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """`boost` weighs a text field in ranking."""

    role: FieldRole
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class Collection:
    """One declared collection. Where `read` or `write` is None, the space decides.

    `fields` maps a dotted path within the data to its declaration; `schema` is the JSON Schema
    (2020-12) that the data must fit. `shards` (1 to 64) is over how many partitions a store that
    has them spreads a space's records of the collection.
    """

    name: str
    read: Access | None = None
    write: Access | None = None
    fields: Mapping[str, FieldDeclaration] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    shards: int = 1


_SERVICE_COLLECTIONS = {
    names.INBOX: Collection(
        names.INBOX,
        Access.OWNER,
        Access.OWNER,
        {
            "title": FieldDeclaration(FieldRole.TEXT, 2.0),
            "text": FieldDeclaration(FieldRole.TEXT),
            "from": FieldDeclaration(FieldRole.KEYWORD),
            "read": FieldDeclaration(FieldRole.KEYWORD),
        },
    ),
    names.SENT: Collection(names.SENT, Access.OWNER, Access.OWNER),
}


class Catalog:
    """Every collection that is declared, and what becomes of the others."""

    def __init__(
        self, collections: Iterable[Collection] = (), *, refuse_undeclared: bool = False
    ) -> None:
        self._declared = {one.name: one for one in collections}
        self._known = _SERVICE_COLLECTIONS | self._declared
        self.refuse_undeclared = refuse_undeclared

    def find(self, name: str) -> Collection | None:
        """The collection as declared, or as the backend's own services declare it."""
        return self._known.get(name)

    def declared(self) -> tuple[Collection, ...]:
        """What the definition file declares, without the services' own."""
        return tuple(self._declared.values())

    def known(self) -> tuple[Collection, ...]:
        """The declared collections and the services' own."""
        return tuple(self._known.values())
