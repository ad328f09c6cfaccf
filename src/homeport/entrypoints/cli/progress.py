"""Shows how far a long piece of work has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Final, TextIO, TypeAlias

Advance: TypeAlias = Callable[[int], None]
"""Says that so many more are done. Safe to call from any thread."""

_EVERY: Final = 2.0
"""Seconds between two plain lines."""


@contextmanager
def progress(
    what: str, total: int | None = None, unit: str = "records", stream: TextIO | None = None
) -> Iterator[Advance]:
    """Show progress on `stream` (stderr), so that a command's output stays its own. A `total`
    may be a guess: once there is more it is shown no longer."""
    out = sys.stderr if stream is None else stream
    # Rich comes with the extra `local`, which the demo does not need otherwise.
    shown = _bar if out.isatty() and find_spec("rich") else _lines
    with shown(what, total, unit, out) as advance:
        yield advance


@contextmanager
def _bar(what: str, total: int | None, unit: str, stream: TextIO) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "")

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(""),
        TimeElapsedColumn(),
        *([] if total is None else [TextColumn("left:"), TimeRemainingColumn()]),
        console=Console(file=stream),
    ) as bar:
        task = bar.add_task(what, total=total)
        lock = threading.Lock()
        count = 0

        def advance(done: int) -> None:
            nonlocal count
            with lock:
                count += done
                bar.advance(task, done)
                if total is not None and count > total:
                    bar.tasks[0].total = None  # `update` takes this for nothing new

        yield advance


@contextmanager
def _lines(what: str, total: int | None, unit: str, stream: TextIO) -> Iterator[Advance]:
    lock = threading.Lock()
    began = last = time.monotonic()
    count = 0

    def line(ending: str) -> str:
        of = "" if total is None or count > total else f" of {total:,}"
        rate = count / max(time.monotonic() - began, 0.001)
        left = ""
        if total is not None and 0 < count < total:
            left = f", {(total - count) / rate:,.0f} s left"
        return f"{what}: {count:,}{of} {unit}, {rate:,.0f}/s{left}{ending}"

    def show(ending: str) -> None:
        with suppress(OSError):  # the work goes on where nobody looks any more
            print(line(ending), file=stream, flush=True)

    def advance(done: int) -> None:
        nonlocal count, last
        with lock:
            count += done
            if time.monotonic() - last >= _EVERY:
                last = time.monotonic()
                show(" ...")

    yield advance
    show("")
