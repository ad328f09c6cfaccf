"""`homeport index status|rebuild|verify`, while the server is not running."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from homeport.domain.indexing import Drift
from homeport.domain.model.record import Key
from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.opening import definition_of, opened, rebuild_index
from homeport.entrypoints.cli.progress import progress

if TYPE_CHECKING:
    from homeport.container import Backend


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    if definition.adapters.record_store.use == "memory":
        fail(Exit.USAGE, "The records are kept in memory: there is nothing to index here.")
    if not definition.data_folder.exists():
        fail(Exit.FOLDER, f"There is no data folder {definition.data_folder}.")
    with opened(definition) as backend:
        return _ACTIONS[arguments.action](backend, as_json=arguments.json)


def _status(backend: Backend, *, as_json: bool) -> int:
    drift = _compare(backend)
    waiting = backend.feed.next_due("indexing") is not None
    dead = backend.feed.dead_letters("indexing")
    if as_json:
        _print(
            records=drift.records,
            indexed=drift.entries,
            needs_rebuild=_why(backend),
            changes_waiting=waiting,
            dead_letters=len(dead),
        )
        return Exit.OK
    for name, value in (
        ("records", f"{drift.records:,}"),
        ("indexed", f"{drift.entries:,}"),
        ("state", _why(backend) or "in use"),
        ("changes", "some wait for the server's next start" if waiting else "all are indexed"),
        ("dead letters", f"{len(dead):,}"),
    ):
        print(f"{name:12}  {value}")
    return Exit.OK


def _rebuild(backend: Backend, *, as_json: bool) -> int:
    records = rebuild_index(backend)
    if as_json:
        _print(records=records)
    else:
        print(f"The index holds {records:,} records.")
    return Exit.OK


def _verify(backend: Backend, *, as_json: bool) -> int:
    drift = _compare(backend)
    if as_json:
        _print(
            clean=drift.clean,
            records=drift.records,
            indexed=drift.entries,
            missing={"count": drift.missing_count, "listed": _keys(drift.missing)},
            stale={"count": drift.stale_count, "listed": _keys(drift.stale)},
            extra={"count": drift.extra_count, "listed": _keys(drift.extra)},
            needs_rebuild=_why(backend),
            changes_waiting=backend.feed.next_due("indexing") is not None,
        )
        return Exit.OK if drift.clean else Exit.FAILED
    if drift.clean:
        print(f"The index equals the {drift.records:,} records.")
        return Exit.OK
    for what, count, keys in (
        ("missing from the index", drift.missing_count, drift.missing),
        ("at another version", drift.stale_count, drift.stale),
        ("in the index alone", drift.extra_count, drift.extra),
    ):
        if count:
            print(f"{count:,} {what}:")
            for key in keys[:10]:
                print(f"  {'/'.join(key)}")
    reason = _why(backend)
    if reason is not None:
        print(f"The cause: {reason}.")
    elif backend.feed.next_due("indexing") is not None:
        print("Some changes still wait to be indexed: the server does that when it runs.")
    print("Mend it with: homeport index rebuild")
    return Exit.FAILED


def _compare(backend: Backend) -> Drift:
    with progress("Comparing") as advance:
        return backend.indexing.verify(advance)


def _print(**found: Any) -> None:
    print(json.dumps(found, indent=2))


def _keys(keys: Iterable[Key]) -> list[dict[str, str]]:
    return [key._asdict() for key in keys]


def _why(backend: Backend) -> str | None:
    """Why the index needs a rebuild, where it knows that itself."""
    reason: str | None = getattr(backend.index, "needs_rebuild", None)
    return reason


_ACTIONS = {"status": _status, "rebuild": _rebuild, "verify": _verify}
