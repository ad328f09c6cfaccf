"""`homeport serve`: the backend behind the local gateway."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homeport import __version__
from homeport.definition import Definition, DefinitionError
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog, FieldRole
from homeport.entrypoints.cli.data_folder import code_of
from homeport.entrypoints.cli.exits import Exit, Failure, complain
from homeport.entrypoints.cli.opening import (
    definition_of,
    find_own_code,
    opened,
    rebuild_index,
    source_of,
)
from homeport.entrypoints.cli.printing import drop_output

if TYPE_CHECKING:
    import socket

    from homeport.container import Backend


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    from homeport.entrypoints.local.greenlets import offload
    from homeport.entrypoints.local.memory import share_arena
    from homeport.entrypoints.local.pauses import pause

    share_arena()  # before there are threads
    # The address comes first: where it cannot be had, nothing is to be written.
    with (
        _listening(definition) as listening,
        opened(definition, migrates=True, offload=offload, pause=pause) as backend,
    ):
        from homeport.entrypoints.local.app import gateway_for, number_of_workers

        _ready_index(backend)
        _ready_subscribers(backend)
        source = source_of(arguments.definition)

        def on_listening(url: str) -> None:
            try:
                print("\n".join(banner(url, definition, source)), flush=True)
            except BrokenPipeError:  # it serves all the same
                drop_output()

        workers = number_of_workers(definition)
        gateway_for(backend, on_listening=on_listening, workers=workers).run(listening)
    return Exit.OK


def banner(url: str, definition: Definition, source: str) -> list[str]:
    """What is served, where, and three lines for a shell to try it."""
    url = reachable(url)
    collection, field = _something_to_try(definition)
    record = '{"title": "Hello", "body": "My first note, found by its words."}'
    token = f"curl -s -X POST {url}/v1/identity/guest"
    highlight = f" -d highlight={field}" if field else ""
    bearer = '-H "Authorization: Bearer $TOKEN"'
    return [
        f"Homeport {__version__} serves {url}",
        f"  data        {_place_of_data(definition)}",
        f"  definition  {source}",
        "Be a guest, store a record, find it:",
        rf"""  TOKEN=$({token} | sed 's/.*"access_token": *"\([^"]*\)".*/\1/')""",
        (
            f"  curl -s {url}/v1/records/me/{collection} {bearer} "
            f"-H 'Content-Type: application/json' -d {shlex.quote(record)}"
        ),
        f"  curl -s -G {url}/v1/search {bearer} -d q=words -d collection={collection}{highlight}",
        "Load a corpus and try everything with `homeport demo`. Stop with Ctrl-C.",
    ]


def _place_of_data(definition: Definition) -> str:
    """Where the records are, for people."""
    if definition.adapters.record_store.use == "dynamodb":
        return f"the table {definition.aws.table} of DynamoDB"
    return str(definition.data_folder)


def _listening(definition: Definition) -> socket.socket:
    from homeport.entrypoints.local.listener import AddressInUse, CannotListen, bind

    try:
        return bind(definition.server.host, definition.server.port)
    except AddressInUse as error:
        cure = "Stop that program, or choose another port with --port."
        raise Failure(Exit.PORT, f"{error.detail} {cure}") from error
    except CannotListen as error:
        cure = "Choose an address of this machine with --host, or another port with --port."
        raise Failure(Exit.PORT, f"{error.detail} {cure}") from error


def reachable(url: str) -> str:
    """The URL for this machine, where the server listens on all addresses."""
    parts = urlsplit(url)
    if parts.hostname in ("0.0.0.0", "::"):  # noqa: S104 - nothing is bound here
        return f"{parts.scheme}://127.0.0.1:{parts.port}"
    return url


def _something_to_try(definition: Definition) -> tuple[str, str | None]:
    """A collection that takes a guest's record, and a field of it to highlight."""
    catalog: Catalog = definition.catalog()
    name = "notes"
    if catalog.refuse_undeclared and catalog.find(name) is None and catalog.declared():
        name = catalog.declared()[0].name
    found = catalog.find(name)
    body = found.fields.get("body") if found else None
    return name, "body" if body and body.role is FieldRole.TEXT else None


def _ready_subscribers(backend: Backend) -> None:
    """Import the functions that the definition names, and tell of places kept for nobody."""
    if backend.definition.subscribers:
        find_own_code()
    try:
        _ = backend.subscribers
    except DefinitionError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    tell_of_places(backend)


def tell_of_places(backend: Backend) -> None:
    """Say what is kept for subscribers that the definition no longer has."""
    # AWS's stream keeps its changes for a day, whoever has still to come for them.
    kept = backend.definition.adapters.change_feed.use != "dynamodb"
    what = "its place is kept, and with it every change since" if kept else "its place is kept"
    for name in backend.undelivered.abandoned:
        complain(
            f"{name} is not in the definition; {what}. "
            f"If it stays out: homeport dead-letters forget {name}"
        )


def _ready_index(backend: Backend) -> None:
    """Make the index anew where it cannot be used as it is."""
    adapters = backend.definition.adapters
    forgets = adapters.search_index.use == "memory" and adapters.record_store.use != "memory"
    reason = getattr(backend.index, "needs_rebuild", None)
    if not (forgets or reason):
        return
    try:
        if not backend.store.scan(0, 1, 1):
            # A first start: there is nothing to put in.
            rebuild = backend.index.rebuild()
            if rebuild.entries(1):  # left behind, of records that are gone
                rebuild.abandon()
                rebuild = backend.index.rebuild()
            rebuild.commit()
            return
        if reason:
            complain(f"{reason}.")
        rebuild_index(backend)
    except Unavailable as error:
        raise Failure(code_of(error), f"The index cannot be made: {error.detail}") from error
