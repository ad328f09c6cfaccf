"""Reaches devices through the platforms' push services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from homeport.domain.model.device import PushOutcome, PushTarget


@dataclass(frozen=True, slots=True)
class Push:
    """A rendered push: the platform's payload, and what the gateway passes on beside it.

    `collapse_id` lets a newer push replace an older one where the platform is told so beside the
    payload (APNs); FCM reads it in the payload. `time_to_live` is in seconds.
    """

    payload: Mapping[str, Any]
    collapse_id: str = ""
    time_to_live: int = 86_400


class PushGateway(Protocol):
    """Endpoints are the gateway's names for devices."""

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        """An enabled endpoint for the device; `endpoint` is the one it had, if any.

        Registering the same target again gives an endpoint that works, also where the provider
        had disabled it. Raises Invalid for a token that the platform would not take.
        """
        ...

    def unregister(self, endpoint: str) -> None:
        """Forget an endpoint; nothing happens where there is none. What its device gets next
        has nothing to do with it: whatever shows pushes shows none from before."""
        ...

    def send(self, endpoint: str, push: Push) -> PushOutcome:
        """Hand over one push and say what became of it. Raises Unavailable for trouble that
        will pass."""
        ...
