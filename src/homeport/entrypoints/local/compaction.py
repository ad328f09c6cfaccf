"""Puts a search index that grew together anew, while little is asked of the server.

It is filled from the records beside the one that answers, and takes its place at once. No request
waits for that, so it begins once little was asked for some minutes, and leaves most of the
processor to requests. What a stop, or the end of the process, leaves of it is gone on with.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, cast

from homeport.domain.errors import HomeportError, Unavailable
from homeport.entrypoints.local.pacing import CALM, Pacing

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.index_records import Stage
    from homeport.domain.model.document import IndexStatus

LOOK_SECONDS: Final = 5.0
"""How often it looks how much is asked,"""
CALM_SECONDS: Final = 300.0
"""and how long little must have been asked at each look."""
AGAIN_SECONDS: Final = 3600.0
"""How long it is left alone after that at least, whatever came of it,"""
AGAIN_TIMES: Final = 4.0
"""and how many times as long as it took: where records change all the time, so does the index."""
DUTY: Final = 0.25
"""The share of the time that this thread works, at most. tantivy's, which give way to all others,
do half as much again."""

log: Final = logging.getLogger("homeport.gateway")


class _Stopped(Exception):
    """The server stops."""


class GrownIndex(Protocol):
    """The index of a data folder."""

    @property
    def is_scattered(self) -> bool: ...
    @property
    def has_room_to_rebuild(self) -> bool: ...
    def status(self) -> IndexStatus: ...
    def forget_left(self) -> None: ...


class Compaction:
    """Of the index in a data folder, beside the records. `served` counts the requests so far, to
    all processes; `computed` is the processor time that they took of this one's loop, in seconds.
    """

    def __init__(
        self, backend: Backend, served: Callable[[], int], computed: Callable[[], float]
    ) -> None:
        self._backend = backend
        self._served = served
        self._stopping = threading.Event()
        self._pacing = Pacing(served, computed, self._stopping.wait, most=DUTY)
        self._thread = threading.Thread(target=self._run, name="homeport-compaction", daemon=True)

    def start(self) -> None:
        adapters = self._backend.definition.adapters
        # Elsewhere records cost something to read, or the index sees to itself.
        if {adapters.record_store.use, adapters.search_index.use} == {"embedded"}:
            self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def join(self, timeout: float) -> bool:
        """Returns whether it has stopped."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._calms_down():
            began = time.monotonic()
            try:
                if not self._is_due():
                    continue
                self._compact()
            except _Stopped:
                return
            except HomeportError as error:
                log.warning("the search index could not be put together anew: %s", error)
            except Exception:
                log.exception("the search index could not be put together anew")
            took = time.monotonic() - began
            self._stopping.wait(max(AGAIN_SECONDS, AGAIN_TIMES * took))

    def _calms_down(self) -> bool:
        """Wait until little was asked for a while. False where the server stops first."""
        calm = 0.0
        while calm < CALM_SECONDS:
            before, since = self._served(), time.monotonic()
            if self._stopping.wait(LOOK_SECONDS):
                return False
            span = time.monotonic() - since
            calm = calm + span if self._served() - before <= CALM * span else 0.0
        return True

    @property
    def _index(self) -> GrownIndex:
        return cast("GrownIndex", self._backend.index)

    def _is_due(self) -> bool:
        """Also where one was left unfinished."""
        return self._index.is_scattered or self._index.status().rebuilding

    def _compact(self) -> None:
        began = time.monotonic()
        self._pacing.begin()
        try:
            if not self._index.has_room_to_rebuild:
                raise Unavailable("Its disk has no room for twice its size.")
            log.info("the search index is put together anew")
            done = self._backend.indexing.rebuild(self._go_on, in_this_thread=True)
        except _Stopped:
            raise
        except Exception:
            with suppress(HomeportError):
                self._index.forget_left()  # it may be what fills the disk
            raise
        log.info(
            "the search index was put together anew: %d records in %.0f s",
            done.records,
            time.monotonic() - began,
        )

    def _go_on(self, stage: Stage, done: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
