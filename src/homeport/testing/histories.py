"""Adversarial histories: does a reader of a record store's changes ever miss one?

A history is drawn from a seed, so that a failing one can be run again. Writers create, patch
and delete; where a store's commits can be late, some writes take their stamp first and appear
later. In between readers pull with checkpoints of their own, slowly, in pages of 1 to 10, and
some throw away the checkpoint of an empty answer, as real clients do. In the end all must know
exactly what the store holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.checkpoints import Checkpoint, pull
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Delete, Patch, Put, Write, WriteRefused
from homeport.domain.ports.record_store import RecordStore

Commit: TypeAlias = Callable[[], list[Record]]
StampEarly: TypeAlias = Callable[[Sequence[Write]], Commit]
"""Stamps some writes now, and returns what makes them appear later."""

_COLLECTIONS: Final = ("notes", "tasks")
_SECOND: Final = 1_000_000


@dataclass
class Reader:
    """A client: what it asks for, how far it is, and the newest it knows of each record."""

    collection: str | None
    limit: int
    discards_empty: bool = False
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    known: dict[Key, tuple[int, bool]] = field(default_factory=dict)
    received: list[tuple[Key, int]] = field(default_factory=list)

    def pull(self, store: RecordStore, space: str) -> bool:
        """Take one page. Says whether it brought the reader on, or more is waiting."""
        page = pull(store, space, self.collection, self.checkpoint, self.limit)
        assert len(page.records) <= self.limit, "a page is longer than its limit"
        for record in page.records:
            self.received.append((record.key, record.version))
            known = self.known.get(record.key, (0, False))
            self.known[record.key] = max(known, (record.version, record.deleted))
        moved = page.checkpoint != self.checkpoint
        if page.records or not self.discards_empty:
            self.checkpoint = page.checkpoint
            return moved or page.more
        return page.more

    def drain(self, store: RecordStore, space: str) -> None:
        for _ in range(2_000):
            if not self.pull(store, space):
                return
        raise AssertionError("a reader never comes to the end of the changes")

    def check(self, store: RecordStore, keys: Sequence[Key]) -> None:
        """Fail unless the reader knows each of `keys` as the store has it."""
        for key in keys:
            if self.collection in (None, key.collection):
                record = store.get(key)
                held = None if record is None else (record.version, record.deleted)
                assert self.known.get(key) == held, f"a reader missed a change of {key}"


class History:
    """One history of 30 to 90 steps. `window` is how late a commit can be, in seconds; the
    clock is set back too, by up to a third of it. Without `clock` the time is the store's own.
    """

    def __init__(
        self,
        store: RecordStore,
        space: str,
        seed: int,
        clock: ManualClock | None,
        stamp_early: StampEarly | None,
        window: float,
    ) -> None:
        self._store = store
        self._space = space
        self._draw = random.Random(seed)
        self._clock = clock
        self._stamp_early = stamp_early
        self._window = round(window * _SECOND)
        self._keys = [Key(space, name, f"r{n}") for name in _COLLECTIONS for n in range(4)]
        self._readers = [
            Reader(self._draw.choice((None, *_COLLECTIONS)), self._draw.randint(1, 10), forgetful)
            for forgetful in (False, False, True)
        ]
        self._late: list[tuple[int, Commit]] = []
        """What has its stamp and does not show yet, with the time of its stamp."""
        self._latest = 0 if clock is None else clock.now()
        self._horizon = 0

    def run(self) -> None:
        actions: list[Callable[[], None]] = [self._write, self._write, self._read, self._read]
        if self._clock is not None:
            actions.append(self._move_clock)
            if self._stamp_early is not None:
                actions += [self._begin_late, self._commit_late]
        for _ in range(self._draw.randint(30, 90)):
            self._draw.choice(actions)()
        while self._late:
            self._commit_late()
        if self._clock is not None:
            self._clock.set(self._latest + 2 * self._window)
        for reader in self._readers:
            reader.drain(self._store, self._space)
            reader.check(self._store, self._keys)
            if self._stamp_early is None:
                again = len(reader.received) - len(set(reader.received))
                assert not again, "a change was delivered twice though no commit is ever late"

    def _write(self) -> None:
        writes = self._some_writes()
        self._commit(lambda: self._store.write(writes))

    def _begin_late(self) -> None:
        assert self._clock is not None and self._stamp_early is not None
        self._late.append((self._clock.now(), self._stamp_early(self._some_writes())))

    def _commit_late(self) -> None:
        if self._late:
            self._commit(self._late.pop(self._draw.randrange(len(self._late)))[1])

    def _move_clock(self) -> None:
        """Onwards or back, letting appear beforehand what would else be later than allowed."""
        assert self._clock is not None
        share = self._draw.choice((0.0001, 0.1, 0.3, 0.9, -0.3))
        now = self._clock.now() + round(share * self._window)
        if now < self._latest - self._window // 3:
            return
        overdue = [late for late in self._late if late[0] + self._window <= now]
        for late in overdue:
            self._late.remove(late)
            self._commit(late[1])
        self._clock.set(now)
        self._latest = max(self._latest, now)

    def _read(self) -> None:
        page = self._store.changes(self._space, None, Position(0), 1)
        self._horizon = max(self._horizon, page.horizon)
        self._draw.choice(self._readers).pull(self._store, self._space)

    def _commit(self, commit: Commit) -> None:
        try:
            records = commit()
        except WriteRefused:
            return
        for record in records:
            told = f"version {record.version} appeared at or below horizon {self._horizon}"
            assert record.version > self._horizon, told

    def _some_writes(self) -> list[Write]:
        keys = self._draw.sample(self._keys, self._draw.choice((1, 1, 1, 3)))
        return [_any_write(self._draw, key) for key in keys]


def _any_write(draw: random.Random, key: Key) -> Write:
    kind = draw.random()
    if kind < 0.6:
        return Put(key, "anna", Data.of({"n": draw.randint(0, 9)}))
    if kind < 0.8:
        return Patch(key, "anna", {"p": draw.randint(0, 9)})
    return Delete(key, "anna")


def follow_writers(store: RecordStore, space: str, clock: ManualClock | None) -> None:
    """Three threads write while a reader follows; in the end it must know all."""
    keys = [Key(space, name, f"r{n}") for name in _COLLECTIONS for n in range(5)]
    reader = Reader(None, 7)

    def write(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            store.write([Put(draw.choice(keys), "anna", Data.of({"n": draw.randint(0, 9)}))])

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, seed) for seed in range(3)]
        while not all(writer.done() for writer in writers):
            reader.pull(store, space)
    for writer in writers:
        writer.result()
    if clock is not None:
        clock.advance(3600)
    reader.drain(store, space)
    reader.check(store, keys)
