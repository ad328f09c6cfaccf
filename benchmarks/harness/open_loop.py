"""The open loop: requests at a constant rate, whatever the server does.

A closed loop sends less while a server stalls, and so hides the stall. Here each request has the
moment at which it is due, and its time runs from there, also while it waits for a connection.
wrk2 does this too, and is in no distribution.

A client on the server's own machine takes processor time from it, and what comes while it computes
it sees late. So it is a small program in C, which the first run compiles, and it is not woken by
each answer: it looks at its sockets each quarter of a millisecond, takes what has come and sends
what is due, which makes times about that much too long. How it does on a machine is measured with
the bare HTTP server (`benchmarks.stalls` shows it), and `behind` tells whether it kept up: where it
is over two, the figures are the client's own.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

from benchmarks.harness import steal
from benchmarks.harness.command import RESULTS, LeftOut

_SOURCE: Final = Path(__file__).with_suffix(".c")
_PATIENCE: Final = 10.0
"""Seconds for the last answers to come in."""
_LOOK: Final = 0.025
"""Seconds between two looks at what the machine below takes."""
_ANSWER: Final = struct.Struct("ddii")
_HEAD: Final = struct.Struct("dQQQ")


@dataclass(frozen=True, slots=True)
class Answer:
    """`due` is in seconds since the beginning, `took` in milliseconds from then."""

    due: float
    took: float
    status: int
    retry_after: bool


@dataclass(slots=True)
class Outcome:
    """`behind`: how late the client itself sent the slowest hundredth, in milliseconds, where a
    connection was free. `missing`: requests that had no answer in the end. `disturbed`: from when
    to when, in seconds since the beginning, the processors were not all ours; `stolen`: how much
    of them was not, 0.0 to 1.0. `sent`: when each request went out, which is later than it was due
    where it waited for a connection."""

    rate: float
    answers: list[Answer]
    behind: float
    missing: int
    disturbed: list[tuple[float, float]]
    sent: list[float] = field(default_factory=list)
    stolen: float = 0.0

    def good(self) -> list[Answer]:
        return [one for one in self.answers if one.status < 300]

    def bad(self) -> int:
        """How many had no answer, or not a good one."""
        return len(self.answers) - len(self.good()) + self.missing

    def undisturbed(self) -> list[Answer]:
        """The good ones for whose whole time the processors were ours."""
        return [
            one
            for one in self.good()
            if not steal.is_within(self.disturbed, one.due, one.due + one.took / 1000)
        ]

    def percentile(self, share: float) -> float:
        """Of the good answers, in milliseconds; 0 where there are none."""
        return percentile([one.took for one in self.good()], share)

    def stall(self) -> float:
        """The longest time without any answer, in milliseconds."""
        ends = sorted(one.due * 1000 + one.took for one in self.answers)
        return max((after - before for before, after in pairwise(ends)), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def run(
    address: str,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    *,
    connections: int = 64,
    then: tuple[float, float] = (0.0, 0.0),
) -> Outcome:
    """Send `rate` requests a second for `seconds`, in order and over again; `then` is another
    rate, and for how many seconds, that follows at once."""
    due = moments((rate, seconds), then)
    host, _, port = address.partition(":")
    command: list[str | Path] = [_program(), host, port, str(connections), str(_PATIENCE)]
    watch, before = steal.Steal(), steal.counted()
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as told:
        _ask(asked, requests, due)
        client = subprocess.Popen(command, stdin=asked, stdout=told, stderr=subprocess.PIPE)
        with client:
            try:
                while client.poll() is None:
                    watch.look(time.perf_counter())
                    time.sleep(_LOOK)
            finally:
                client.kill()
            assert client.stderr is not None
            fault = client.stderr.read().decode()
        if client.returncode:
            raise ConnectionError(f"the client at a constant rate has ended: {fault.strip()}")
        told.seek(0)
        started, answers, sent, late = _told(told)
    behind = percentile(late, 0.99) * 1000
    missing = len(due) - len(answers)
    times = [(begin - started, end - started) for begin, end in watch.times()]
    stolen = steal.share(before, steal.counted())
    return Outcome(rate, answers, behind, missing, times, sent, stolen)


def check_is_here() -> None:
    """Raises LeftOut where the client cannot be compiled."""
    _program()


def _program() -> Path:
    """The client, compiled once for each of its versions."""
    source = _SOURCE.read_bytes()
    made = RESULTS.absolute() / f"open_loop-{blake2b(source, digest_size=8).hexdigest()}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        making = made.with_name(f"{made.name}.{os.getpid()}")
        command: list[str | Path] = ["cc", "-O2", "-o", making, _SOURCE]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise LeftOut("constant rates: cc is not on this machine (Debian: gcc)") from None
        except subprocess.CalledProcessError as failed:
            line = failed.stderr.partition("\n")[0]
            raise LeftOut(f"constant rates: the client is not for this machine: {line}") from None
        making.replace(made)
    return made


def _ask(into: IO[bytes], requests: Sequence[bytes], due: Sequence[float]) -> None:
    """Write what the client reads."""
    into.write(array("Q", [len(requests), len(due)]))
    for one in requests:
        into.write(array("Q", [len(one)]))
        into.write(one)
    into.write(array("d", due))
    into.seek(0)


def _told(by: IO[bytes]) -> tuple[float, list[Answer], list[float], list[float]]:
    """When the client began, its answers, when requests were sent, and how late. In seconds."""
    started, answers, sent, late = _HEAD.unpack(by.read(_HEAD.size))
    content = by.read(answers * _ANSWER.size)
    found = [
        Answer(due, took * 1000, status, status == 503 and bool(retry_after))
        for due, took, status, retry_after in _ANSWER.iter_unpack(content)
    ]
    times = array("d", by.read())
    return started, found, times[:sent].tolist(), times[sent : sent + late].tolist()


def moments(*phases: tuple[float, float]) -> list[float]:
    """When each request is due, in seconds from the beginning, where rates follow each other."""
    found: list[float] = []
    begins = 0.0
    for rate, seconds in phases:
        found += [begins + number / rate for number in range(int(rate * seconds))]
        begins += seconds
    return found
