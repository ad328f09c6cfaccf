"""The statements of the record store, and records as their rows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from homeport.domain import limits
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.ports.record_store import Order, RecordPage

_SCANNED: Final = 1_000
"""Rows that one page looks at: tombstones could otherwise make it arbitrarily slow."""
_KEY_BYTES: Final = 256
"""What a tombstone counts for in a page."""

GET: Final = """
    SELECT author, version, created, first, data FROM records
    WHERE space = ? AND collection = ? AND id = ?"""
INSERT: Final = """
    INSERT INTO records (author, version, created, first, data, space, collection, id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_UNLESS_THERE: Final = INSERT + " ON CONFLICT DO NOTHING"
UPDATE: Final = """
    UPDATE records SET author = ?, version = ?, created = ?, first = ?, data = ?
    WHERE space = ? AND collection = ? AND id = ?"""
LOG: Final = """
    INSERT INTO change_log (version, space, collection, id, previous, author, deleted)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_ROWS: Final = "SELECT space, collection, id, author, version, created, first, data FROM records "
_IN_COLLECTION: Final = (
    "SELECT id, author, version, created, first, data FROM records "
    "WHERE space = ? AND collection = ? "
)
PAGE: Final = {
    Order.ID: _IN_COLLECTION + "AND id > ? ORDER BY id",
    Order.ID_DESCENDING: _IN_COLLECTION + "AND id < ? ORDER BY id DESC",
    # No two records of this store have one version: it alone orders them, here and below.
    Order.UPDATED: _IN_COLLECTION + "AND (version, id) > (?, ?) ORDER BY version",
    Order.UPDATED_DESCENDING: _IN_COLLECTION + "AND (version, id) < (?, ?) ORDER BY version DESC",
}
CHANGES: Final = (
    _ROWS
    + "WHERE space = ? AND collection = ? AND (version, id) > (?, ?) AND version <= ? "
    + "ORDER BY version"
)
SPACE_CHANGES: Final = _ROWS + (  # noqa: S608 - put together from constants
    "WHERE space = ? AND (version, collection, id) > (?, ?, ?) AND version <= ? "
    "AND collection NOT IN (SELECT value FROM json_each(?)) ORDER BY version"
)
SCAN: Final = _ROWS + (
    "WHERE (space, collection, id) > (?, ?, ?) AND unicode(substr(id, -1)) % ? = ? "
    "ORDER BY space, collection, id LIMIT ?"
)

_Row: TypeAlias = tuple[str, str, str, str, int, int, str, str | None]
_PageRow: TypeAlias = tuple[str, str, int, int, str, str | None]


@lru_cache(limits.GET_KEYS)
def getting_many(count: int) -> str:
    """One statement for all keys: each one more costs a lookup, but no call."""
    keys = ",".join(["(?, ?, ?)"] * count)
    return f"{_ROWS} WHERE (space, collection, id) IN (VALUES {keys})"


def record_at(key: Key, row: tuple[Any, ...] | None) -> Record | None:
    """What `GET` has found."""
    if row is None:
        return None
    author, version, created, first, text = row
    return Record(key, author, version, created, None if text is None else Data(text), first)


def values_of(record: Record) -> tuple[int | str | None, ...]:
    """Of the row: for `INSERT` and `UPDATE`."""
    text = None if record.data is None else record.data.text
    return (record.author, record.version, record.created, record.first, text, *record.key)


def logged(record: Record, previous: int | None) -> tuple[int | str | None, ...]:
    """What the change log says of it: for `LOG`."""
    deleted = record.data is None
    return (record.version, *record.key, previous, record.author, deleted)


def _record_of(row: _Row) -> Record:
    space, collection, record_id, author, version, created, first, text = row
    data = None if text is None else Data(text)
    return Record(Key(space, collection, record_id), author, version, created, data, first)


def alive_page(space: str, collection: str, rows: Iterable[_PageRow], limit: int) -> RecordPage:
    """The first `limit` rows that are no tombstones, or fewer after a megabyte or many rows."""
    taken: list[Record] = []
    size = scanned = 0
    last: Position | None = None
    for record_id, author, version, created, first, text in rows:
        if scanned == _SCANNED:
            return RecordPage(tuple(taken), last)
        scanned += 1
        if text is None:
            last = Position(version, collection, record_id)
            continue
        if len(taken) == limit or size >= limits.STORE_PAGE_BYTES:
            return RecordPage(tuple(taken), taken[-1].position)
        key = Key(space, collection, record_id)
        taken.append(Record(key, author, version, created, Data(text), first))
        last = taken[-1].position if scanned == _SCANNED else None
        size += _bytes(text)
    return RecordPage(tuple(taken), None)


def cut(rows: Iterable[_Row], limit: int) -> tuple[list[Record], bool]:
    """The first `limit` rows, or fewer once they hold a megabyte, and whether more follow."""
    taken: list[Record] = []
    size = 0
    for row in rows:
        if len(taken) == limit or size >= limits.STORE_PAGE_BYTES:
            return taken, True
        taken.append(_record_of(row))
        size += _KEY_BYTES if row[7] is None else _bytes(row[7])
    return taken, False


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
