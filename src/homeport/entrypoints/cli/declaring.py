"""What the declarations of commands share: texts, examples, and the options of many."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Final, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 (it has no other name)

_DEFINITION_HELP: Final = (
    "the definition file, or a folder that has homeport.toml or a pyproject.toml with "
    "[tool.homeport] (default: this folder)"
)


def command(
    commands: Commands,
    name: str,
    short: str,
    long: str,
    *tries: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=short,
        description=textwrap.fill(long, 88),
        epilog=examples(*tries) if tries else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def definition(command: argparse.ArgumentParser) -> None:
    command.add_argument("--definition", type=Path, default=Path(), help=_DEFINITION_HELP)
    command.add_argument("--data", help="the data folder; wins over the definition")


def machine_readable(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")


def examples(*lines: str) -> str:
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)
