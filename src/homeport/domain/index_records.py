"""The records as the search index is to have them, read in parts and side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import Final, TypeAlias

from homeport.domain.document_builder import build_document
from homeport.domain.limits import GET_KEYS
from homeport.domain.model import names, versions
from homeport.domain.model.collection import Catalog
from homeport.domain.model.document import IndexChange, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.record_store import RecordStore


class Stage(StrEnum):
    """What goes on while an index is rebuilt or verified, one after the other."""

    WAITING = "waiting"
    """Counted in seconds: until every process writes to the new index as well."""
    FILLING = "filling"
    """Counted in records that went into the new index, tombstones left out."""
    COMPARING = "comparing"
    """Counted in records that were held against the index."""
    WALKING = "walking"
    """Counted in entries of the index that were looked for among the records."""


Progress: TypeAlias = Callable[[Stage, int], None]
"""Called now and then, from any thread, with how much was done since the last call."""


def silent(stage: Stage, done: int) -> None:
    """No progress is wanted."""


def _at_once(seconds: float) -> None:
    """Where no time passes there is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes while an index is worked on.

    `lag` measures how many seconds the index is behind the records. Without it nobody else
    writes meanwhile, nor would anything be indexed by waiting. Without a clock no time passes.
    """

    clock: Clock | None = None
    sleep: Callable[[float], None] = _at_once
    lag: Callable[[], float] | None = None

    def now(self) -> float:
        """In seconds."""
        return 0.0 if self.clock is None else self.clock.now() / 1_000_000

    def behind(self) -> float:
        return 0.0 if self.lag is None else self.lag()

    def age(self, version: int) -> float:
        """Seconds since a version was stamped; all are old where there is nothing to wait for."""
        if self.lag is None:
            return float("inf")
        return self.now() - versions.time_of(version) / 1_000_000


class IndexRecords:
    """`segments` is how many parts of the store are read side by side."""

    def __init__(self, store: RecordStore, catalog: Catalog, segments: int = 4) -> None:
        self._store: Final = store
        self._catalog: Final = catalog
        self.segments: Final = segments

    def in_one_part(self) -> IndexRecords:
        return IndexRecords(self._store, self._catalog, 1)

    def pages(
        self, segment: int, segments: int, limit: int = 500, after: Key | None = None
    ) -> Iterator[tuple[Key, list[Record]]]:
        """A segment of the store beyond a key, without what is hidden, tombstones included: each
        page with the key that the next one goes on after."""
        while page := self._store.scan(segment, segments, limit, after):
            after = page[-1].key
            yield after, [one for one in page if not names.is_hidden(one.key.space)]

    def read(self, keys: Sequence[Key]) -> Iterator[tuple[Key, Record | None]]:
        """The records of any number of keys, as they are by now. Hidden ones count for none."""
        for start in range(0, len(keys), GET_KEYS):
            part = keys[start : start + GET_KEYS]
            for key, record in zip(part, self._store.get_many(part), strict=True):
                yield key, None if names.is_hidden(key.space) else record

    def change(self, key: Key, record: Record | None, version: int) -> IndexChange:
        """What to tell the index; `version` counts where the store has nothing at all."""
        if record is None or record.data is None:
            return Removal(key, version if record is None else record.version)
        return build_document(record, self._catalog)


def side_by_side(segments: Sequence[int], work: Callable[[int, Event], None]) -> None:
    """Do `work` for each segment in a thread of its own, and for a single one in this thread.

    The first that fails, or an interruption, sets the event: the others are to end soon then.
    """
    stop = Event()
    if len(segments) == 1:
        work(segments[0], stop)
        return
    with ThreadPoolExecutor(max(1, len(segments)), thread_name_prefix="index") as pool:
        try:
            for done in as_completed([pool.submit(work, one, stop) for one in segments]):
                done.result()
        except BaseException:
            stop.set()
            raise


def parts(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Keys in as many as an index, or a store, is asked for at once."""
    for start in range(0, len(keys), GET_KEYS):
        yield keys[start : start + GET_KEYS]
