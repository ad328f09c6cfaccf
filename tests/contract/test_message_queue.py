"""Every queue of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.message_queue import EmbeddedMessageQueue
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import Crash
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.domain.errors import Overloaded
from homeport.domain.ports.message_queue import Delivery
from homeport.testing import MessageQueueContract
from homeport.testing.queue_support import Worker


class TestMemoryMessageQueue(MessageQueueContract):
    holds_batches = True

    @pytest.fixture
    def queue(self, clock: ManualClock) -> MemoryMessageQueue:
        return MemoryMessageQueue(clock, self.retry)


class TestEmbeddedMessageQueue(MessageQueueContract):
    holds_batches = True

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def queue(self, database: Database, clock: ManualClock) -> EmbeddedMessageQueue:
        return EmbeddedMessageQueue(database, clock, self.retry)

    def test_what_kills_the_process_each_time_becomes_a_dead_letter(
        self, database: Database, clock: ManualClock
    ) -> None:
        attempts: list[int] = []
        done: list[str] = []

        def work(batch: Sequence[Delivery]) -> dict[str, str]:
            if any(one.body == "deadly" for one in batch):
                attempts.extend(one.attempt for one in batch if one.body == "deadly")
                raise Crash
            done.extend(one.body for one in batch)
            return {}

        for body in ("before", "deadly", "behind"):
            EmbeddedMessageQueue(database, clock, self.retry).enqueue(body)
        for _ in range(self.retry.attempts):
            queue = EmbeddedMessageQueue(database, clock, self.retry)
            with pytest.raises(Crash):
                self.drain(queue, work)
        queue = EmbeddedMessageQueue(database, clock, self.retry)
        self.drain(queue, work)
        assert attempts == [*range(1, self.retry.attempts + 1)]
        assert done == ["before", "behind"]
        (letter,) = queue.dead_letters()
        assert (letter.body, letter.attempts) == ("deadly", self.retry.attempts)
        assert letter.cause == "The process ended during the last attempt."
        assert queue.next_due() is None

    def test_what_could_not_be_counted_is_not_begun_and_comes_again(
        self, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(work: object) -> None:
            raise Overloaded("Try again.")

        queue = EmbeddedMessageQueue(database, clock, self.retry)
        queue.enqueue("a")
        worker = Worker()
        with monkeypatch.context() as patched:
            patched.setattr(database, "write", refuse)
            with pytest.raises(Overloaded):
                queue.deliver(worker)
        assert worker.got == []
        assert queue.next_due() == 0
        assert queue.deliver(worker) == 1
        assert [one.attempt for one in worker.got] == [1]

    def test_what_waits_and_what_died_survive_a_restart(
        self, tmp_path: Path, clock: ManualClock
    ) -> None:
        database = Database(tmp_path / "restarted")
        queue = EmbeddedMessageQueue(database, clock, self.retry)
        self.bury(queue, clock, "dead")
        queue.enqueue("failed once")
        queue.deliver(lambda batch: {one.id: "no" for one in batch})
        queue.enqueue("waiting", 30)
        letters = queue.dead_letters()
        database.close()

        database = Database(tmp_path / "restarted")
        queue = EmbeddedMessageQueue(database, clock, self.retry)
        assert queue.dead_letters() == letters
        assert queue.next_due() == pytest.approx(1)
        clock.advance(30)
        attempts = {}

        def work(batch: Sequence[Delivery]) -> dict[str, str]:
            attempts.update({one.body: one.attempt for one in batch})
            return {}

        self.drain(queue, work)
        assert attempts == {"failed once": 2, "waiting": 1}
        database.close()
