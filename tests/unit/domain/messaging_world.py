"""Two users, and everything that messages need, over the memory adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.devices import Blocks, Devices
from homeport.domain.errors import Unavailable
from homeport.domain.messaging import Messages
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.model.identity import Principal
from homeport.domain.model.record import Record
from homeport.domain.model.writes import Guard, Write
from homeport.domain.ports.push_gateway import Push
from homeport.domain.ports.record_store import Order

PHONE = PushTarget(Platform.APNS, Environment.PRODUCTION, "ab" * 32)
TABLET = PushTarget(Platform.FCM, Environment.PRODUCTION, "tablet-token")


class RefusingQueue(MemoryMessageQueue):
    """A queue that can be told to take nothing."""

    down = False

    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if self.down:
            raise Unavailable("The queue does not answer.")
        super().enqueue(body, delay)


class WatchedPush(MemoryPushGateway):
    """Calls `after_send` after each push."""

    def __init__(self) -> None:
        super().__init__()
        self.after_send: Callable[[], object] = lambda: None

    def send(self, endpoint: str, push: Push) -> PushOutcome:
        outcome = super().send(endpoint, push)
        self.after_send()
        return outcome


class BusyStore(MemoryRecordStore):
    """A store in which somebody else gets in just before chosen writes."""

    def __init__(self, clock: ManualClock, ids: SequentialIds) -> None:
        super().__init__(clock, ids)
        self.before_write: list[Any] = []

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        if self.before_write:
            self.before_write.pop(0)(writes)
        return super().write(writes, guard)


class World:
    """Two users, and everything that messages need."""

    def __init__(self) -> None:
        self.clock, ids = ManualClock(), SequentialIds()
        self.store = BusyStore(self.clock, ids)
        self._seen = 0
        self.queue = RefusingQueue(self.clock)
        self.push = WatchedPush()
        self.identities = MemoryIdentityProvider(self.clock, ids)
        self.devices = Devices(self.store, self.push, self.clock)
        self.blocks = Blocks(self.store)
        self.pauses: list[int] = []
        """How many copies Bob had at each."""
        self.messages = Messages(
            self.store,
            self.queue,
            self.push,
            self.identities,
            self.devices,
            ids,
            self.clock,
            lambda: self.pauses.append(len(self.inbox(self.bob))),
        )
        self.ann, self.bob = self.somebody(), self.somebody()

    def somebody(self) -> Principal:
        return self.identities.guest().identity.principal

    def send(self, *to: Principal, **message: Any) -> Record:
        return self.messages.send(self.ann, [one.id for one in to], **message)

    def run(self) -> int:
        """Do all that is due, and what comes of it. Returns how many jobs there were."""
        done = 0
        while count := self.queue.deliver(self.messages.work):
            done += count
        return done

    def watch(self) -> Mapping[int, str]:
        """Show the feed's consumer what changed since it last looked."""
        events = self.store.events_from(self._seen, 100)
        failed = self.messages.watch(events)
        if not failed:
            self._seen += len(events)
        return failed

    def inbox(self, whose: Principal) -> list[Mapping[str, Any]]:
        page = self.store.page(whose.id, "inbox", Order.ID, 100)
        return [one.data for one in page.records if one.data is not None]

    def copy_of(self, whose: Principal) -> Record:
        return self.store.page(whose.id, "inbox", Order.ID, 1).records[0]

    def state(self, record: Record) -> str:
        data = self.messages.get(self.ann, record.key.id).data
        assert data is not None
        return str(data["state"])
