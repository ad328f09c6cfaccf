"""Two search indexes side by side for a time: how one engine is left for another.

The first answers. The second gets every change and every query too, and how its answers differ
is counted. Nothing that the second does, or fails to do, reaches a caller. Once it answers as
wanted, it takes the first one's place by one setting.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from homeport.domain.model.document import IndexChange, IndexEntry, IndexStatus, Rejection
from homeport.domain.model.query import Hit, SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import Capability, Rebuild, SearchIndex


class Differs(StrEnum):
    """How the second's answer differs from the first's. One answer can differ in several ways."""

    HITS = "hits"
    """It has other records on the page, or other versions of them."""
    ORDER = "order"
    """It has the same ones in another order: engines weigh words differently."""
    TOTAL = "total"
    FACETS = "facets"
    FAILED = "failed"
    """It did not answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One query that was answered differently, with the hits of both, and why one failed."""

    query: SearchQuery
    differs: tuple[Differs, ...]
    first: tuple[Key, ...]
    second: tuple[Key, ...] = ()
    totals: tuple[int, int | None] = (0, None)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What was seen so far. `skipped` queries were not sent to the second, since it was too far
    behind; `missed` changes did not reach it, and it refused `rejected`: verify it with repair
    before it takes over. The times are in seconds, all queries together that both answered.
    """

    asked: int = 0
    equal: int = 0
    differing: tuple[tuple[Differs, int], ...] = ()
    skipped: int = 0
    missed: int = 0
    rejected: int = 0
    first_seconds: float = 0.0
    second_seconds: float = 0.0
    slowest: float = 0.0
    """Of the second."""
    samples: tuple[Sample, ...] = ()

    @property
    def answered(self) -> int:
        """By both."""
        return self.asked - dict(self.differing).get(Differs.FAILED, 0)


def _no_time() -> float:
    return 0.0


class Comparison:
    """Counts how answers differ, and keeps samples. Safe to use from several threads."""

    def __init__(self, timer: Callable[[], float] = _no_time) -> None:
        self.timer: Final = timer
        self._lock: Final = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._differing: Counter[Differs] = Counter()
        self._seconds = [0.0, 0.0]
        self._slowest = 0.0
        self._samples: list[Sample] = []

    def compare(
        self, query: SearchQuery, first: SearchPage, seconds: float, second: SearchIndex
    ) -> Sample | None:
        """Ask the second, and count. Returns how it differs. `seconds` is what the first took."""
        keys = tuple(hit.key for hit in first.hits)
        begun = self.timer()
        try:
            page = second.search(query)
        except Exception as exc:  # noqa: BLE001 - whatever goes wrong with the second is a finding
            cause = f"{type(exc).__name__}: {exc}"
            return self._note(Sample(query, (Differs.FAILED,), keys, cause=cause))
        taken = self.timer() - begun
        with self._lock:
            self._seconds[0] += seconds
            self._seconds[1] += taken
            self._slowest = max(self._slowest, taken)
        found = tuple(hit.key for hit in page.hits)
        totals = (first.total, page.total)
        return self._note(Sample(query, tuple(_differences(first, page)), keys, found, totals))

    def count(self, what: str, number: int = 1) -> None:
        """Count what a ShadowReport has under this name."""
        with self._lock:
            self._counts[what] += number

    def report(self) -> ShadowReport:
        with self._lock:
            return ShadowReport(
                differing=tuple(sorted(self._differing.items())),
                first_seconds=self._seconds[0],
                second_seconds=self._seconds[1],
                slowest=self._slowest,
                samples=tuple(self._samples),
                **self._counts,
            )

    def _note(self, sample: Sample) -> Sample | None:
        with self._lock:
            self._counts["asked"] += 1
            if not sample.differs:
                self._counts["equal"] += 1
                return None
            self._differing.update(sample.differs)
            if len(self._samples) < _SAMPLES:
                self._samples.append(sample)
            return sample


class ShadowedIndex:
    """A search index over two. `told` is given each difference as it is found.

    The second is asked in a thread of its own, after the first has answered, so that nobody
    waits for it; where it is too slow to keep up, queries are skipped.
    """

    def __init__(
        self,
        first: SearchIndex,
        second: SearchIndex,
        told: Callable[[Sample], None] | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        self.first: Final = first
        self.second: Final = second
        self._told: Final = told
        self._comparison: Final = comparison or Comparison()
        self._room: Final = threading.BoundedSemaphore(_WAITING)
        self._pool: Final = ThreadPoolExecutor(1, thread_name_prefix="shadow")

    def __getattr__(self, name: str) -> Any:
        """What an adapter has besides the port is the first's."""
        return getattr(self.first, name)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.first.capabilities

    @property
    def in_place(self) -> bool:
        return self.first.in_place

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        rejections = self.first.apply(changes)
        try:
            refused = self.second.apply(changes)
        except Exception:  # noqa: BLE001 - the stream must go on without the second
            self._comparison.count("missed", len(changes))
        else:
            self._comparison.count("rejected", len(refused))
        return rejections

    def search(self, query: SearchQuery) -> SearchPage:
        begun = self._comparison.timer()
        page = self.first.search(query)
        taken = self._comparison.timer() - begun
        if self._room.acquire(blocking=False):
            try:
                self._pool.submit(self._compare, query, page, taken)
            except RuntimeError:  # closed meanwhile
                self._room.release()
        else:
            self._comparison.count("skipped")
        return page

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]:
        return self.first.entries(limit, after)

    def versions(self, keys: Sequence[Key]) -> list[int | None]:
        return self.first.versions(keys)

    def status(self) -> IndexStatus:
        return self.first.status()

    def rebuild(self) -> Rebuild:
        """Of the first alone: the second is rebuilt by itself."""
        return self.first.rebuild()

    def report(self) -> ShadowReport:
        """What has been seen since the process began."""
        return self._comparison.report()

    def close(self) -> None:
        """Wait for what was asked of the second. The two indexes are not closed by it."""
        self._pool.shutdown()

    def _compare(self, query: SearchQuery, page: SearchPage, seconds: float) -> None:
        try:
            sample = self._comparison.compare(query, page, seconds, self.second)
            if sample is not None and self._told is not None:
                self._told(sample)
        finally:
            self._room.release()


def _differences(first: SearchPage, second: SearchPage) -> list[Differs]:
    found = []
    one, other = ([(hit.key, hit.version) for hit in page.hits] for page in (first, second))
    if sorted(one) != sorted(other):
        found.append(Differs.HITS)
    elif _order_differs(first.hits, second.hits):
        found.append(Differs.ORDER)
    if first.total != second.total:
        found.append(Differs.TOTAL)
    if first.facets != second.facets:
        found.append(Differs.FACETS)
    return found


def _order_differs(first: Sequence[Hit], second: Sequence[Hit]) -> bool:
    """Whether two hits come in another order, and neither says that they are alike: those of one
    score may come in any. Hits that are sorted by a field have an order without ties."""
    places = {hit.key: (-hit.score, place) for place, hit in enumerate(second)}
    for place, one in enumerate(first):
        for other in first[place + 1 :]:
            score, later = places[one.key], places[other.key]
            if one.sort_value is None and one.score > 0:
                if one.score > other.score and score[0] > later[0]:
                    return True
            elif score > later:
                return True
    return False


_SAMPLES: Final = 100
_WAITING: Final = 64
"""Queries that may wait for the second."""
