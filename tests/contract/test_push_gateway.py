"""Every push gateway of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded import push_gateway
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.push_gateway import EmbeddedPushGateway
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.domain.model.device import PushTarget
from homeport.domain.ports.push_gateway import Push
from homeport.testing import PushGatewayContract
from homeport.testing.push_gateway import HELLO, apns


class Ours(PushGatewayContract):
    """Both of ours can be looked into, and be disabled at, in the same way."""

    def disable(self, gateway: MemoryPushGateway | EmbeddedPushGateway, endpoint: str) -> None:
        gateway.disable(endpoint)

    def pushed(
        self, gateway: MemoryPushGateway | EmbeddedPushGateway, endpoint: str
    ) -> list[tuple[PushTarget, Push]]:
        return [(target, push) for _, target, push in gateway.recent([endpoint], 10)]

    def test_the_recent_pushes_of_some_endpoints(
        self, gateway: MemoryPushGateway | EmbeddedPushGateway
    ) -> None:
        endpoints = [gateway.register(apns()) for _ in range(3)]
        for endpoint in (*endpoints, *endpoints):
            gateway.send(endpoint, HELLO)
        recent = gateway.recent(endpoints[:2], 3)
        assert [endpoint for endpoint, _, _ in recent] == [
            endpoints[1],
            endpoints[0],
            endpoints[1],
        ]
        gateway.unregister(endpoints[0])
        assert gateway.recent(endpoints[:1], 3) == []


class TestMemoryPushGateway(Ours):
    @pytest.fixture
    def gateway(self) -> MemoryPushGateway:
        return MemoryPushGateway()


class TestEmbeddedPushGateway(Ours):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def gateway(self, database: Database, clock: ManualClock) -> EmbeddedPushGateway:
        return EmbeddedPushGateway(database, clock)

    def test_the_outbox_keeps_the_last_ones_only(
        self, gateway: EmbeddedPushGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(push_gateway, "OUTBOX", 3)
        endpoint = gateway.register(apns())
        for number in range(5):
            gateway.send(endpoint, Push({"n": number}))
        kept = [push.payload["n"] for _, _, push in gateway.recent([endpoint], 10)]
        assert kept == [4, 3, 2]
