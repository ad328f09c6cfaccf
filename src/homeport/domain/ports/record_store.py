"""Where records and memberships live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Guard, Write


class Order(StrEnum):
    """The orders that every engine reads in one page."""

    ID = "id"
    ID_DESCENDING = "-id"
    UPDATED = "updated"
    UPDATED_DESCENDING = "-updated"


@dataclass(frozen=True, slots=True)
class RecordPage:
    """`next` is None on the last page; before that a page may hold fewer than asked for."""

    records: tuple[Record, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes in ascending position, and the horizon at which they were read.

    Nothing that was not yet there can still appear at or below version `horizon`. `more` says
    that rows beyond the page exist within what was asked for.
    """

    records: tuple[Record, ...]
    horizon: int
    more: bool


class RecordStore(Protocol):
    """Keeps records with versions that it assigns itself.

    A version grows with every write of its record, also across its deletion, and orders the
    changes of a space; the versions of one batch are consecutive. Reads see every write that
    was acknowledged before them. Whatever takes a guard raises GuardFailed if it does not
    hold, in the same transaction as the read or write. Engine trouble raises Unavailable.
    """

    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        """The record, or its tombstone, or None."""
        ...

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        """The same for up to 100 keys, in their order, not of one moment."""
        ...

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        """Do 1 to 90 writes of different records, all or none, as `writes.resolve` says.

        Returns the new records in order, durable. Raises WriteRefused for the first write
        whose condition does not hold, TooLarge, Overloaded, or OutcomeUnknown.
        """
        ...

    def page(
        self,
        space: str,
        collection: str,
        order: Order,
        limit: int,
        after: Position | None = None,
        guard: Guard | None = None,
    ) -> RecordPage:
        """Up to `limit` (1 to 100) records without tombstones, beyond the place `after`.

        A page also ends once it holds a megabyte. Orders by `updated` go by (version, id).
        """
        ...

    def changes(
        self,
        space: str,
        collection: str | None,
        after: Position,
        limit: int,
        through: int | None = None,
        guard: Guard | None = None,
        besides: frozenset[str] = frozenset(),
    ) -> ChangePage:
        """Up to `limit` changes after a position, tombstones included, each record once, at
        its present version; of one collection, or of the whole space, merged, `besides` some
        collections. With `through` only those up to that version. A page also ends once it
        holds a megabyte.
        """
        ...

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        """A page of everything, tombstones and hidden spaces included, for rebuilding.

        The store is cut into `segments` parts that can be read side by side; a page goes on
        `after` the last key of the one before, and an empty page ends the segment. A record
        that is there during the whole scan is seen.
        """
        ...

    def put_membership(self, membership: Membership, guard: Guard | None = None) -> None:
        """Make somebody a member, or change their role. Raises Conflict where it would be
        their 201st space. A store cannot tell somebody's private space from a shared one: that
        nobody becomes a member of one is for the caller to see to."""
        ...

    def remove_membership(self, space: str, identity: str, guard: Guard | None = None) -> None:
        """End a membership; nothing happens where there is none."""
        ...

    def membership(self, space: str, identity: str) -> Membership | None:
        """What `identity` is in `space`."""
        ...

    def members(self, space: str) -> list[Membership]:
        """Everybody in `space`, by identity."""
        ...

    def memberships(self, identity: str) -> list[Membership]:
        """Every shared space of `identity`, by space."""
        ...
