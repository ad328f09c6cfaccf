"""A whole backend in memory, for the tests of apps."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.container import Backend, assemble
from homeport.definition import Adapters, Definition, load, locate
from homeport.domain.model import names
from homeport.domain.model.identity import Principal

_ROUNDS = 10_000
_PASSWORD = "correct horse"


class TestBackend(Backend):
    """The backend of one test: nothing leaves the process, and time stands still.

    `clock` moves when the test says so; `settle` lets everything happen that is due.
    """

    __test__ = False

    @cached_property
    def clock(self) -> ManualClock:
        clock = self._container.clock()
        assert isinstance(clock, ManualClock)
        return clock

    def guest(self) -> Principal:
        """Somebody new, not signed in."""
        return self.identities.guest().identity.principal

    def user(self, login: str) -> Principal:
        """Somebody with an account, signed in."""
        self.identities.sign_up(login, _PASSWORD)
        return self.identities.sign_in(login, _PASSWORD).identity.principal

    def settle(self) -> None:
        """Index what was written and deliver what was sent, as far as it is due."""
        for _ in range(_ROUNDS):
            busy = self.feed.deliver("indexing", self.indexing.consume)
            busy += self.feed.deliver("messaging", self.messages.watch, collections=(names.SENT,))
            busy += self.queue.deliver(self.messages.work)
            if not busy:
                return
        raise AssertionError("the backend does not come to rest")

    def pushes(self, principal: Principal) -> list[dict[str, Any]]:
        """The payloads that were sent to the devices of `principal`, oldest first."""
        endpoints = [one.endpoint for one in self.devices.list(principal)]
        gateway = self.push
        assert isinstance(gateway, MemoryPushGateway)
        return [dict(push.payload) for _, _, push in reversed(gateway.recent(endpoints, 1000))]


def in_memory(definition: Definition | None = None) -> TestBackend:
    """A backend in memory with the collections of `definition`.

    Raises DefinitionError where a declared field needs what no index in memory can.
    """
    memory = Adapters.model_validate(dict.fromkeys(Adapters.model_fields, "memory"))
    chosen = (definition or Definition()).model_copy(update={"adapters": memory})
    backend = TestBackend(assemble(chosen, clock=ManualClock(), ids=SequentialIds()))
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
