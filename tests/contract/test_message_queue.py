"""Every queue of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.message_queue import EmbeddedMessageQueue
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.testing import MessageQueueContract


class TestMemoryMessageQueue(MessageQueueContract):
    @pytest.fixture
    def queue(self, clock: ManualClock) -> MemoryMessageQueue:
        return MemoryMessageQueue(clock, self.retry)


class TestEmbeddedMessageQueue(MessageQueueContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def queue(self, database: Database, clock: ManualClock) -> EmbeddedMessageQueue:
        return EmbeddedMessageQueue(database, clock, self.retry)

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

        def work(batch: object) -> dict[str, str]:
            assert isinstance(batch, list)
            attempts.update({one.body: one.attempt for one in batch})
            return {}

        queue.deliver(work)
        assert attempts == {"failed once": 2, "waiting": 1}
        database.close()
