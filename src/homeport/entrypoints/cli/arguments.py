"""What can be typed. A command's module is loaded only when it is called."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Final

from homeport.entrypoints.cli import app_commands, operator_commands
from homeport.entrypoints.cli.declaring import examples
from homeport.entrypoints.cli.exits import MEANINGS, Exit, Failure, complain

_EXITS: Final = "exit codes:\n" + "\n".join(
    f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items()
)


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code. Expected trouble is a sentence on stderr."""
    arguments = parser().parse_args(argv)
    try:
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
        epilog=examples("homeport serve", "homeport demo", "homeport COMMAND --help")
        + "\n\n"
        + _EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    app_commands.declare(commands)
    operator_commands.declare(commands)
    return whole
