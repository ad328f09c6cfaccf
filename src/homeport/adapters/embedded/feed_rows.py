"""What the change feed keeps in the data file: consumers' places in the log of changes, the events
that are held for them, and their dead letters. Each function is part of its caller's transaction.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module alone

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import apsw

from homeport.domain.events import RecordChanged
from homeport.domain.model.record import Key

PREPARING: Final = -1
"""The position of a consumer whose past is still being put together."""
_TRIMMED: Final = 500
"""Rows of the log that one transaction forgets at most."""
_REPLAYED: Final = 500
"""Records whose past one transaction puts together for a late consumer."""

_EVENT: Final = "version, space, collection, id, previous, author, deleted"
_POSITION: Final = "SELECT position FROM consumers WHERE name = ?"
_MOVE_ON: Final = "UPDATE consumers SET position = max(position, ?) WHERE name = ?"
_LAST: Final = "SELECT max(version) FROM change_log"
_WANTED: Final = "(?2 IS NULL OR collection IN (SELECT value FROM json_each(?2)))"
_NEW: Final = f"""
    SELECT {_EVENT} FROM change_log WHERE version > ?1 AND {_WANTED} ORDER BY version LIMIT ?3"""
_ANY_FREE: Final = f"""
    SELECT 1 FROM change_log AS new WHERE version > ?1 AND {_WANTED} AND NOT EXISTS (
        SELECT 1 FROM held_events WHERE consumer = ?3 AND space = new.space
        AND collection = new.collection AND id = new.id) LIMIT 1"""
_DUE: Final = f"""
    SELECT {_EVENT}, attempts FROM held_events
    WHERE consumer = ? AND due <= ? ORDER BY due, version LIMIT ?"""
_HOLD: Final = f"""
    INSERT OR REPLACE INTO held_events ({_EVENT}, consumer, attempts, due)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RELEASE: Final = "DELETE FROM held_events WHERE consumer = ? AND version = ?"
_OF_KEY: Final = "consumer = ?1 AND space = ?2 AND collection = ?3 AND id = ?4"
_IS_HELD: Final = f"SELECT 1 FROM held_events WHERE {_OF_KEY} LIMIT 1"
_ANY_HELD: Final = "SELECT 1 FROM held_events WHERE consumer = ? LIMIT 1"
_FIRST_OF_KEY: Final = f"(SELECT min(version) FROM held_events WHERE {_OF_KEY})"
_FIRST_GOES: Final = f"""
    UPDATE held_events SET due = ?5
    WHERE consumer = ?1 AND version = {_FIRST_OF_KEY} AND due IS NULL"""
# Named, as SQLite would go through all that the consumer holds.
_OTHERS_WAIT: Final = f"""
    UPDATE held_events INDEXED BY held_events_by_key SET due = NULL
    WHERE {_OF_KEY} AND version > {_FIRST_OF_KEY} AND due IS NOT NULL"""
_BURY: Final = """
    INSERT INTO dead_letters (source, body, cause, attempts, died, key)
    VALUES (?, ?, ?, ?, ?, ?)"""
# Compared as text too: "01" is not the id of letter 1.
_TAKE: Final = """
    DELETE FROM dead_letters WHERE id = ?1 AND CAST(id AS TEXT) = ?1 AND source = ?2
    RETURNING body"""
_TRIM: Final = """
    DELETE FROM change_log WHERE version IN (
        SELECT version FROM change_log
        WHERE version <= (SELECT min(position) FROM consumers)
        AND version < (SELECT max(version) FROM change_log)
        ORDER BY version LIMIT ?)"""
_RECORDS_AFTER: Final = """
    FROM records WHERE (space, collection, id) > (?, ?, ?)
    ORDER BY space, collection, id LIMIT ?"""
_OLDEST: Final = """
    SELECT min(version) FROM (
        SELECT min(version) AS version FROM change_log WHERE version > ?1
        UNION ALL SELECT min(version) FROM held_events WHERE consumer = ?2)"""
_REPLAY: Final = (
    f"INSERT OR IGNORE INTO change_log ({_EVENT}) "
    f"SELECT version, space, collection, id, NULL, author, data IS NULL {_RECORDS_AFTER}"
)

Held: TypeAlias = tuple[RecordChanged, int]
"""An event, and how often it was tried."""

# Places


def position_of(connection: apsw.Connection, consumer: str) -> int | None:
    """Of a consumer, None where it is not known."""
    position: int | None = connection.execute(_POSITION, (consumer,)).get
    return position


def add_consumer(connection: apsw.Connection, consumer: str) -> None:
    """The log may have been trimmed before it, even where there is no other one by now."""
    connection.execute(
        "INSERT OR IGNORE INTO consumers (name, position) VALUES (?, ?)", (consumer, PREPARING)
    )


