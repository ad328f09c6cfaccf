"""Push gateways that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.domain.errors import Invalid
from homeport.domain.model.device import PushOutcome, PushTarget
from homeport.domain.ports.push_gateway import Push, PushGateway
from tests.contract.mutants import breaks


@breaks(PushGateway.register)
class MakesAnotherEndpoint(MemoryPushGateway):
    def _find(self, target: PushTarget) -> str | None:
        return None


@breaks(PushGateway.register)
class MixesEnvironments(MemoryPushGateway):
    def _find(self, target: PushTarget) -> str | None:
        known = self._targets.items()
        return next((name for name, one in known if one.token == target.token), None)


class StaysDisabled(MemoryPushGateway):
    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        disabled = set(self._disabled)
        name = super().register(target, endpoint)
        self._disabled = disabled
        return name


class BelievesTheCaller(MemoryPushGateway):
    """Goes on using the endpoint it is told, whatever it knows of it."""

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        if endpoint is None:
            return super().register(target)
        self._targets[endpoint] = target
        self._disabled.discard(endpoint)
        return endpoint


class RemembersOldTokens(MemoryPushGateway):
    """Gives a token the endpoint it once had, which has another token by now."""

    def __init__(self) -> None:
        super().__init__()
        self._had: dict[PushTarget, str] = {}

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        name = self._had.get(target)
        if name in self._targets:
            self._disabled.discard(name)
            return name
        self._had[target] = super().register(target, endpoint)
        return self._had[target]


class PushesToTheGone(MemoryPushGateway):
    def unregister(self, endpoint: str) -> None:
        return


class ShowsWhatCameBefore(MemoryPushGateway):
    """Gives a device that was unregistered its old endpoint, and with it what went there."""

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        if endpoint is not None and any(sent[:2] == (endpoint, target) for sent in self.outbox):
            self._targets.setdefault(endpoint, target)
        return super().register(target, endpoint)


class TakesAnyToken(MemoryPushGateway):
    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        try:
            return super().register(target, endpoint)
        except Invalid:
            return "whatever"


class CountsCharacters(MemoryPushGateway):
    def send(self, endpoint: str, push: Push) -> PushOutcome:
        outcome = super().send(endpoint, push)
        small = len(str(push.payload)) < 4096
        return PushOutcome.ACCEPTED if outcome is PushOutcome.TOO_LARGE and small else outcome


class LosesWhatStandsBeside(MemoryPushGateway):
    def send(self, endpoint: str, push: Push) -> PushOutcome:
        return super().send(endpoint, Push(push.payload))


class CallsTheDisabledThrottled(MemoryPushGateway):
    def send(self, endpoint: str, push: Push) -> PushOutcome:
        outcome = super().send(endpoint, push)
        return PushOutcome.THROTTLED if outcome is PushOutcome.STALE else outcome


class PushesToTheDisabled(MemoryPushGateway):
    def send(self, endpoint: str, push: Push) -> PushOutcome:
        self._disabled.clear()
        return super().send(endpoint, push)


class AcceptsAndForgets(MemoryPushGateway):
    def send(self, endpoint: str, push: Push) -> PushOutcome:
        outcome = super().send(endpoint, push)
        self.outbox.clear()
        return outcome


GATEWAYS: Final[Sequence[type[MemoryPushGateway]]] = (
    MakesAnotherEndpoint,
    MixesEnvironments,
    StaysDisabled,
    BelievesTheCaller,
    RemembersOldTokens,
    PushesToTheGone,
    TakesAnyToken,
    CountsCharacters,
    ShowsWhatCameBefore,
    LosesWhatStandsBeside,
    CallsTheDisabledThrottled,
    PushesToTheDisabled,
    AcceptsAndForgets,
)
