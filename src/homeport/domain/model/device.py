"""Devices, and what becomes of a push to one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Platform(StrEnum):
    APNS = "apns"
    FCM = "fcm"


class Environment(StrEnum):
    """APNs keeps tokens of its sandbox apart; FCM knows production only."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class PushTarget:
    """What a push gateway needs to know of a device. `token` is the platform's; one of APNs is
    kept in lower case."""

    platform: Platform
    environment: Environment
    token: str

    def __post_init__(self) -> None:
        if self.platform is Platform.APNS:
            # Hexadecimal is written either way, and a token that two devices spell differently
            # would belong to both. FCM's tell the cases apart.
            object.__setattr__(self, "token", self.token.lower())


@dataclass(frozen=True, slots=True)
class Device:
    """A device of an identity. `id` is chosen by the app, `endpoint` by the push gateway."""

    id: str
    target: PushTarget
    endpoint: str
    registered: int
    """Microseconds since 1970."""


class PushOutcome(StrEnum):
    ACCEPTED = "accepted"
    """The provider took it; whether a screen showed it, nobody learns."""
    STALE = "stale"
    """The endpoint is gone or disabled: forget the device, do not retry."""
    THROTTLED = "throttled"
    TOO_LARGE = "too_large"