def replay(connection: apsw.Connection, after: Key) -> Key | None:
    """Put the next records back into the log where it was trimmed, each at its present version.

    Consumers that passed there do not notice. Returns the last key, None after the last piece.
    """
    keys: list[Any] = connection.execute(
        f"SELECT space, collection, id {_RECORDS_AFTER}", (*after, _REPLAYED)
    ).fetchall()
    connection.execute(_REPLAY, (*after, _REPLAYED))
    return Key(*keys[-1]) if keys else None


def move_on(connection: apsw.Connection, consumer: str, position: int) -> None:
    """Never back."""
    connection.execute(_MOVE_ON, (position, consumer))


def trim(connection: apsw.Connection) -> None:
    """Forget of the log what every consumer has passed."""
    connection.execute(_TRIM, (_TRIMMED,))


def forget(connection: apsw.Connection, consumer: str) -> None:
    """Its place, and all that is held for it."""
    connection.execute("DELETE FROM consumers WHERE name = ?", (consumer,))
    connection.execute("DELETE FROM held_events WHERE consumer = ?", (consumer,))
    connection.execute("DELETE FROM dead_letters WHERE source = ?", (source_of(consumer),))


# Events. `wanted` is a JSON array of collections, or None for all.


def new_events(
    connection: apsw.Connection, after: int, wanted: str | None, limit: int
) -> list[RecordChanged]:
    return [_event(row) for row in connection.execute(_NEW, (after, wanted, limit)).fetchall()]


def any_free(connection: apsw.Connection, after: int, wanted: str | None, consumer: str) -> bool:
    """Whether there is a new event of a record of which nothing is held."""
    return connection.execute(_ANY_FREE, (after, wanted, consumer)).get is not None


def last_version(connection: apsw.Connection) -> int | None:
    last: int | None = connection.execute(_LAST).get
    return last


def oldest_version(connection: apsw.Connection, after: int, consumer: str) -> int | None:
    """Of what the consumer has still to do."""
    oldest: int | None = connection.execute(_OLDEST, (after, consumer)).get
    return oldest


def due_events(connection: apsw.Connection, consumer: str, now: int, limit: int) -> list[Held]:
    rows: list[Any] = connection.execute(_DUE, (consumer, now, limit)).fetchall()
    return [(_event(row[:-1]), row[-1]) for row in rows]


def first_due(connection: apsw.Connection, consumer: str) -> int | None:
    """In microseconds since 1970."""
    due: int | None = connection.execute(
        "SELECT min(due) FROM held_events WHERE consumer = ? AND due IS NOT NULL", (consumer,)
    ).get
    return due


def blocked(
    connection: apsw.Connection, consumer: str, events: Sequence[RecordChanged]
) -> set[Key]:
    """The keys among these of which an earlier event is held."""
    if connection.execute(_ANY_HELD, (consumer,)).get is None:
        return set()
    keys = {event.key for event in events}
    return {key for key in keys if connection.execute(_IS_HELD, (consumer, *key)).get is not None}


def hold(
    connection: apsw.Connection, consumer: str, event: RecordChanged, attempts: int, due: int | None
) -> None:
    """Until `due`, or, where that is None, behind an earlier event of the record."""
    connection.execute(_HOLD, (*_row(event), consumer, attempts, due))


def release(connection: apsw.Connection, consumer: str, event: RecordChanged) -> None:
    connection.execute(_RELEASE, (consumer, event.version))


def line_up(connection: apsw.Connection, consumer: str, key: Key, now: int) -> None:
    """Of a record's held events, the first is due and the others wait behind it."""
    connection.execute(_OTHERS_WAIT, (consumer, *key))
    connection.execute(_FIRST_GOES, (consumer, *key, now))


# Dead letters


def bury(
    connection: apsw.Connection,
    consumer: str,
    event: RecordChanged,
    cause: str,
    attempts: int,
    now: int,
) -> None:
    letter = (source_of(consumer), event.to_json(), cause, attempts, now, "/".join(event.key))
    connection.execute(_BURY, letter)


def take_dead_letters(connection: apsw.Connection, consumer: str, ids: Sequence[str]) -> list[str]:
    """Remove these dead letters, and return the bodies of those that there were."""
    taken = (connection.execute(_TAKE, (number, source_of(consumer))).get for number in ids)
    return [body for body in taken if body is not None]


def source_of(consumer: str) -> str:
    return f"feed:{consumer}"


def _row(event: RecordChanged) -> tuple[Any, ...]:
    return (event.version, *event.key, event.previous, event.author, event.deleted)


def _event(row: Sequence[Any]) -> RecordChanged:
    version, space, collection, record_id, previous, author, deleted = row
    key = Key(space, collection, record_id)
    return RecordChanged(key, version, previous, author, bool(deleted))
