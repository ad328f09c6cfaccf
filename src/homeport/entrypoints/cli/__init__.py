"""The command line: `homeport serve`, `demo`, `init`, `routes`, `openapi`, `doctor`, `index`,
`schema`, `dead-letters`, `identity`, `records`, `shards`, `backup`, `restore`, `export`,
`import`, `bundle`, `completion` and `version`.

arguments.py  runs what was typed; a command's module is loaded when it is called
app_commands.py, operator_commands.py   what can be typed; declaring.py what they share
exits.py      exit codes, and errors as a sentence with its cure
progress.py   bars on a terminal, plain lines elsewhere; lines.py reads lines of a bounded length
opening.py    the definition and the backend that a command works on
data_folder.py   what a command asks of a data folder before
serve.py, init.py, routes.py, ...   one module for each command, by its name
checks.py, data_checks.py   what `doctor` looks at
demo.py       the demo's story; corpus.py its notes, client.py its HTTP, report.py its words
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence

from homeport.entrypoints import garbage


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that was typed, and exit with its code."""
    typed = sys.argv[1:] if argv is None else argv
    _open_streams()
    if typed[:1] == ["serve"]:  # it stops in its own way
        garbage.while_starting()
    else:
        garbage.while_working()
        _stop_at_signals()
    try:
        from homeport.entrypoints.cli.arguments import run

        code = run(typed)
    except KeyboardInterrupt:
        print("homeport: interrupted.", file=sys.stderr)
        code = 130
    sys.exit(code)


def _open_streams() -> None:
    """Let standard input, output and errors be open, whatever was closed (`>&-`): else a file of
    the data folder could get the number of one. A name that is not UTF-8 is printed as it is."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _stop_at_signals() -> None:
    """Let a supervisor and a terminal that closes stop a command as Ctrl-C does, so that it
    takes away what it has begun. What was told to ignore them goes on doing so."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
