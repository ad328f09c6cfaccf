"""`homeport serve` that does not wait for the disk, as PocketBase does not.

Only for comparison: Homeport has no such setting, since an answered write could be lost with
the machine's power.
"""

import apsw

from homeport.adapters.embedded import engine
from homeport.entrypoints.cli import main

_open_durable = engine.open_writer


def _open_relaxed(*arguments, **options) -> apsw.Connection:  # type: ignore[no-untyped-def]
    connection = _open_durable(*arguments, **options)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


engine.open_writer = _open_relaxed  # before anything has imported it by name

if __name__ == "__main__":
    main()
