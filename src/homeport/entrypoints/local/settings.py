"""What can be set about the local gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from homeport.domain import limits


class LogFormat(StrEnum):
    """How requests are logged. AUTO is for people on a terminal and JSON otherwise."""

    AUTO = "auto"
    JSON = "json"
    HUMAN = "human"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one address may do something: `burst` at once, then `per_second`."""

    burst: int
    per_second: float

    @classmethod
    def per_minute(cls, times: int) -> Rate:
        return cls(times, times / 60)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Times are in seconds. `port` 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 8090
    origins: tuple[str, ...] = ("*",)
    """Whose pages may call: exact origins, or "*" for everyone's."""
    proxies: tuple[str, ...] = ()
    """Reverse proxies that are believed about whose request it is, as addresses or networks."""
    log: LogFormat = LogFormat.AUTO
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """By route key, or ADDRESS or IDENTITY in `limits.py` for all requests of one."""
    compress: bool = True
    """Whether answers may be compressed for clients that ask."""
    metrics: bool = True
    """Whether GET /metrics answers."""
    head_seconds: float = 30.0
    """How long a request's line and headers may take to arrive, and a connection may be idle."""
    body_bytes: int = limits.BODY_BYTES
    body_seconds: float = 20.0
    """How long a body may take to arrive."""
    answer_seconds: float = 30.0
    """How long a client may take nothing of its answer; only Linux ends such connections."""
    connections: int = 2048
    """Open at once; more wait to be accepted."""
    concurrent_requests: int = 1000
    """With their handlers at once; more get 503."""
    stop_seconds: float = 10.0
    """How long requests in flight may take to finish when the gateway is stopped."""
    offload_threads: int = 4
    """For what takes long: hashing passwords, calling other services."""
