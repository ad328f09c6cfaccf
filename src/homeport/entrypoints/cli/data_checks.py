"""What `homeport doctor` finds of the data folder and of the server. Nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homeport.definition import Definition
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning

if TYPE_CHECKING:
    from homeport.adapters.embedded.examination import DatabaseState

MEGABYTE: Final = 1_000_000
LITTLE_ROOM: Final = 200 * MEGABYTE
"""Free bytes below which writes may soon be refused: the write-ahead log alone takes 128 MB."""
LONG_LOG: Final = 300 * MEGABYTE
"""A write-ahead log beyond this is kept from starting again by somebody who reads."""
FAR_BEHIND: Final = 10_000
"""Changes that a running server should not be behind by."""
_PATIENCE: Final = 3.0
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""To this machine itself, whatever proxy is set."""
_RESTORE: Final = "Restore a backup: homeport restore FOLDER --force"
_RIGHTS: Final = "Give this user the right to write there, or choose another folder with --data."


def folder(place: Path) -> Iterator[Finding]:
    """Whether the data folder can be used, and who may look into it."""
    from homeport.adapters.embedded.folder import (
        FolderUnusable,
        left_aside,
        lost_by_restore,
        status_of,
    )

    try:
        there = status_of(place) is not None
        lost = lost_by_restore(place)
    except FolderUnusable as error:
        yield fault("folder", error.finding, error.cure)
        return
    if lost is not None:
        detail = (
            f"A restore was killed before it gave {place} its data: those before are in {lost}."
        )
        yield fault("folder", detail, "Give that its name back, or: homeport restore FOLDER")
        return
    for left in left_aside(place):
        detail = f"{left} is what a restore that was killed has left."
        yield warning("left aside", detail, "Delete it, if nothing in it is missing here.")
    if not there:
        nearest = _nearest(place.absolute().parent)
        if os.access(nearest, os.W_OK | os.X_OK):
            yield ok("folder", f"{place} is not there yet: the first start makes it")
        else:
            yield fault("folder", f"{place} cannot be made in {nearest}.", _RIGHTS)
        return
    if not place.is_dir():
        yield fault("folder", f"{place} is not a folder.", "Choose another one with --data.")
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield fault("folder", f"{place} cannot be written by this user.", _RIGHTS)
        return
    others = sorted(one.name for one in place.glob("homeport.db*") if not _is_own(one))
    if others:
        cure = f"Run homeport as their owner, or: chown -R {os.geteuid()} {place}"
        yield warning("owner", f"{', '.join(others)} in {place} belong to another user.", cure)
    wide = [one for one in place.glob("homeport.db*") if stat.S_IMODE(one.stat().st_mode) & 0o077]
    if wide:
        names = ", ".join(sorted(one.name for one in wide))
        cure = f"Take the rights of others away: chmod 600 {place}/homeport.db*"
        yield warning("folder", f"Others may read {names} in {place}.", cure)
    else:
        yield ok("folder", str(place))


def _is_own(path: Path) -> bool:
    return path.stat().st_uid == os.geteuid()


def disk(place: Path) -> Iterator[Finding]:
    """Whether there is room for what comes, and for a copy of what is there."""
    free = shutil.disk_usage(_nearest(place.absolute())).free
    held = 0
    if os.access(place, os.R_OK | os.X_OK):
        held = sum(one.stat().st_size for one in place.glob("homeport.db*"))
    detail = f"{free // MEGABYTE:,} MB free, {held // MEGABYTE:,} MB held"
    if free < LITTLE_ROOM:
        yield fault("disk", f"{detail}: writes may soon be refused.", "Make room on this disk.")
    elif free < held:
        yield warning("disk", f"{detail}: no room for a backup here.", "Make room on this disk.")
    else:
        yield ok("disk", detail)


def _nearest(place: Path) -> Path:
    """The place itself, or the folder next above it that is there for this user."""
    return next(one for one in (place, *place.parents) if os.access(one, os.F_OK))


def database(place: Path, found: Definition | None, *, served: bool) -> Iterator[Finding]:
    """Whether the database is whole, and what waits in it. Without a definition nobody knows
    which subscribers are gone, and it is taken to hold the records."""
    from homeport.adapters.embedded.examination import KNOWN_SCHEMA, examine_database
    from homeport.adapters.embedded.folder import FolderUnusable
    from homeport.adapters.embedded.presence import find_database

    holds_records = found is None or found.adapters.record_store.use == "embedded"
    try:
        path = find_database(place, holds_records=holds_records)
        if path is None:
            return
        state = examine_database(path, served=served)
    except FolderUnusable as error:
        yield fault("database", error.finding, error.cure)
        return
    except HomeportError as error:
        yield fault("database", error.detail, _RESTORE)
        return
    if state.damage:
        yield fault("database", f"Damaged: {'; '.join(state.damage)}", _RESTORE)
    elif state.schema > KNOWN_SCHEMA:
        detail = f"Of schema {state.schema}; this program knows schemas up to {KNOWN_SCHEMA}."
        yield fault("database", detail, "Install the newer version of homeport that wrote it.")
    elif state.schema < KNOWN_SCHEMA:
        yield ok("database", f"of schema {state.schema}: the next start migrates it")
    else:
        yield from _contents(state, served=served)
        if found is not None:
            yield from _abandoned(state, found)


