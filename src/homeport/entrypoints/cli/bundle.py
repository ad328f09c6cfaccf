"""`homeport bundle`: a folder that can be deployed as a function on AWS Lambda."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from homeport.definition import Definition
from homeport.entrypoints.cli.app_commands import EVERY_FUNCTION
from homeport.entrypoints.cli.exits import Exit, Failure, complain
from homeport.entrypoints.cli.opening import definition_of, find_own_code
from homeport.entrypoints.cli.report import table
from homeport.entrypoints.lambdas.needs import PORTS

try:
    from homeport.entrypoints.bundling.bundle import HANDLER, Bundle, Plan, make
    from homeport.entrypoints.bundling.distributions import Target
    from homeport.entrypoints.bundling.faults import BundleFault
    from homeport.entrypoints.bundling.fetching import machine_of
except ModuleNotFoundError as error:
    if error.name != "packaging":
        raise
    cure = "Run: pip install 'homeport[deploy]'"
    raise Failure(Exit.FAILED, f"the package packaging is missing. {cure}") from error

_SHOWN: Final = 3
"""How many of the largest parts are named."""


def run(arguments: Namespace) -> int:
    definition = definition_of(arguments)
    find_own_code()
    with TemporaryDirectory(prefix="homeport-bundle-") as compiled:
        made = _made(arguments, definition, Path(compiled))
    for warning in dict.fromkeys(one for bundle in made for one in bundle.warnings):
        complain(warning)
    if arguments.json:
        json.dump([_row(one) for one in made], sys.stdout, indent=2)
        print()
        return Exit.OK
    heading = ["FUNCTION", "FILES", "MB", "LARGEST"]
    rows = [[one.function, f"{one.files:,}", _megabytes(one.size), _largest(one)] for one in made]
    for line in table([heading, *rows]):
        print(line)
    return Exit.OK


def _made(arguments: Namespace, definition: Definition, compiled: Path) -> list[Bundle]:
    functions = PORTS if arguments.function == EVERY_FUNCTION else (arguments.function,)
    made = []
    for function in functions:
        folder = arguments.output
        if arguments.function == EVERY_FUNCTION:
            folder /= function
        plan = Plan(
            function=function,
            definition=definition,
            source=arguments.definition,
            target=Target(arguments.python, machine_of(arguments.platform)),
            environ=os.environ,
            include=tuple(arguments.include),
            locked=arguments.requirements,
            keep_sources=arguments.sources == "keep",
        )
        try:
            made.append(make(plan, folder.absolute(), compiled))
        except BundleFault as error:
            raise Failure(Exit.FAILED, str(error)) from error
        except OSError as error:
            raise Failure(Exit.FAILED, f"{folder} cannot be written: {error.strerror}.") from error
    return made


def _row(bundle: Bundle) -> dict[str, Any]:
    return {
        "function": bundle.function,
        "folder": str(bundle.folder),
        "handler": HANDLER,
        "files": bundle.files,
        "bytes": bundle.size,
        "parts": bundle.parts,
        "packages": bundle.packages,
        "warnings": bundle.warnings,
    }


def _largest(bundle: Bundle) -> str:
    largest = sorted(bundle.parts.items(), key=lambda part: -part[1])[:_SHOWN]
    return ", ".join(f"{name} {_megabytes(size)}" for name, size in largest)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f}"
