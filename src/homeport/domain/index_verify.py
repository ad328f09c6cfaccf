"""Holds the search index against the records, and mends what differs.

Two passes, each in memory that does not grow: the records ask the index for their versions
(what is missing, what is stale), and the entries of the index are looked for among the records
(strays). Writes may go on meanwhile. A difference counts once its record is older than the
index lags behind; a younger one is looked at again after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, RLock
from typing import Final, Protocol

from homeport.domain.index_records import (
    IndexRecords,
    Pace,
    Progress,
    Stage,
    parts,
    side_by_side,
    silent,
)
from homeport.domain.model.document import Document, IndexChange, IndexEntry, Rejection
from homeport.domain.model.record import Key, Record
from homeport.domain.pauses import Pause, go_on


class Verifiable(Protocol):
    """An index, or a rebuild of one."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]: ...

    def entries(self, limit: int, after: Key | None = None) -> list[IndexEntry]: ...

    def versions(self, keys: Sequence[Key]) -> list[int | None]: ...


class Difference(StrEnum):
    MISSING = "missing"
    STALE = "stale"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Drift:
    """How the index differs from the records; the lists end at 100 keys, the counts do not.

    With a repair, `mended` of the differences are there no more; what the index refused is in
    `rejected`. Where more than both differ, the index is ahead of the records, as after a
    restore of older ones: then it has to be rebuilt.
    """

    records: int = 0
    entries: int = 0
    missing_count: int = 0
    stale_count: int = 0
    stray_count: int = 0
    missing: tuple[Key, ...] = ()
    """Records that the index does not have."""
    stale: tuple[Key, ...] = ()
    """Records that the index has at another version."""
    stray: tuple[Key, ...] = ()
    """What the index has and the store does not."""
    mended: int = 0
    rejected_count: int = 0
    rejected: tuple[Rejection, ...] = ()

    @property
    def count(self) -> int:
        return self.missing_count + self.stale_count + self.stray_count

    @property
    def clean(self) -> bool:
        return self.count == 0

    @property
    def left(self) -> int:
        """Differences that are still there, and that the index did not refuse to have mended."""
        return self.count - self.mended - self.rejected_count


class IndexVerify:
    """Runs once. With `in_place` the engine tells no versions apart (see `SearchIndex`); `hasty`
    mends every difference at once, however young: what is right for an index nobody asks yet.
    `pause` is called between two steps."""

    def __init__(
        self,
        records: IndexRecords,
        index: Verifiable,
        pace: Pace,
        progress: Progress = silent,
        *,
        repair: bool = False,
        in_place: bool = False,
        hasty: bool = False,
        pause: Pause = go_on,
    ) -> None:
        self._records: Final = records
        self._index: Final = index
        self._pace: Final = pace
        self._progress: Final = progress
        self._repair: Final = repair
        self._in_place: Final = in_place
        self._hasty: Final = hasty
        self._pause: Final = pause
        self._lock: Final = RLock()
        self._suspects: dict[Key, None] = {}
        self._young: dict[Key, _Young] = {}
        self._found = _Found()
        self._window = self._lag()

    def run(self) -> Drift:
        segments = self._records.segments
        side_by_side(range(segments), self._compare)
        self._settle_all()
        self._walk()
        self._settle_all()
        return self._found.drift()

    def _compare(self, segment: int, stop: Event) -> None:
        """The records of one segment: does the index have them?"""
        for _, page in self._records.pages(segment, self._records.segments):
            if stop.is_set():
                return
            expected = {one.key: one.version for one in page if one.data is not None}
            for keys in parts(list(expected)):
                held = zip(keys, self._index.versions(keys), strict=True)
                self._suspect(key for key, version in held if version != expected[key])
                self._pause()
            with self._lock:
                self._found.records += len(expected)
            self._progress(Stage.COMPARING, len(expected))

    def _walk(self) -> None:
        """The entries of the index: does the store have them?"""
        after: Key | None = None
        while page := self._index.entries(_ENTRIES, after):
            after = page[-1].key
            for keys in parts([one.key for one in page]):
                read = self._records.read(keys)
                self._suspect(key for key, record in read if record is None or record.data is None)
                self._pause()
            self._found.entries += len(page)
            self._progress(Stage.WALKING, len(page))

    def _suspect(self, keys: Iterable[Key]) -> None:
        found = dict.fromkeys(keys)
        if not found:
            return
        with self._lock:
            self._suspects.update(found)
            if len(self._suspects) >= _SUSPECTS:
                self._check_suspects()

    def _check_suspects(self) -> None:
        """Look again: what was read a moment ago may have moved between the two readings."""
        suspects, self._suspects = list(self._suspects), {}
        for keys in parts(suspects):
            # The index first: it never has more than the store had by then.
            held = self._index.versions(keys)
            differing = []
            for (key, record), version in zip(self._records.read(keys), held, strict=True):
                kind = _difference(record, version)
                if kind is None or self._is_settled(key, record, version):
                    self._young.pop(key, None)
                elif not self._is_young(key, record):
                    self._young.pop(key, None)
                    differing.append((key, record, version, kind))
            self._count(differing)
        if len(self._young) >= _SUSPECTS:
            self._wait_for_young()

    def _is_young(self, key: Key, record: Record | None) -> bool:
        """Whether the index may still come to have the record as it is, by itself."""
        if self._hasty or record is None or self._pace.age(record.version) >= self._window:
            return False
        rounds = self._young[key].rounds if key in self._young else 0
        if rounds >= _ROUNDS:
            return False
        self._young[key] = _Young(record.version, rounds + 1)
        return True

    def _is_settled(self, key: Key, record: Record | None, held: int | None) -> bool:
        """Whether the index has come to what a young record was, which has moved on since: it
        follows, and will come to the rest."""
        young = self._young.get(key)
        if young is None or record is None or held is None or record.version == young.version:
            return False
        return young.version <= held <= record.version

    def _wait_for_young(self) -> None:
        self._window = max(self._window, self._lag())
        self._pace.sleep(self._window)
        self._suspects.update(dict.fromkeys(self._young))
        self._check_suspects()

    def _lag(self) -> float:
        """Within how many seconds a change is to be in the index."""
        return min(self._pace.behind(), _LONGEST) + _MARGIN

    def _settle_all(self) -> None:
        with self._lock:
            self._check_suspects()
            for _ in range(_ROUNDS + 1):
                if self._young:
                    self._wait_for_young()

    def _count(self, differing: list[tuple[Key, Record | None, int | None, Difference]]) -> None:
        new = [one for one in differing if self._found.add(one[0], one[3])]
        if not self._repair or not new:
            return
        changes = [
            self._records.change(key, record, (held or 0) + 1) for key, record, held, _ in new
        ]
        rejected = {one.key: one for one in self._apply(changes)}
        self._found.reject(rejected.values())
        sent = {one.key: one for one in changes if one.key not in rejected}
        held_now = self._index.versions(list(sent)) if sent else []
        for (key, record), version in zip(self._records.read(list(sent)), held_now, strict=True):
            change = sent[key]
            wanted = change.version if isinstance(change, Document) else None
            # What has moved since reaches the index as every change does.
            moved = record is not None and record.version != change.version
            self._found.mended += moved or version == wanted

    def _apply(self, changes: list[IndexChange]) -> list[Rejection]:
        """Apply, and again what has changed by then where the engine tells no versions apart."""
        rejected = {one.key: one for one in self._index.apply(changes)}
        for _ in range(_ROUNDS if self._in_place else 0):
            sent = {one.key: one for one in changes if one.key not in rejected}
            changes = [
                self._records.change(key, record, sent[key].version)
                for key, record in self._records.read(list(sent))
                if record is not None and record.version != sent[key].version
            ]
            if not changes:
                break
            rejected |= {one.key: one for one in self._index.apply(changes)}
        return list(rejected.values())


