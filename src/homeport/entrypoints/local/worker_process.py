"""A worker's process, from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from homeport.definition import Definition
from homeport.entrypoints import garbage, lean
from homeport.entrypoints.local.channel import Ends, first
from homeport.entrypoints.local.memory import share_arena

_PR_SET_PDEATHSIG: Final = 1
"""From Linux's prctl.h."""


def launch(turns: Sequence[int], theirs: Ends) -> subprocess.Popen[bytes]:
    """Start a worker, which waits for the definition of what it is to serve, and writes by the
    `turns` that its parent's database shares.

    For a thread that outlives it, such as the loop's: Linux ends it with that."""
    numbers = (theirs.messages.fileno(), theirs.clients.fileno(), *turns)
    module = "homeport.entrypoints.local.worker_process"
    return subprocess.Popen(  # noqa: S603 - all of it is ours
        [sys.executable, *_flags(), "-m", module, *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        pass_fds=numbers,
        # A terminal's Ctrl-C is its parent's to pass on. A session of its own would have half of
        # the processor for itself, as Linux shares that out, whatever its threads' priorities.
        process_group=0,
    )


def _flags() -> list[str]:
    """Those of this interpreter that say whose code it loads; never that of the working folder,
    which may have modules of any name."""
    if sys.flags.isolated:
        return ["-I"]
    chosen = {"-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site}
    return ["-P", *(flag for flag, is_set in chosen.items() if is_set)]


def main() -> None:
    # Who stops the server may tell all of its processes. This one hears it from its parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # In the background of a terminal, as this is, writing to it may stop a process.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    if sys.stderr is None:  # it was closed
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - it stays
    numbers = [int(number) for number in sys.argv[1:]]
    messages, clients = (socket.socket(fileno=number) for number in numbers[:2])
    _end_with_parent()
    garbage.while_starting()
    lean.load()
    share_arena()  # before there are threads
    with suppress(EOFError):  # its parent is gone already
        (definition,) = first(messages)
        serve(definition, Ends(messages, clients), numbers[2:])


def _end_with_parent() -> None:
    """Have the kernel end this process when the thread that started it is gone, whatever it is
    doing then: another server waits for that. Where it cannot, the channel tells."""
    import ctypes

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(definition: Definition, ends: Ends, turns: Sequence[int]) -> None:
    from homeport.container import Place, build
    from homeport.entrypoints import operations
    from homeport.entrypoints.local import greenlets, local_routes, pauses
    from homeport.entrypoints.local.app import handlers_of, settings_of
    from homeport.entrypoints.local.worker import WorkerLoop

    offload, pause = greenlets.offload, pauses.pause
    with closing(build(definition, place=Place.WORKER, offload=offload, pause=pause)) as backend:
        backend.database.take_turns(turns)
        backend.health.needs(backend.index)
        WorkerLoop(
            backend,
            handlers_of(backend),
            {**operations.routes(), **local_routes.ROUTES},
            operations.limited_routes(),
            settings_of(definition),
            ends,
        ).run()


if __name__ == "__main__":
    main()
