"""Opens what a command works on: the definition, and the backend that it describes."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeport.definition import Definition, DefinitionError, load, locate
from homeport.domain.errors import HomeportError, Unavailable
from homeport.entrypoints import lean
from homeport.entrypoints.cli.data_folder import (
    code_of,
    require_database,
    require_folder,
    require_migrated,
)
from homeport.entrypoints.cli.exits import Exit, Failure, fail

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.index_rebuild import Rebuilt
    from homeport.domain.indexing import Indexing

_OPTIONS: Final = {"data": "DATA_FOLDER", "host": "SERVER__HOST", "port": "SERVER__PORT"}
"""Options that stand for a setting, each as the variable that it wins over."""


def definition_of(arguments: Namespace) -> Definition:
    """The definition, the environment over it, and the command's options over both."""
    environ = dict(os.environ)
    given = [one for one in _OPTIONS if getattr(arguments, one, None) is not None]
    for option in given:
        environ[f"HOMEPORT_{_OPTIONS[option]}"] = getattr(arguments, option)
    try:
        return load(arguments.definition, environ)
    except DefinitionError as error:
        sentence = str(error)
        for option in given:
            sentence = sentence.replace(f"HOMEPORT_{_OPTIONS[option]}: ", f"--{option}: ")
        raise Failure(Exit.USAGE, sentence) from error


def source_of(place: Path) -> str:
    """Which file the definition at `place` comes from, for people."""
    file = locate(place) if place.is_dir() else place
    if file is None:
        return "built in, with a collection `notes` (write your own with `homeport init`)"
    return str(file)


@contextmanager
def opened(
    definition: Definition, place: str = "owner", *, migrates: bool = False, **overrides: Any
) -> Iterator[Backend]:
    """The backend, with its data folder locked for this process unless another `place` (see
    `homeport.container.Place`) does not, and closed at the end. Unless it `migrates`, data of an
    older version are refused."""
    look_at_own_adapters(definition)
    if not migrates:
        require_migrated(definition)
    build = _builder(definition)
    from homeport.container import Place

    backend = build(definition, place=Place(place), **overrides)
    try:
        _open(backend)
        yield backend
    finally:
        backend.close()


@contextmanager
def viewed(definition: Definition) -> Iterator[Backend]:
    """The backend for reading records alone: those of a data folder as they are at one moment,
    also while a server runs on it."""
    look_at_own_adapters(definition)
    overrides: dict[str, Any] = {}
    with ExitStack() as closing:
        use = definition.adapters.record_store.use
        if use == "memory":
            fail(Exit.USAGE, "The records are kept in memory: there is nothing to read here.")
        if use == "embedded":
            from homeport.adapters.embedded.snapshot import Snapshot

            require_folder(definition.data_folder)
            try:
                snapshot = Snapshot(definition.data_folder)
            except HomeportError as error:
                raise Failure(_code(error), error.detail) from error
            closing.callback(snapshot.close)
            overrides["database"] = snapshot
        backend = _builder(definition)(definition, **overrides)
        closing.callback(backend.close)
        yield backend


@contextmanager
def opened_anyway(definition: Definition, *ports: str) -> Iterator[Backend]:
    """The backend for a command that works on `ports` alone, whether or not a server runs.

    Where none does, the data folder is locked for this process. Where one does, this process
    reads and writes beside it. What the backend refuses comes out as a Failure.
    """
    from homeport.adapters.embedded.folder import FolderInUse

    used = {getattr(definition.adapters, port).use for port in ports}
    if "memory" in used:
        sentence = "This is kept in memory, where only the server's own process reaches it."
        raise Failure(Exit.USAGE, sentence)
    if "embedded" in used:
        require_database(definition)
    require_migrated(definition)
    look_at_own_adapters(definition)
    build = _builder(definition)
    from homeport.container import Place

    backend = build(definition)
    try:
        try:
            _ = backend.database
        except FolderInUse:
            backend.close()
            backend = build(definition, place=Place.BESIDE)
            _ = backend.database
        yield backend
    except HomeportError as error:
        raise refused(error) from error
    finally:
        backend.close()


def refused(error: HomeportError) -> Failure:
    """What the backend refuses, as one sentence with every wrong place. Names and options that
    were typed are told from what is wrong with the data, whose places are JSON pointers."""
    faults = [": ".join(filter(None, (one.pointer, one.detail))) for one in error.faults]
    typed = any(one.pointer and not one.pointer.startswith("/") for one in error.faults)
    sentence = f"{error.detail} ({'; '.join(faults)})" if faults else error.detail
    return Failure(Exit.USAGE if typed else _code(error), sentence)


def rebuild_index(backend: Backend, indexing: Indexing | None = None, **how: Any) -> Rebuilt:
    """Make the index anew, or that of another `indexing`, with progress; `how` is what
    `Indexing.rebuild` takes."""
    from homeport.entrypoints.cli.index_progress import staged

    with staged(backend.index.status().documents) as progress:
        rebuilt = (indexing or backend.indexing).rebuild(progress, **how)
    for one in rebuilt.rejected[:10]:
        key = "/".join(one.key)
        print(f"homeport: {key} is not in the index: {one.cause}", file=sys.stderr)
    return rebuilt


def _open(backend: Backend) -> None:
    """Touch every part, so that what is wrong is found now and not by a request."""
    try:
        _ = backend.database
        for part in (
            backend.store,
            backend.identity_provider,
            backend.queue,
            backend.push,
            backend.feed,
        ):
            _check(part)
        _check_index(backend)
        _check(backend.index)
    except HomeportError as error:
        raise Failure(_code(error), error.detail) from error


def _check(part: object) -> None:
    """Let an adapter look for what it needs, where it can tell sooner than by its first call."""
    look: Callable[[], None] | None = getattr(part, "check", None)
    if look is not None:
        look()


def _check_index(backend: Backend) -> None:
    from homeport.adapters.embedded.folder import FolderInUse, FolderUnusable

    place = backend.definition.data_folder / "index"
    try:
        backend.check()
    except FolderInUse:
        raise  # nothing is wrong with it
    except FolderUnusable as error:
        raise Failure(Exit.FOLDER, f"{error.detail} It is {place}.") from error
    except Unavailable as error:
        if backend.definition.adapters.search_index.use != "embedded":
            raise
        cure = f"Remove {place}: it is made anew from the records."
        raise Failure(Exit.FOLDER, f"{error.detail} {cure}") from error


def _code(error: HomeportError) -> Exit:
    """The embedded adapters' errors have codes of their own; another's adapter just fails."""
    return Exit.USAGE if isinstance(error, DefinitionError) else code_of(error)


def find_own_code() -> None:
    """Let what the definition names be imported from the working folder as well."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def look_at_own_adapters(definition: Definition) -> None:
    """Look at the adapters that are not ours, which may stand in the working folder as well,
    before anything is opened. Raises a Failure for those that cannot be used."""
    if not any(definition.own_adapters()):
        return
    find_own_code()
    from homeport.container import check_own_adapters

    try:
        check_own_adapters(definition)
    except DefinitionError as error:
        raise Failure(Exit.USAGE, error.detail) from error


def _builder(definition: Definition) -> Callable[..., Backend]:
    """`homeport.container.build`, loaded quickly unless an app's own code may mind."""
    if not definition.subscribers and not any(definition.own_adapters()):
        lean.load()
    from homeport.container import build

    return build
