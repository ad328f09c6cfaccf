"""A push gateway that sends nothing, and keeps what it would send in the data file."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final

import apsw

from homeport.adapters.embedded.database import Database
from homeport.domain import limits
from homeport.domain.devices import check_target
from homeport.domain.model.data import Data, encode
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.push_gateway import Push

OUTBOX: Final = 10_000
"""How many pushes are kept."""


class EmbeddedPushGateway:
    """Registers devices and refuses what the platforms would, so that apps meet it early."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        check_target(target)
        platform, environment = target.platform.value, target.environment.value
        fresh = f"local:{uuid.uuid4().hex}"

        def enable(connection: apsw.Connection) -> str:
            known = connection.execute(
                "UPDATE endpoints SET enabled = 1"
                " WHERE platform = ? AND environment = ? AND token = ? RETURNING endpoint",
                (platform, environment, target.token),
            ).fetchall()
            if not known:
                known = connection.execute(
                    "UPDATE endpoints SET enabled = 1, token = ?"
                    " WHERE endpoint = ? AND platform = ? AND environment = ? RETURNING endpoint",
                    (target.token, endpoint, platform, environment),
                ).fetchall()
            if known:
                return str(known[0][0])
            connection.execute(
                "INSERT INTO endpoints (endpoint, platform, environment, token, enabled)"
                " VALUES (?, ?, ?, ?, 1)",
                (fresh, platform, environment, target.token),
            )
            return fresh

        return self._database.write(enable)

    def unregister(self, endpoint: str) -> None:
        def delete(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM endpoints WHERE endpoint = ?", (endpoint,))

        self._database.write(delete)

    def send(self, endpoint: str, push: Push) -> PushOutcome:
        enabled = self._database.read(
            "SELECT 1 FROM endpoints WHERE endpoint = ? AND enabled", (endpoint,)
        )
        if not enabled:
            return PushOutcome.STALE
        payload = encode(push.payload)
        if len(payload.encode()) > limits.PUSH_BYTES:
            return PushOutcome.TOO_LARGE
        row = (endpoint, payload, push.collapse_id, push.time_to_live, self._clock.now())

        def insert(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT INTO outbox (endpoint, payload, collapse_id, time_to_live, sent)"
                " VALUES (?, ?, ?, ?, ?)",
                row,
            )
            connection.execute(
                "DELETE FROM outbox WHERE id <= ?", (connection.last_insert_rowid() - OUTBOX,)
            )

        self._database.write(insert)
        return PushOutcome.ACCEPTED

    def recent(
        self, endpoints: Collection[str], limit: int = 100
    ) -> list[tuple[str, PushTarget, Push]]:
        """The last pushes to those of these endpoints that are still registered, the newest
        first. Not part of the port."""
        rows = self._database.read(
            "SELECT endpoint, platform, environment, token, payload, collapse_id, time_to_live"
            " FROM outbox JOIN endpoints USING (endpoint)"
            " WHERE endpoint IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
            (encode(list(endpoints)), limit),
        )
        return [
            (
                endpoint,
                PushTarget(Platform(platform), Environment(environment), token),
                Push(Data(payload).value, collapse_id, time_to_live),
            )
            for endpoint, platform, environment, token, payload, collapse_id, time_to_live in rows
        ]

    def disable(self, endpoint: str) -> None:
        """What the provider's feedback does to an endpoint whose app is gone. Not part of the
        port."""

        def disable(connection: apsw.Connection) -> None:
            connection.execute("UPDATE endpoints SET enabled = 0 WHERE endpoint = ?", (endpoint,))

        self._database.write(disable)
