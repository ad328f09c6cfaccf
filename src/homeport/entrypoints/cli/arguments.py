"""What can be typed. A command's module is loaded only when it is called."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from homeport.domain.limits import BATCH_WRITES
from homeport.entrypoints.cli.exits import MEANINGS, Exit, Failure, complain

_EXITS: Final = "exit codes:\n" + "\n".join(
    f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items()
)
_DEFINITION_HELP: Final = (
    "the definition file, or a folder that has homeport.toml or a pyproject.toml with "
    "[tool.homeport] (default: this folder)"
)


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code. Expected trouble is a sentence on stderr."""
    arguments = parser().parse_args(argv)
    try:
        name = arguments.command.replace("-", "_")
        module = import_module(f"homeport.entrypoints.cli.{name}")
        code = int(module.run(arguments))
        sys.stdout.flush()
        return code
    except Failure as failure:
        complain(str(failure))
        return int(failure.code)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "homeport":
            raise
        complain(f"the package {error.name} is missing. Run: pip install 'homeport[local]'")
        return int(Exit.FAILED)
    except KeyboardInterrupt:
        complain("interrupted.")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; what is left in the buffer must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(Exit.FAILED)


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="homeport",
        description="A mobile backend: records, search and messages from one command.",
        epilog=_examples("homeport serve", "homeport demo", "homeport COMMAND --help")
        + "\n\n"
        + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = _command(
        commands,
        "serve",
        "start the backend",
        "Start the backend that the definition describes, on 127.0.0.1:8090 by default. Without "
        "a definition file it has a collection `notes`, which `homeport demo` fills.",
        "homeport serve",
        "homeport serve --port 9000 --data /var/lib/homeport",
        "HOMEPORT_SERVER__PORT=9000 homeport serve",
    )
    _definition(serve)
    serve.add_argument("--host", help="the address to listen on; wins over the definition")
    serve.add_argument("--port", help="the port to listen on, 0 for any free one; wins as well")

    demo = _command(
        commands,
        "demo",
        "load a corpus into a running backend and try everything",
        "Load the docstrings of Python's standard library through the HTTP API as two users, "
        "search them, and send a message from one to the other. It may be repeated. The users "
        "have passwords that everybody knows: run it against a backend of your own.",
        "homeport demo",
        "homeport demo --batch 90",
        "homeport demo --url http://127.0.0.1:9000",
    )
    demo.add_argument("--url", default="http://127.0.0.1:8090", help="default: %(default)s")
    demo.add_argument("--limit", type=_positive, help="load only so many notes")
    demo.add_argument(
        "--connections", type=_positive, default=4, help="to load with (default: %(default)s)"
    )
    demo.add_argument(
        "--batch", type=_batch, default=1, help="notes in a request, up to 90 (default: one by one)"
    )

    init = _command(
        commands,
        "init",
        "write a commented homeport.toml",
        "Write a homeport.toml that explains every setting. An existing one stays as it is.",
        "homeport init",
        "homeport init my-app",
    )
    init.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: this folder")

    routes = _command(
        commands,
        "routes",
        "list the HTTP operations",
        "List every HTTP operation: method, path, name, who may call it, and the function that "
        "serves it.",
        "homeport routes",
        "homeport routes --json",
    )
    routes.add_argument("--json", action="store_true", help="for programs")

    openapi = _command(
        commands,
        "openapi",
        "print the HTTP API's description",
        "Print the HTTP API's description: an OpenAPI 3.1 document, the same that a running "
        "backend has at /v1/openapi.json. Clients can be generated from it.",
        "homeport openapi",
        "homeport openapi --output openapi.json",
    )
    openapi.add_argument("--output", type=Path, metavar="FILE", help="write it to this file")

    index = _command(
        commands,
        "index",
        "look at, rebuild or verify the search index",
        "Work on the search index while the backend is not running: status shows what it holds, "
        "rebuild makes it anew from the records, verify compares the two.",
        "homeport index status",
        "homeport index rebuild --data /var/lib/homeport",
        "homeport index verify",
    )
    index.add_argument("action", choices=("status", "rebuild", "verify"))
    _definition(index)

    letters = _command(
        commands,
        "dead-letters",
        "look at, redrive or drop what could not be delivered",
        "Work on dead letters while the backend is not running: changes and messages that the "
        "index, the messages or a subscriber could not take after all their attempts. redrive "
        "makes them due again, with the record as it is by then; drop forgets them.",
        "homeport dead-letters list",
        "homeport dead-letters list --source subscriber:welcome --json",
        "homeport dead-letters show 7",
        "homeport dead-letters redrive --all",
        "homeport dead-letters drop 7 8",
    )
    letters.add_argument("action", choices=("list", "show", "redrive", "drop"))
    letters.add_argument("ids", nargs="*", metavar="ID", help="as list prints them")
    letters.add_argument("--all", action="store_true", help="redrive or drop all, or all of one")
    letters.add_argument("--source", help="only those of this source, as list prints it")
    letters.add_argument("--json", action="store_true", help="for programs")
    _definition(letters)

    backup = _command(
        commands,
        "backup",
        "copy the data to a folder, also while the backend runs",
        "Copy the database, as it is at one moment, to a new folder, and check the copy. The "
        "backend may run and write meanwhile. The search index is not copied: it is made anew "
        "from the records. Whoever can read a backup can read all data in it.",
        "homeport backup /var/backups/homeport/monday",
        "homeport backup monday --data /var/lib/homeport --json",
    )
    backup.add_argument("folder", type=Path, help="the backup to make; nothing has this name yet")
    backup.add_argument("--json", action="store_true", help="the summary for programs")
    _definition(backup)

    restore = _command(
        commands,
        "restore",
        "make the data folder from a backup",
        "Check a backup and make the data folder from it, while the backend is not running. A "
        "data folder that holds something stays as it is; with --force the backup takes its "
        "place, and what was there is removed once that has succeeded.",
        "homeport restore /var/backups/homeport/monday",
        "homeport restore monday --data /var/lib/homeport --force",
    )
    restore.add_argument("folder", type=Path, help="a backup that `homeport backup` has made")
    restore.add_argument("--force", action="store_true", help="replace the data that is there")
    restore.add_argument("--json", action="store_true", help="the summary for programs")
    _definition(restore)

    schema = _command(
        commands,
        "schema",
        "check stored records against their collection's schema",
        "Hold every stored record against its collection's JSON Schema, or against another one "
        "before it takes its place, while the backend is not running. Exits with 1 where records "
        "do not fit.",
        "homeport schema check",
        "homeport schema check notes --schema new.json --json",
    )
    schema.add_argument("action", choices=("check",))
    schema.add_argument("collection", nargs="?", help="default: all that have a schema")
    schema.add_argument("--schema", type=Path, metavar="FILE", help="check with this schema")
    schema.add_argument("--json", action="store_true", help="for programs")
    _definition(schema)

    _command(commands, "version", "show versions", "Show Homeport's and Python's versions.")
    return whole


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    short: str,
    long: str,
    *examples: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=short,
        description=textwrap.fill(long, 88),
        epilog=_examples(*examples) if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _definition(command: argparse.ArgumentParser) -> None:
    command.add_argument("--definition", type=Path, default=Path(), help=_DEFINITION_HELP)
    command.add_argument("--data", help="the data folder; wins over the definition")


def _examples(*lines: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _batch(text: str) -> int:
    number = _positive(text)
    if number > BATCH_WRITES:
        raise ValueError(text)
    return number


_positive.__name__ = _batch.__name__ = "number"
