"""A queue in the data file."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import apsw

from homeport.adapters.embedded.database import Database
from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge, Unavailable
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT, HoldingBack
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import NEVER_ENDED, DeadLetter, Retry
from homeport.domain.ports.message_queue import Delivery, Work

_SECOND: Final = 1_000_000
_SOURCE: Final = "queue:messages"


class EmbeddedMessageQueue:
    """Bodies are durable before `enqueue` returns, and leave only after they were worked on.

    What is being worked on is known to this process alone, the only one to deliver from the
    file: after a crash it is due again. An attempt is counted, durably, before it begins, so that
    what kills the process becomes a dead letter too; and what was tried before is delivered
    alone, so that it takes nothing else along.
    """

    def __init__(self, database: Database, clock: Clock, retry: Retry | None = None) -> None:
        self._database = database
        self._clock = clock
        self._retry = retry or Retry()
        self._holding = HoldingBack(self._retry, self._now)
        self._lock = threading.Lock()
        self._taken: set[int] = set()

    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if len(body.encode()) > limits.QUEUE_BODY_BYTES:
            raise TooLarge(f"A queue takes bodies of up to {limits.QUEUE_BODY_BYTES:,} bytes.")
        if not 0 <= delay <= limits.QUEUE_DELAY_SECONDS:
            raise Invalid(f"A delay is 0 to {limits.QUEUE_DELAY_SECONDS} seconds.")
        due = self._clock.now() + round(delay * _SECOND)

        def insert(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT INTO queue (body, due, attempts) VALUES (?, ?, 0)", (body, due)
            )

        self._database.write(insert)

    def deliver(self, work: Work, limit: int = 10) -> int:
        batch = [] if self._holding.left() > 0 else self._take(self._holding.room(limit))
        if not batch:
            return 0
        ids = [int(one.id) for one in batch]
        try:
            try:
                failed = work(batch)
                self._holding.ended(*ids)
            except Unavailable as exc:
                if not self._holding.unavailable(*ids):
                    self._put_aside(batch)
                    return 0 if self._holding.left() > 0 else len(batch)
                failed = {batch[0].id: exc.detail}
            except Exception as exc:  # noqa: BLE001 - whatever it is, the batch is tried again
                failed = dict.fromkeys((one.id for one in batch), f"{type(exc).__name__}: {exc}")
            self._settle(batch, failed)
        finally:
            self._release(batch)
        return len(batch)

    def next_due(self) -> float | None:
        with self._lock:
            rows = self._database.read(
                "SELECT id, due FROM queue ORDER BY due, id LIMIT ?", (len(self._taken) + 1,)
            )
            dues: list[int] = [due for id, due in rows if id not in self._taken]
        if not dues:
            return None
        return max(self._holding.left(), (dues[0] - self._clock.now()) / _SECOND)

    def dead_letters(self) -> list[DeadLetter]:
        rows = self._database.read(
            "SELECT id, source, body, cause, attempts, died FROM dead_letters"
            " WHERE source = ? ORDER BY id",
            (_SOURCE,),
        )
        return [DeadLetter(str(id), *rest) for id, *rest in rows]

    def redrive(self, ids: Sequence[str]) -> int:
        now = self._clock.now()

        def move(connection: apsw.Connection) -> int:
            bodies = _remove(connection, ids)
            connection.executemany(
                "INSERT INTO queue (body, due, attempts) VALUES (?, ?, 0)",
                [(body, now) for body in bodies],
            )
            return len(bodies)

        return self._database.write(move)

    def drop(self, ids: Sequence[str]) -> int:
        return self._database.write(lambda connection: len(_remove(connection, ids)))

    def _take(self, limit: int) -> list[Delivery]:
        """The next deliveries, each with its attempt counted. Buries those that have none left:
        the process ended during the last one."""
        while reserved := self._reserve(limit):
            batch = [one for one in reserved if one.attempt <= self._retry.attempts]
            spent = [one for one in reserved if one.attempt > self._retry.attempts]
            try:
                self._database.write(partial(self._count, batch, spent))
            except BaseException:
                self._release(reserved)
                raise
            self._release(spent)
            for one in spent:
                self._holding.died(int(one.id), "queue", one.id, NEVER_ENDED, one.attempt - 1)
            if batch:
                return batch
        return []

    def _count(
        self, batch: Sequence[Delivery], spent: Sequence[Delivery], connection: apsw.Connection
    ) -> None:
        connection.executemany(
            "UPDATE queue SET attempts = ? WHERE id = ?",
            [(one.attempt, int(one.id)) for one in batch],
        )
        for one in spent:
            _bury(connection, one, NEVER_ENDED, one.attempt - 1, self._clock.now())

    def _reserve(self, limit: int) -> list[Delivery]:
        # The lock also covers the read: a row that somebody has just finished is either still
        # among the taken here, or no longer read.
        with self._lock:
            rows = self._database.read(
                "SELECT id, body, attempts FROM queue WHERE due <= ? ORDER BY due, id LIMIT ?",
                (self._clock.now(), limit + len(self._taken)),
            )
            free = [row for row in rows if row[0] not in self._taken][:limit]
            untried = list(
                itertools.takewhile(
                    lambda row: row[2] == 0 and not self._holding.is_suspect(row[0]), free
                )
            )
            free = untried or free[:1]
            self._taken.update(id for id, _, _ in free)
        return [Delivery(str(id), body, attempts + 1) for id, body, attempts in free]

    def _release(self, batch: Sequence[Delivery]) -> None:
        with self._lock:
            self._taken.difference_update(int(one.id) for one in batch)

    def _put_aside(self, batch: Sequence[Delivery]) -> None:
        """Take back what was counted, and let others go before a suspect."""
        later = self._clock.now() + round(LONGEST_OUTAGE_WAIT * _SECOND)
        rows = [
            (one.attempt - 1, later if self._holding.is_suspect(int(one.id)) else 0, int(one.id))
            for one in batch
        ]

        def put_aside(connection: apsw.Connection) -> None:
            connection.executemany(
                "UPDATE queue SET attempts = ?, due = max(due, ?) WHERE id = ?", rows
            )

        self._database.write(put_aside)

    def _now(self) -> int:
        return self._clock.now()

    def _settle(self, batch: Sequence[Delivery], failed: Mapping[str, str]) -> None:
        now = self._clock.now()
        done = [one for one in batch if one.id not in failed]
        again = [one for one in batch if one.id in failed and one.attempt < self._retry.attempts]
        dead = [one for one in batch if one.id in failed and one.attempt >= self._retry.attempts]

        def settle(connection: apsw.Connection) -> None:
            connection.executemany(
                "DELETE FROM queue WHERE id = ?", [(int(one.id),) for one in done]
            )
            connection.executemany(
                "UPDATE queue SET due = ? WHERE id = ?",
                [
                    (
                        now + round(self._holding.wait(int(one.id), one.attempt) * _SECOND),
                        int(one.id),
                    )
                    for one in again
                ],
            )
            for one in dead:
                _bury(connection, one, failed[one.id], one.attempt, now)

        self._database.write(settle)
        for one in dead:
            self._holding.died(int(one.id), "queue", one.id, failed[one.id], one.attempt)


def _bury(
    connection: apsw.Connection, delivery: Delivery, cause: str, attempts: int, now: int
) -> None:
    connection.execute("DELETE FROM queue WHERE id = ?", (int(delivery.id),))
    connection.execute(
        "INSERT INTO dead_letters (source, body, cause, attempts, died) VALUES (?, ?, ?, ?, ?)",
        (_SOURCE, delivery.body, cause, attempts, now),
    )


def _remove(connection: apsw.Connection, ids: Sequence[str]) -> list[str]:
    """Take these dead letters out; returns their bodies."""
    bodies: list[str] = []
    for id in ids:
        if id.isdecimal() and len(id) <= 18:
            rows: list[tuple[Any, ...]] = connection.execute(
                "DELETE FROM dead_letters WHERE id = ? AND source = ? RETURNING body",
                (int(id), _SOURCE),
            ).fetchall()
            bodies.extend(row[0] for row in rows)
    return bodies
