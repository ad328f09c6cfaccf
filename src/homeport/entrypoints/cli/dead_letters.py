"""`homeport dead-letters list|show|redrive|drop|forget`, also while the server runs."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from homeport.entrypoints.cli.exits import Exit, fail
from homeport.entrypoints.cli.opening import definition_of, opened_anyway
from homeport.entrypoints.cli.printing import held_back, printable
from homeport.entrypoints.cli.report import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeport.container import Backend
    from homeport.domain.dead_letters import DeadLetters
    from homeport.domain.ports.deliveries import DeadLetter

_WIDTH = 60


def run(arguments: Namespace) -> int:
    _check(arguments)
    definition = definition_of(arguments)
    with held_back(), opened_anyway(definition, "record_store", "message_queue") as backend:
        if arguments.action == "forget":
            return _forget(backend, arguments)
        return _ACTIONS[arguments.action](backend.undelivered, arguments)


def _check(arguments: Namespace) -> None:
    action = arguments.action
    if action == "list" and (arguments.ids or arguments.all):
        fail(Exit.USAGE, "list takes neither ids nor --all. Narrow it with --source.")
    if action == "show" and (arguments.all or not arguments.ids):
        fail(Exit.USAGE, "show takes the ids of dead letters, which list prints.")
    if action in ("redrive", "drop") and bool(arguments.ids) == arguments.all:
        fail(Exit.USAGE, f"{action} takes either the ids of dead letters or --all.")
    if action == "forget" and (arguments.all or arguments.source or not arguments.ids):
        fail(Exit.USAGE, "forget takes the names of sources, as list and doctor print them.")


def _list(letters: DeadLetters, arguments: Namespace) -> int:
    found = letters.letters(arguments.source)
    if arguments.json:
        print(json.dumps([_as_json(one) for one in found], indent=2))
    elif not found:
        print("There are no dead letters.")
    else:
        heading = ("ID", "SOURCE", "DIED", "ATTEMPTS", "WHAT", "CAUSE")
        for line in table([heading, *(_row(one) for one in found)]):
            print(line)
    return Exit.OK


def _show(letters: DeadLetters, arguments: Namespace) -> int:
    found = [_as_json(one) for one in letters.find(arguments.ids, arguments.source)]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return Exit.OK
    for number, one in enumerate(found):
        if number:
            print()
        for name, value in one.items():
            text = value if isinstance(value, str) else json.dumps(value)
            print(f"{name:8}  {printable(text, in_lines=True)}")
    return Exit.OK


def _redrive(letters: DeadLetters, arguments: Namespace) -> int:
    count = letters.redrive(_chosen(letters, arguments))
    if arguments.json:
        print(json.dumps({"redriven": count}))
    else:
        print(f"Redriven: {count:,}. They are due now, and delivered while a server runs.")
    return Exit.OK


def _drop(letters: DeadLetters, arguments: Namespace) -> int:
    count = letters.drop(_chosen(letters, arguments))
    print(json.dumps({"dropped": count}) if arguments.json else f"Dropped: {count:,}.")
    return Exit.OK


def _forget(backend: Backend, arguments: Namespace) -> int:
    """Keep nothing more for consumers that are gone: neither their place nor dead letters."""
    letters, names = backend.undelivered, dict.fromkeys(arguments.ids)
    for name in names:
        if name in letters.abandoned:
            continue
        if name in letters.sources:
            cure = "Only what was taken out of the definition can be forgotten."
            fail(Exit.FAILED, f"{name} is in use. {cure}")
        there = ", ".join(letters.abandoned) or "none"
        fail(Exit.FAILED, f"Nothing is kept for {name}. To be forgotten there are: {there}.")
    count = sum(len(letters.letters(name)) for name in names)
    # Whatever keeps something for those that are gone can forget them as well.
    forget: Callable[[str], None] = getattr(backend.feed, "forget")  # noqa: B009 - not of the port
    for name in names:
        forget(name)
    if arguments.json:
        print(json.dumps({"forgotten": list(names), "dropped": count}))
    else:
        print(f"Forgotten: {', '.join(names)}, with dead letters: {count:,}.")
    return Exit.OK


def _chosen(letters: DeadLetters, arguments: Namespace) -> list[DeadLetter]:
    if arguments.all:
        return letters.letters(arguments.source)
    return letters.find(arguments.ids, arguments.source)


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "source": letter.source,
        "died": _time(letter),
        "attempts": letter.attempts,
        "cause": letter.cause,
        "body": _body(letter),
    }


def _row(letter: DeadLetter) -> tuple[str, ...]:
    cause = letter.cause.splitlines()[0] if letter.cause else ""
    return (
        letter.id,
        letter.source,
        _time(letter),
        str(letter.attempts),
        _what(letter),
        cause if len(cause) <= _WIDTH else f"{cause[:_WIDTH]} ...",
    )


def _body(letter: DeadLetter) -> Any:
    """What the letter holds; its text where that is no JSON, as others may put it there."""
    try:
        return json.loads(letter.body)
    except ValueError:
        return letter.body


def _what(letter: DeadLetter) -> str:
    """What it is about, in a few characters."""
    body = _body(letter)
    if isinstance(body, dict) and isinstance(body.get("events"), list):
        return f"{len(body['events']):,} changes"
    for parts in (("space", "collection", "id"), ("sender", "message")):
        if isinstance(body, dict) and parts[0] in body:
            return "/".join(str(body.get(part, "?")) for part in parts)
    return "?"


def _time(letter: DeadLetter) -> str:
    died = datetime.fromtimestamp(letter.died / 1_000_000, UTC)
    return died.isoformat(timespec="seconds").replace("+00:00", "Z")


_ACTIONS = {"list": _list, "show": _show, "redrive": _redrive, "drop": _drop}
