"""`homeport completion bash|zsh|fish`: a script by which a shell completes what is typed."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeport.entrypoints.cli.exits import Exit

_FOLDERS: Final = frozenset({"data", "folder"})
_FILES: Final = frozenset({"file"})
"""Arguments that name a folder, or a file, though their type does not say so."""


def run(arguments: Namespace) -> int:
    import shtab

    from homeport.entrypoints.cli.arguments import parser

    whole = parser()
    _shorten(whole)
    for action in _actions(whole):
        # Where shtab looks for what an argument may be.
        if action.dest in _FOLDERS:
            vars(action)["complete"] = shtab.DIRECTORY
        elif action.dest in _FILES or action.type is Path:
            vars(action)["complete"] = shtab.FILE
    print(shtab.complete(whole, shell=arguments.shell), end="")
    return Exit.OK


def _shorten(parser: argparse.ArgumentParser) -> None:
    """Describe each command in a few words: shells show the first line of a description."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to look
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for listed in action._choices_actions:  # noqa: SLF001 - the same
                command = action.choices[listed.dest]
                command.description = listed.help
                _shorten(command)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of every command."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to look
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for command in action.choices.values():
                yield from _actions(command)
