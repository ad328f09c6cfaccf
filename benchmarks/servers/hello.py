"""The least that the HTTP server under the gateway can do: what an answer costs without us."""

from __future__ import annotations

from typing import Any

BODY = b'{"hello":"world"}'


async def app(scope: Any, protocol: Any) -> None:
    protocol.response_bytes(200, [("content-type", "application/json")], BODY)
