"""`homeport routes`: the table of HTTP operations."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.cli.report import table
from homeport.entrypoints.operation import PREFIX, Operation
from homeport.entrypoints.operations import OPERATIONS


def run(arguments: Namespace) -> int:
    rows = [_row(one) for one in OPERATIONS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return Exit.OK
    columns = ("method", "path", "name", "caller", "function")
    heading = [name.upper() for name in columns]
    for line in table([heading, *([row[name] for name in columns] for row in rows)]):
        print(line)
    return Exit.OK


def _row(operation: Operation) -> dict[str, Any]:
    """`statuses` are those of success."""
    return {
        "method": operation.method,
        "path": PREFIX + operation.path,
        "name": operation.name,
        "caller": operation.caller.value,
        "function": operation.function,
        "statuses": list(operation.statuses),
    }
