"""A whole backend in memory, for the tests of apps."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Unpack

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import with_faults
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.container import Backend, Container, assemble
from homeport.definition import Adapters, Definition, load, locate
from homeport.domain import limits
from homeport.domain.access import ADMINISTRATORS
from homeport.domain.devices import DEVICES
from homeport.domain.events import RecordChanged
from homeport.domain.model import names
from homeport.domain.model.device import Device, Environment, Platform, PushTarget
from homeport.domain.model.identity import Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.deliveries import DeadLetter
from homeport.domain.subscribers import Subscriber
from homeport.testing import observations
from homeport.testing.backend_faults import BackendFaults
from homeport.testing.failing import Failure, Failures
from homeport.testing.observations import Event, EventFilter, Pushed, PushFilter

_ROUNDS = 10_000
_PASSWORD = "correct horse"
_EVERYTHING = 1_000_000
_SECOND = 1_000_000

_PORTS: Final = {
    "store": "record_store",
    "feed": "change_feed",
    "index": "search_index",
    "push": "push_gateway",
    "queue": "message_queue",
    "identity_provider": "identity_provider",
}
"""A backend's name for a port -> the container's."""


class TestBackend(Backend):
    """The backend of one test: nothing leaves the process, and time stands still.

    People: `guest`, `user`, `admin`, `device`, `add_member`. Time: `settle` lets everything
    happen that is due, `advance` moves the clock. What happened: `events`, `pushed`,
    `failures`, `dead_letters`, and the assertions `assert_event`, `assert_no_event`,
    `assert_pushed` and `assert_not_pushed`. What goes wrong: `faults`. Everything else is the
    backend itself.
    """

    __test__ = False

    def __init__(self, container: Container, ports: dict[str, Any], faults: BackendFaults) -> None:
        """`ports` are the adapters without faults, by the backend's names for them."""
        super().__init__(container)
        self._ports = ports
        self.faults: Final = faults
        self._names: dict[str, str] = {names.PUBLIC: "public"}
        self._guests = itertools.count(1)
        self._users = itertools.count(1)
        self._tokens = itertools.count(1)
        self._first_event = 0
        self._first_push = 0
        self._failures = Failures()

    @cached_property
    def clock(self) -> ManualClock:
        clock = self._container.clock()
        assert isinstance(clock, ManualClock)
        return clock

    # -- people ----------------------------------------------------------------------------------

    def guest(self) -> Principal:
        """Somebody new, not signed in."""
        guest = self.identities.guest().identity.principal
        self._names[guest.id] = f"guest {next(self._guests)}"
        return guest

    def user(self, login: str | None = None, groups: Iterable[str] = ()) -> Principal:
        """Somebody with an account, signed in; the same one for the same login. Without one it
        is somebody new. `groups` are those they are in from now on, if any are given."""
        login = login or f"user{next(self._users)}@example.com"
        self.identities.sign_up(login, _PASSWORD)
        if groups := tuple(groups):
            found = self.identities.sign_in(login, _PASSWORD).identity.id
            provider: MemoryIdentityProvider = self._ports["identity_provider"]
            provider.set_groups(found, groups)
        user = self.identities.sign_in(login, _PASSWORD).identity.principal
        self._names[user.id] = login
        return user

    def admin(self, login: str = "admin@example.com") -> Principal:
        """An administrator: a user in the group that `admin` access names."""
        return self.user(login, [ADMINISTRATORS])

    def add_member(self, space: str, principal: Principal, role: Role | str = Role.WRITER) -> None:
        """Let somebody belong to the shared space `space`, as owner, writer or reader."""
        self._ports["store"].put_membership(Membership(space, principal.id, Role(role)))

    def device(
        self, principal: Principal, id: str = "phone", platform: Platform | str = Platform.FCM
    ) -> Device:
        """Register a device, with a token of its own, so that pushes reach its owner."""
        platform = Platform(platform)
        token = f"token-{next(self._tokens)}-of-{id}"
        if platform is Platform.APNS:
            token = hashlib.sha256(token.encode()).hexdigest()
        target = PushTarget(platform, Environment.PRODUCTION, token)
        return self.devices.put(principal, id, target)

    # -- time ------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Index what was written and deliver what was sent, as far as it is due."""
        for _ in range(_ROUNDS):
            busy = sum(
                self.feed.deliver(name, self._consumer(name, consume), collections=only)
                for name, consume, only in self._consumers()
            )
            work = self.faults.worker(self.messages.work)
            busy += self.queue.deliver(self._failures.worker(work))
            busy += sum(map(self._deliver_to, self.subscribers))
            if not busy:
                return
        raise AssertionError("the backend does not come to rest")

    def advance(
        self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> None:
        """Let time pass. What becomes due on the way, such as another attempt at what failed,
        happens at its moment."""
        end = self.clock.now() + round(
            (seconds + 60 * (minutes + 60 * (hours + 24 * days))) * _SECOND
        )
        self.settle()
        for _ in range(_ROUNDS):
            due = self._next_due()
            if due is None or due > end:
                self.clock.set(end)
                return
            self.clock.set(max(due, self.clock.now()))
            self.settle()
        raise AssertionError("the backend does not come to rest")

    # -- what happened ---------------------------------------------------------------------------

    def events(self, **wanted: Unpack[EventFilter]) -> list[RecordChanged]:
        """The changes of records so far, oldest first, as consumers get them. They are asked for
        by `kind` ("created", "changed", "deleted"), `collection`, `space`, `id` and `author`."""
        return [one.event for one in self._events(wanted)]

    def assert_event(self, times: int = 1, **wanted: Unpack[EventFilter]) -> RecordChanged:
        """Exactly `times` (1 or more) events are as `wanted`; returns the last of them."""
        __tracebackhide__ = True
        self._check_events(_at_least_once(times), wanted)
        return self._events(wanted)[-1].event

    def assert_no_event(self, **wanted: Unpack[EventFilter]) -> None:
        """No event is as `wanted`."""
        __tracebackhide__ = True
        self._check_events(0, wanted)

    def pushes(self, principal: Principal) -> list[dict[str, Any]]:
        """The payloads that were sent to the devices of `principal`, oldest first."""
        return [dict(one.payload) for one in self.pushed(principal)]

    def pushed(
        self, principal: Principal | None = None, **wanted: Unpack[PushFilter]
    ) -> list[Pushed]:
        """The pushes that went out, to `principal` or to everybody, oldest first, as devices show
        them: one that was sent twice, after a retry, is one. They are asked for by `title`, `text`,
        `data`, `sender` and `device`."""
        observations.check_filter(wanted, PushFilter)
        return [
            one
            for one in self._pushed()
            if (principal is None or one.to == principal.id)
            and observations.push_matches(one, wanted)
        ]

    def assert_pushed(
        self, principal: Principal, times: int = 1, **wanted: Unpack[PushFilter]
    ) -> Pushed:
        """Exactly `times` (1 or more) pushes as `wanted` went to `principal`; returns the last
        of them."""
        __tracebackhide__ = True
        self._check_pushed(principal, _at_least_once(times), wanted)
        return self.pushed(principal, **wanted)[-1]

    def assert_not_pushed(
        self, principal: Principal | None = None, **wanted: Unpack[PushFilter]
    ) -> None:
        """No push as `wanted` went to `principal`, or to anybody."""
        __tracebackhide__ = True
        self._check_pushed(principal, 0, wanted)

    def failures(self) -> list[Failure]:
        """What failed when it was last tried: it will be tried again, or is a dead letter by now.
        After `settle` there is none where everything went well."""
        return self._failures.all()

    def dead_letters(self) -> list[DeadLetter]:
        """What could not be delivered after all its attempts, with the causes."""
        consumers = [name for name, _, _ in self._consumers()]
        consumers += [one.consumer for one in self.subscribers]
        letters = [one for name in consumers for one in self.feed.dead_letters(name)]
        return letters + self.queue.dead_letters()

    def forget(self) -> None:
        """Let the events and pushes so far count no more: what comes next is what is tested."""
        self._first_event = len(self._changes())
        push: MemoryPushGateway = self._ports["push"]
        self._first_push = len(push.outbox)

    # --------------------------------------------------------------------------------------------

    def _consumers(self) -> list[tuple[str, Consume, Collection[str] | None]]:
        """Who is given changes: a name, what takes them, and of which collections."""
        return [
            ("indexing", self.indexing.consume, None),
            ("messaging", self.messages.watch, (names.SENT,)),
        ]

    def _consumer(self, name: str, consume: Consume) -> Consume:
        return self._failures.consumer(name, self.faults.consumer(name, consume))

    def _deliver_to(self, one: Subscriber) -> int:
        consume = self._consumer(one.consumer, one.consume)
        # One event at a time, as a backend does; they are in an order only where several come.
        most = limits.PAGE_ITEMS if self.faults.reorders else 1
        return self.feed.deliver(one.consumer, consume, most, one.collections)

    def _next_due(self) -> int | None:
        """When something is due next, in microseconds since 1970."""
        waits = [self.feed.next_due(name, only) for name, _, only in self._consumers()]
        waits.append(self.queue.next_due())
        waits += [one.next_due() for one in self.subscribers]
        known = [one for one in waits if one is not None]
        return self.clock.now() + round(min(known) * _SECOND) if known else None

    def _changes(self) -> list[RecordChanged]:
        store: MemoryRecordStore = self._ports["store"]
        return store.events_from(0, _EVERYTHING)

    def _events(self, wanted: EventFilter) -> list[Event]:
        observations.check_filter(wanted, EventFilter)
        return [
            one
            for one in observations.events_of(self._changes())[self._first_event :]
            if not names.is_hidden(one.event.key.space) and observations.event_matches(one, wanted)
        ]

    def _pushed(self) -> list[Pushed]:
        holders = {
            record.data["endpoint"]: (key.space.removeprefix("."), key.id)
            for record in self._all_records()
            if record.data is not None
            and names.is_hidden((key := record.key).space)
            and key.collection == DEVICES
        }
        push: MemoryPushGateway = self._ports["push"]
        shown: dict[tuple[str, str], Pushed] = {}
        for endpoint, target, sent in push.outbox[self._first_push :]:
            # One that came twice takes the place of the first.
            holder = holders.get(endpoint, ("", endpoint))
            shown[endpoint, sent.collapse_id] = observations.pushed_of(
                sent, target.platform, *holder
            )
        return list(shown.values())

    def _all_records(self) -> Iterator[Record]:
        store: MemoryRecordStore = self._ports["store"]
        after: Key | None = None
        while page := store.scan(0, 1, limits.PAGE_ITEMS, after):
            yield from page
            after = page[-1].key

    def _check_events(self, times: int, wanted: EventFilter) -> None:
        __tracebackhide__ = True
        found = len(self._events(wanted))
        if found != times:
            shown = [one.shown(self._named) for one in self._events({})]
            what = "event" if times == 1 else "events"
            pytest.fail(observations.explain(what, times, found, wanted, self._named, shown))

    def _check_pushed(self, principal: Principal | None, times: int, wanted: PushFilter) -> None:
        __tracebackhide__ = True
        found = len(self.pushed(principal, **wanted))
        if found != times:
            shown = [one.shown(self._named) for one in self._pushed()]
            to = "" if principal is None else f" to {self._named(principal.id)}"
            what = f"{'push' if times == 1 else 'pushes'}{to}"
            pytest.fail(observations.explain(what, times, found, wanted, self._named, shown))

    def _named(self, id: str) -> str:
        return self._names.get(id, id)


def _at_least_once(times: int) -> int:
    if times < 1:
        raise ValueError("there is an assertion for what must not happen")
    return times


def in_memory(definition: Definition | None = None) -> TestBackend:
    """A backend in memory with the collections of `definition`.

    Raises DefinitionError where a declared field needs what no index in memory can.
    """
    memory = Adapters.of(dict.fromkeys(Adapters.names(), "memory"))
    chosen = replace(definition or Definition(), adapters=memory)
    shared = {"clock": ManualClock(), "ids": SequentialIds()}
    # The same adapters twice: as they are, and with faults around them for all who use them.
    plain = assemble(chosen, **shared)
    ports = {name: getattr(plain, part)() for name, part in _PORTS.items()}
    faulty = {name: with_faults(port) for name, port in ports.items()}
    container = assemble(
        chosen, **shared, **{part: faulty[name][0] for name, part in _PORTS.items()}
    )
    faults = BackendFaults(ports, {name: planned for name, (_, planned) in faulty.items()})
    backend = TestBackend(container, ports, faults)
    backend.check()
    return backend


@pytest.fixture
def homeport_definition(request: pytest.FixtureRequest) -> Definition:
    """The definition that `backend` uses: the project's own homeport.toml, where it has one.

    Override it to test with another."""
    root: Path = request.config.rootpath
    return Definition() if locate(root) is None else load(root, {})


@pytest.fixture
def backend(homeport_definition: Definition) -> TestBackend:
    """A fresh backend in memory for each test."""
    return in_memory(homeport_definition)
