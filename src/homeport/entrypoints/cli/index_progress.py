"""Progress of what goes through several stages: a bar, or lines, for each as it begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from homeport.domain.index_records import Progress, Stage
from homeport.entrypoints.cli.progress import Advance, progress

_TITLES: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.WAITING: ("Waiting until all write to the new index", "seconds"),
    Stage.FILLING: ("Rebuilding the index", "records"),
    Stage.COMPARING: ("Comparing records", "records"),
    Stage.WALKING: ("Comparing the index", "entries"),
}


@contextmanager
def staged(expected: int) -> Iterator[Progress]:
    """`expected` is how many documents the index has, as far as that is known; 0 where it is not.
    How many records there are nobody knows before they were gone through."""
    lock = threading.Lock()
    stages: list[Stage] = []
    counts = dict.fromkeys(Stage, 0)
    advance: Advance | None = None
    with ExitStack() as shown:

        def total(stage: Stage) -> int | None:
            filled = counts[Stage.FILLING]
            if stage is Stage.FILLING:
                return expected or None  # the best guess before
            if stage is Stage.COMPARING:
                return filled or None
            if stage is Stage.WALKING:
                return filled or expected or None
            return None

        def moved(stage: Stage, done: int) -> None:
            nonlocal advance
            with lock:
                if advance is None or stage is not stages[-1]:
                    shown.close()
                    what, unit = _TITLES[stage]
                    advance = shown.enter_context(progress(what, total(stage), unit))
                    stages.append(stage)
                counts[stage] += done
                advance(done)

        yield moved
