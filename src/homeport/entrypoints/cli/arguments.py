"""What can be typed. A command's module is loaded only when it is called."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Final

from homeport.entrypoints.cli import app_commands, operator_commands
from homeport.entrypoints.cli.declaring import examples
from homeport.entrypoints.cli.exits import MEANINGS, Exit, Failure, complain
from homeport.entrypoints.cli.printing import drop_output

_EXITS: Final = "exit codes:\n" + "\n".join(
    f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items()
)

_OF_AWS: Final = frozenset({"boto3", "botocore"})
"""The packages that only the AWS adapters need."""
_FULL: Final = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code. Expected trouble is a sentence on stderr."""
    try:
        for one in argv:
            _check_text(one)
        arguments = parser().parse_args(argv)
        if hasattr(arguments, "definition"):
            _check_text(_working_folder())
        name = arguments.command.replace("-", "_")
        name += "_" * iskeyword(name)
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
        extra = "aws" if error.name.partition(".")[0] in _OF_AWS else "local"
        complain(f"the package {error.name} is missing. Run: pip install 'homeport[{extra}]'")
        return int(Exit.FAILED)
    except KeyboardInterrupt:
        complain("interrupted.")
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        drop_output()
        return int(Exit.FAILED)
    except OSError as error:
        # Writing to a file is told where it is done: this is what was printed.
        if error.filename is not None or error.errno not in _FULL:
            raise
        drop_output()
        complain(f"the output cannot be written: {error.strerror}.")
        return int(Exit.FAILED)


def _check_text(name: str) -> None:
    """SQLite, and what is printed, knows no other names."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(name).decode(errors="backslashreplace")
        sentence = f"{shown} is not UTF-8: only names that are can be used."
        raise Failure(Exit.USAGE, sentence) from error


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError as error:
        sentence = "The folder that this runs in is gone: go to one that is there."
        raise Failure(Exit.FOLDER, sentence) from error


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="homeport",
        description="A mobile backend: records, search and messages from one command.",
        epilog=examples("homeport serve", "homeport demo", "homeport COMMAND --help")
        + "\n\n"
        + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    app_commands.declare(commands)
    operator_commands.declare(commands)
    return whole
