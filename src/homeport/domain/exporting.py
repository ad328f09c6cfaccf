"""Reads everything that an export holds, in an order in which it can go on later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from homeport.domain.interchange import Header
from homeport.domain.model import names
from homeport.domain.model.membership import Membership
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.record_store import RecordStore

_PAGE: Final = 500


def entries(
    store: RecordStore, header: Header, after: Key | None = None
) -> Iterator[Record | Membership]:
    """The records that `header` wants, without tombstones, in the store's own order, and before
    the first of a space that space's members; `after` a record, what follows it.

    Members are left out where the export is narrowed to some collections, and those of a space
    in which nothing was ever stored are not found. What changes meanwhile may be in it or not;
    a record that is there all the while is, once.
    """
    space = None if after is None else after.space
    while page := store.scan(0, 1, _PAGE, after):
        for record in page:
            after = record.key
            if after.space != space:
                space = after.space
                if not header.collections and header.wants(after) and not names.is_hidden(space):
                    yield from store.members(space)
            if record.data is not None and header.wants(after):
                yield record