@dataclass(frozen=True, slots=True)
class _Young:
    version: int
    rounds: int


def _difference(record: Record | None, held: int | None) -> Difference | None:
    if record is None or record.data is None:
        return None if held is None else Difference.STRAY
    if held is None:
        return Difference.MISSING
    return None if held == record.version else Difference.STALE


@dataclass(slots=True)
class _Found:
    records: int = 0
    entries: int = 0
    counts: dict[Difference, int] = field(default_factory=lambda: dict.fromkeys(Difference, 0))
    samples: dict[Difference, list[Key]] = field(
        default_factory=lambda: {one: [] for one in Difference}
    )
    mended: int = 0
    rejections: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    strays: set[Key] = field(default_factory=set)

    def add(self, key: Key, kind: Difference) -> bool:
        """Count a difference; False for a stray that the first pass has counted already."""
        if key in self.strays:
            return False
        if kind is Difference.STRAY and len(self.strays) < _REMEMBERED:
            self.strays.add(key)
        samples = self.samples[kind]
        self.counts[kind] += 1
        if len(samples) < _SHOWN:
            samples.append(key)
        return True

    def reject(self, rejections: Iterable[Rejection]) -> None:
        for one in rejections:
            self.rejections += 1
            if len(self.rejected) < _SHOWN:
                self.rejected.append(one)

    def drift(self) -> Drift:
        return Drift(
            self.records,
            self.entries,
            self.counts[Difference.MISSING],
            self.counts[Difference.STALE],
            self.counts[Difference.STRAY],
            tuple(self.samples[Difference.MISSING]),
            tuple(self.samples[Difference.STALE]),
            tuple(self.samples[Difference.STRAY]),
            self.mended,
            self.rejections,
            tuple(self.rejected),
        )


_ENTRIES: Final = 5000
"""Entries of the index in one page; an index has to sort what is left for each."""
_SUSPECTS: Final = 1000
"""Differences that are looked at again together."""
_MARGIN: Final = 5.0
"""Seconds that a change may take into the index beyond what the lag was measured to be."""
_LONGEST: Final = 600.0
"""Seconds that are waited for an index that is far behind: then it differs, to anybody's eye."""
_ROUNDS: Final = 3
_SHOWN: Final = 100
_REMEMBERED: Final = 100_000
"""Strays that are known again; more of them are counted, and removed, twice."""
