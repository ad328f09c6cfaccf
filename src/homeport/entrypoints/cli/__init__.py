"""The command line: `homeport serve`, `demo`, `init`, `routes`, `openapi`, `doctor`, `index`,
`schema`, `dead-letters`, `identity`, `records`, `backup`, `restore`, `export`, `import`,
`completion` and `version`.

arguments.py  runs what was typed; a command's module is loaded when it is called
app_commands.py, operator_commands.py   what can be typed; declaring.py what they share
exits.py      exit codes, and errors as a sentence with its cure
progress.py   bars on a terminal, plain lines elsewhere; lines.py reads lines of a bounded length
opening.py    the definition and the backend that a command works on
serve.py, init.py, routes.py, ...   one module for each command, by its name
checks.py, data_checks.py   what `doctor` looks at
demo.py       the demo's story; corpus.py its notes, client.py its HTTP, report.py its words
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that was typed, and exit with its code."""
    # A start makes many objects and frees few: looking for garbage every 700 of them, as
    # Python does, is a tenth of its time.
    gc.set_threshold(50_000, 20, 20)
    # Pydantic would look through every installed package for plugins: 40 ms at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from homeport.entrypoints.cli.arguments import run

    sys.exit(run(sys.argv[1:] if argv is None else argv))
