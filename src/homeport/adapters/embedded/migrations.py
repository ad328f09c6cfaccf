"""The schema of the data file, as the steps that lead to it.

`PRAGMA user_version` says how many steps a file has seen. A released step is never edited:
whatever changes later is a new step at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import FolderInUse, FolderUnusable, NewerSchema

_RECORDS = """
CREATE TABLE records (
    space TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    author TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    first TEXT NOT NULL,            -- see Record
    data TEXT,                      -- NULL in a tombstone
    PRIMARY KEY (space, collection, id)
);
CREATE INDEX records_by_version ON records (space, collection, version, id);
-- With the collection, so that whole-space changes pass over some without reading their rows.
CREATE INDEX records_by_space ON records (space, version, collection);
CREATE INDEX tombstones ON records (version) WHERE data IS NULL;

CREATE TABLE memberships (
    space TEXT NOT NULL,
    identity TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (space, identity)
) WITHOUT ROWID;
CREATE INDEX memberships_by_identity ON memberships (identity, space);
"""

_CHANGE_FEED = """
-- One row for each write. The newest is never trimmed: it holds the store's last version.
CREATE TABLE change_log (
    version INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    previous INTEGER,
    author TEXT NOT NULL,
    deleted INTEGER NOT NULL
);
-- `position` is the last version handed over; -1 while a new consumer's past is put together.
CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;
-- Events at or below a consumer's position that it has still to see: what failed, with the
-- time of its next attempt, and what waits behind that (`due` is NULL).
CREATE TABLE held_events (
    consumer TEXT NOT NULL,
    version INTEGER NOT NULL,
    space TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    previous INTEGER,
    author TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER,
    PRIMARY KEY (consumer, version)
) WITHOUT ROWID;
CREATE INDEX held_events_by_key ON held_events (consumer, space, collection, id, version);
CREATE INDEX held_events_by_due ON held_events (consumer, due) WHERE due IS NOT NULL;

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,           -- "feed:<consumer>" or "queue:<name>"
    body TEXT NOT NULL,
    cause TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    died INTEGER NOT NULL,
    key TEXT
);
CREATE INDEX dead_letters_by_source ON dead_letters (source, id);
"""

_SERVICES = """
CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
CREATE INDEX queue_by_due ON queue (due, id);

CREATE TABLE endpoints (
    endpoint TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    environment TEXT NOT NULL,
    token TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    UNIQUE (platform, environment, token)
) WITHOUT ROWID;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint TEXT NOT NULL,
    payload TEXT NOT NULL,
    collapse_id TEXT NOT NULL,
    time_to_live INTEGER NOT NULL,
    sent INTEGER NOT NULL
);

CREATE TABLE identities (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    login TEXT UNIQUE,
    password_hash TEXT,
    groups TEXT NOT NULL,           -- a JSON array
    disabled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,
    identity TEXT NOT NULL,
    family TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER,
    replaced INTEGER,
    successor BLOB                  -- the hash of the last token that this one brought
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_identity ON refresh_tokens (identity);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
"""

# Without the ids, which order nothing where no two records have one version: each write changes
# a leaf of it, and they are fewer, and divided less often.
_NARROWER_INDEX = """
DROP INDEX records_by_version;
CREATE INDEX records_by_version ON records (space, collection, version);
"""

MIGRATIONS: Final[tuple[str, ...]] = (_RECORDS + _CHANGE_FEED + _SERVICES, _NARROWER_INDEX)


def migrate(connection: apsw.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file to the newest schema, in one transaction: all of the steps or none.

    Raises NewerSchema, with the file untouched, for one that a newer program has written, and
    FolderUnusable for one that a step does not fit.
    """
    seen = _seen(connection, migrations)
    if seen == len(migrations):
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        for step in migrations[seen:]:
            connection.execute(step)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException as exc:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not isinstance(exc, apsw.Error) or isinstance(exc, engine.TROUBLE):
            raise
        raise FolderUnusable(
            f"The data cannot be brought from schema {seen} to {len(migrations)} ({exc}). Nothing "
            "in it was changed: go on with the version of homeport that wrote it, and report this."
        ) from exc


def check_current(connection: apsw.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """For a file that another process has open: raise NewerSchema, or FolderInUse where it
    would have to be migrated under that process."""
    seen = _seen(connection, migrations)
    if seen < len(migrations):
        raise FolderInUse(
            f"The data is of schema {seen}, and in use by an older version of homeport. Start "
            "that server again with this version first."
        )


def _seen(connection: apsw.Connection, migrations: Sequence[str]) -> int:
    """How many steps the file has seen."""
    seen = int(connection.execute("PRAGMA user_version").get)
    if seen > len(migrations):
        raise NewerSchema(
            f"The data is of schema {seen}; this program knows schemas up to "
            f"{len(migrations)}. Install the newer version of homeport that wrote it."
        )
    return seen