def _contents(state: DatabaseState, *, served: bool) -> Iterator[Finding]:
    counts = ", ".join(f"{name} {number:,}" for name, number in state.counts)
    yield ok("database", f"whole; {counts}; {state.bytes // MEGABYTE:,} MB")
    if state.log_bytes > LONG_LOG:
        detail = f"The write-ahead log has {state.log_bytes // MEGABYTE:,} MB."
        cure = "Let a backup or an export that runs come to its end."
        yield warning("write-ahead log", detail, cure)
    if not state.has_key:
        cure = f"Everybody has to sign in again; to get it back: {_RESTORE}"
        yield fault("token key", "The key that signs access tokens is gone.", cure)
    if state.behind > FAR_BEHIND and served:
        detail = f"{state.behind:,} changes are not in the index yet."
        cure = "Look for errors of `indexing` in the server's log; it catches up by itself."
        yield warning("index", detail, cure)
    elif state.behind:
        when = "the server is at it" if served else "the next start goes on with them"
        yield ok("changes", f"{state.behind:,} wait to be indexed: {when}")
    for source, number in state.dead:
        cure = f"See why, and redrive or drop them: homeport dead-letters list --source {source}"
        yield warning("dead letters", f"{number:,} of {source}.", cure)


def _abandoned(state: DatabaseState, found: Definition) -> Iterator[Finding]:
    """Subscribers that were taken out of the definition, and what is kept for them."""
    from homeport.domain.subscribers import PREFIX, consumer_of

    served = {consumer_of(one.name) for one in found.subscribers}
    for name, kept in state.places:
        if name.startswith(PREFIX) and name not in served:
            detail = f"{name} is not in the definition, but its place is kept: {kept:,} changes."
            cure = f"Put it back; or, if it stays out: homeport dead-letters forget {name}"
            yield warning("subscribers", detail, cure)


def index(place: Path, found: Definition) -> Iterator[Finding]:
    """Whether the index is whole, and made for what the definition declares."""
    from homeport.adapters.embedded.search_folder import IndexFolder
    from homeport.adapters.embedded.search_schema import SearchSchema

    if not os.access(place, os.R_OK | os.X_OK):
        return  # it is not there, or `folder` says what is wrong with it
    files = place / "index"
    if files.exists() and not os.access(files, os.R_OK | os.W_OK | os.X_OK):
        yield fault("index", f"{files} cannot be written by this user.", _RIGHTS)
        return
    held = IndexFolder(files)
    current = held.current()
    made = "the next start makes it anew from the records"
    if current is None:
        yield ok("index", f"there is none yet: {made}")
        return
    if current.schema != SearchSchema(found.catalog(), found.search.language).digest:
        yield ok("index", f"made for other fields, language or version: {made}")
        return
    if not current.complete:
        yield ok("index", f"never filled: {made}")
        return
    # A server that writes replaces files between a look at their list and a look at them.
    looks = (held.damage(current.generation) for _ in range(3))
    damage = None
    for damage in looks:
        if damage is None:
            break
    if damage is not None:
        detail = f"Damaged: {damage}."
        yield fault("index", detail, "Stop the server and run: homeport index rebuild")
        return
    yield ok("index", f"whole; {held.documents(current.generation):,} documents and removals")


def server(found: Definition, held_by: str | None) -> Iterator[Finding]:
    """Who has the data folder, and who listens where the server would."""
    if held_by is not None:
        yield ok("lock", f"process {held_by} has the data folder open")
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(found.server.host, found.server.host)  # noqa: S104 - nothing is bound here
    url = f"http://{host}:{found.server.port}"
    answer = _health(url)
    if answer is None or isinstance(answer, str):
        yield from _port(found, answer)
    elif answer.get("status") == "ok":
        yield ok("server", f"homeport {answer.get('version')} is ready at {url}")
    else:
        cure = "See the server's log, and the other lines here."
        yield fault("server", f"{url} is not ready: {answer.get('detail')}", cure)


def _port(found: Definition, answer: str | None) -> Iterator[Finding]:
    """Whether the server could listen, where what answers there, if anything, is not Homeport."""
    from homeport.entrypoints.local.listener import AddressInUse, CannotListen, bind

    try:
        bind(found.server.host, found.server.port).close()
    except AddressInUse as error:
        cure = "Stop that program, or choose another port with --port."
        yield fault("port", f"{error.detail} Asked, {answer}." if answer else error.detail, cure)
    except CannotListen as error:
        cure = "Choose another address of this machine with --host, or another --port."
        yield fault("port", error.detail, cure)
    else:
        yield ok("port", f"{found.server.host}:{found.server.port} is free")


def _health(url: str) -> dict[str, object] | str | None:
    """What Homeport says at this address; another program's answer as text; None for nobody."""
    try:
        with _direct.open(f"{url}/v1/health", timeout=_PATIENCE) as answer:
            said = answer.read(10_000)
    except urllib.error.HTTPError as error:
        said = error.read(10_000)
    except (OSError, ValueError) as error:
        refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        return None if refused else f"it does not answer: {error}"
    except Exception as error:  # noqa: BLE001 - whatever speaks no HTTP there
        return f"it does not speak HTTP: {type(error).__name__}"
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    ours = isinstance(found, dict) and ("version" in found or "request_id" in found)
    return found if ours else "it is not Homeport"
