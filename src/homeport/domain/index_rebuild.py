"""Fills a new search index from all records, and lets it take the old one's place.

The old one answers until then. How far it has come is kept with the new index, so that a process
that is killed at any point leaves something to go on with: each part of the store goes on after
the last key that was kept. What was applied after that is applied again, and what changed while
nobody was at it is found when the new index is held against the records before the swap.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final

from homeport.domain.errors import Conflict, HomeportError, Invalid, Unavailable
from homeport.domain.index_records import (
    IndexRecords,
    Pace,
    Progress,
    Stage,
    side_by_side,
    silent,
)
from homeport.domain.index_verify import Drift, IndexVerify
from homeport.domain.model.document import Rejection
from homeport.domain.model.record import Key
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.search_index import ANY_PORTION, Rebuild, SearchIndex


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. `rejected` are records that the index would not take, up to 100 of
    the `rejected_count`; `resumed` are the records that another process had brought in before."""

    records: int
    rejected: tuple[Rejection, ...] = ()
    rejected_count: int = 0
    resumed: int = 0


class IndexRebuild:
    """`rate` is how many records a second are read at most, all parts together. `in_this_thread`,
    one part is read after the other. `pause` is called between two steps, for whoever shares its
    processor with requests."""

    def __init__(
        self,
        records: IndexRecords,
        index: SearchIndex,
        pace: Pace,
        progress: Progress = silent,
        *,
        rate: float | None = None,
        in_this_thread: bool = False,
        pause: Pause = go_on,
    ) -> None:
        if rate is not None and rate <= 0:
            raise Invalid("A rate is a number of records a second above 0.")
        self._records: Final = records.in_one_part() if in_this_thread else records
        self._in_this_thread: Final = in_this_thread
        self._index: Final = index
        self._pace: Final = pace
        self._progress: Final = progress
        self._rate: Final = rate
        self._pause: Final = pause

    def run(self, *, grace: float = 0.0, fresh: bool = False) -> Rebuilt:
        """Begin, or go on with what was left; with `fresh` what was left is thrown away.

        The old index may be dropped `grace` seconds after the swap. Raises Conflict while another
        rebuild is at work, and Unavailable where the new index does not come to equal the
        records, which is then thrown away. Whatever else goes wrong leaves it to be gone on with.
        """
        rebuild = self._index.rebuild()
        if fresh:
            rebuild.abandon()
            rebuild = self._index.rebuild()
        course = _Course(rebuild, self._records.segments, self._pace, self._rate is not None)
        resumed = course.records
        try:
            self._await_head_start(rebuild, course)
            self._fill(rebuild, course)
            drift = self._verify(rebuild, course)
            if drift.left == 0:
                rebuild.commit(grace)
                return Rebuilt(course.records, drift.rejected, drift.rejected_count, resumed)
        except BaseException as exc:
            if not isinstance(exc, Conflict):
                with suppress(HomeportError):
                    course.keep()
            with suppress(HomeportError):
                rebuild.leave()
            raise
        rebuild.abandon()
        raise Unavailable("The new index does not come to equal the records: try again.")

    def _await_head_start(self, rebuild: Rebuild, course: _Course) -> None:
        """Until all who change the index write to the new one too, and have written there what
        they had read of the records before."""
        left = rebuild.head_start
        if left > 0:
            left += self._pace.behind()
        while left > 0:
            some = min(left, _KEEP_SECONDS)
            self._pace.sleep(some)
            course.keep()
            left -= some
            self._progress(Stage.WAITING, round(some))

    def _fill(self, rebuild: Rebuild, course: _Course) -> None:
        throttle = _Throttle(self._rate, self._pace)
        limit = _PAGE
        if self._in_this_thread:
            limit = min(_SMALL_PAGE, max(1, rebuild.portion // PAGES))
        elif rebuild.portion < ANY_PORTION:
            limit = min(_PAGE, max(_SMALL_PAGE, rebuild.portion // (PAGES * course.segments)))
        if self._rate is not None:
            limit = max(1, min(limit, int(self._rate / course.segments)))

        def fill(segment: int, stop: Event) -> None:
            after = course.after(segment)
            for last, page in self._records.pages(segment, course.segments, limit, after):
                throttle.wait(len(page), stop)
                if stop.is_set():
                    return
                changes = []
                for one in page:
                    changes.append(self._records.change(one.key, one, one.version))
                    self._pause()
                rebuild.apply(changes)
                course.advance(segment, last, len(page))
                self._progress(Stage.FILLING, sum(not one.deleted for one in page))
            course.finish(segment)

        if self._in_this_thread:  # also what was begun in several parts
            for segment in course.open():
                fill(segment, Event())
        else:
            side_by_side(course.open(), fill)
        course.keep()

    def _verify(self, rebuild: Rebuild, course: _Course) -> Drift:
        def progress(stage: Stage, done: int) -> None:
            course.keep_if_due()  # nothing new, but others see that somebody is at it
            self._progress(stage, done)

        return IndexVerify(
            self._records,
            rebuild,
            self._pace,
            progress,
            repair=True,
            in_place=self._index.in_place,
            hasty=True,
            pause=self._pause,
        ).run()


class _Course:
    """How far each part of the store has come, kept with the new index now and then.

    A place is JSON: the number of segments, for each the last key that was applied (null: none
    yet; true: all of it), and how many records that were.
    """

    def __init__(self, rebuild: Rebuild, segments: int, pace: Pace, has_rate: bool) -> None:
        self._rebuild: Final = rebuild
        self._pace: Final = pace
        self._lock: Final = Lock()
        self._keeping: Final = Lock()
        self._places: list[Key | bool | None] = [None] * segments
        self.records = 0
        with suppress(ValueError, KeyError, TypeError):
            # Of a version that wrote something else, everything is read again.
            said = json.loads(rebuild.place)
            self._places = [_place(one) for one in said["after"]] or self._places
            self.records = int(said["records"])
        self._kept = self.records
        self._kept_at = pace.now()
        self._portion: Final = min(rebuild.portion, _KEEP_RECORDS)
        # Else work that rests a lot would be kept in many small portions.
        self._by_time: Final = has_rate or rebuild.portion >= ANY_PORTION

    @property
    def segments(self) -> int:
        """As many as when the rebuild began: where a part begins depends on it."""
        return len(self._places)

    def open(self) -> list[int]:
        """The segments that are not done."""
        return [one for one, place in enumerate(self._places) if place is not True]

    def after(self, segment: int) -> Key | None:
        place = self._places[segment]
        return place if isinstance(place, Key) else None

    def advance(self, segment: int, last: Key, count: int) -> None:
        with self._lock:
            self._places[segment] = last
            self.records += count
        self.keep_if_due()

    def keep_if_due(self) -> None:
        with self._lock:
            due = self.records - self._kept >= self._portion or (
                self._by_time and self._pace.now() - self._kept_at >= _KEEP_SECONDS
            )
        if due and self._keeping.acquire(blocking=False):
            try:
                self.keep()
            finally:
                self._keeping.release()

    def finish(self, segment: int) -> None:
        with self._lock:
            self._places[segment] = True

    def keep(self) -> None:
        with self._lock:
            records, said = self.records, {"after": list(self._places), "records": self.records}
        self._rebuild.keep(json.dumps(said))
        with self._lock:
            self._kept, self._kept_at = max(self._kept, records), self._pace.now()


def _place(said: Any) -> Key | bool | None:
    if said is None or said is True:
        return said
    space, collection, id = map(str, said)
    return Key(space, collection, id)


class _Throttle:
    """Lets so many records through in a second, or any number."""

    def __init__(self, rate: float | None, pace: Pace) -> None:
        self._rate: Final = rate
        self._pace: Final = pace
        self._lock: Final = Lock()
        self._free = pace.now()

    def wait(self, count: int, stop: Event) -> None:
        """Until so many more may go through, or everybody is to stop."""
        if self._rate is None or count == 0:
            return
        with self._lock:
            now = self._pace.now()
            begin = max(now, self._free)
            self._free = begin + count / self._rate
        left = begin - now
        while left > 0 and not stop.is_set():
            some = min(left, _STOP_SECONDS)
            self._pace.sleep(some)
            left -= some


_PAGE: Final = 500
_SMALL_PAGE: Final = 100
"""Records in one page of a scan: what changes meanwhile waits until one is in the new index, which
takes longer where that rests in between."""
PAGES: Final = 50
"""In a portion, which ends with a page: so it has up to a fiftieth more. Where parts are read side
by side, and pages would be very small, it may be more."""
_STOP_SECONDS: Final = 0.5
"""How long a slow rebuild takes to notice that it is to stop."""
_KEEP_RECORDS: Final = 20_000
_KEEP_SECONDS: Final = 10.0
"""How much is done again at most after a process was killed, where it is kept by time."""
