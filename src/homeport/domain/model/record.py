"""Records: where one stands, what it is, and a place in the order of changes."""

from __future__ import annotations

from typing import NamedTuple

from homeport.domain.model.data import Data


class Key(NamedTuple):
    """Where a record stands."""

    space: str
    collection: str
    id: str


class Position(NamedTuple):
    """A unique place in the order of a space's changes."""

    version: int
    collection: str = ""
    id: str = ""


class Record(NamedTuple):
    """One version of a record; a tombstone where `data` is None.

    A named tuple, as Key is: a page makes a hundred of them, and a frozen dataclass takes three
    times as long to make.

    `created` is the version at which it was first written, or written again after a deletion.
    `first` is the digest of the data that it was created with, where the creator may send the
    same creation again (an idempotency key); otherwise "".
    """

    key: Key
    author: str
    version: int
    created: int
    data: Data | None
    first: str = ""

    @property
    def deleted(self) -> bool:
        return self.data is None

    @property
    def position(self) -> Position:
        return Position(self.version, self.key.collection, self.key.id)
