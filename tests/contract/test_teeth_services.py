"""The suites of queue, push gateway and identity provider catch adapters broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.system import SystemIds
from homeport.domain import identity as rules
from homeport.domain.errors import Invalid, Unauthenticated
from homeport.domain.model.device import PushOutcome, PushTarget
from homeport.domain.model.identity import Identity, Principal, Session, VerifiedToken
from homeport.domain.ports.deliveries import DeadLetter, Retry
from homeport.domain.ports.message_queue import Delivery, Work
from homeport.domain.ports.push_gateway import Push
from homeport.testing import (
    IdentityProviderContract,
    MessageQueueContract,
    PushGatewayContract,
)
from tests.contract.teeth import check_teeth

# Queues


class ForgetsBeforeWork(MemoryMessageQueue):
    def deliver(self, work: Work, limit: int = 10) -> int:
        batch = self._take(limit)
        self._settle(batch, {})
        if batch:
            work(batch)
        return len(batch)


class IgnoresDelays(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        super().enqueue(body)


class IgnoresTheLimit(MemoryMessageQueue):
    def deliver(self, work: Work, limit: int = 10) -> int:
        return super().deliver(work, 100)


class FailsTheWholeBatch(MemoryMessageQueue):
    def _settle(self, batch: Sequence[Delivery], failed: Mapping[str, str]) -> None:
        cause = next(iter(failed.values()), None)
        super()._settle(batch, {} if cause is None else {one.id: cause for one in batch})


class NeverGivesUp(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(attempts=1_000))


class WaitsTheSameTimeAlways(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(longest_wait=1.0))


class RetriesAtOnce(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(first_wait=0.0))


class DropsDeadLetters(MemoryMessageQueue):
    def dead_letters(self) -> list[DeadLetter]:
        return []


class RedrivesForOneAttempt(MemoryMessageQueue):
    def redrive(self, ids: Sequence[str]) -> int:
        count = super().redrive(ids)
        for one in self._waiting.values():
            one.attempts = self._retry.attempts - 1
        return count


class RedrivesAndKeeps(MemoryMessageQueue):
    def redrive(self, ids: Sequence[str]) -> int:
        before = dict(self._dead)
        count = super().redrive(ids)
        self._dead = before
        return count


class MergesEqualBodies(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if all(one.body != body for one in self._waiting.values()):
            super().enqueue(body, delay)


class TakesAnySize(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        super().enqueue(body[: 64 * 1024], delay)


class LosesWhatCrashed(MemoryMessageQueue):
    """What was taken when the process died is never given out again."""

    def deliver(self, work: Work, limit: int = 10) -> int:
        def careful(batch: Sequence[Delivery]) -> Mapping[str, str]:
            try:
                return work(batch)
            except Exception:
                raise
            except BaseException:
                for one in batch:
                    del self._waiting[one.id]
                raise

        return super().deliver(careful, limit)


def queue_suite(make: Callable[[ManualClock], MemoryMessageQueue]) -> type[MessageQueueContract]:
    class Suite(MessageQueueContract):
        @pytest.fixture
        def queue(self, clock: ManualClock) -> MemoryMessageQueue:
            return make(clock)

    return Suite


def test_the_suite_of_queues_bites(tmp_path: Path) -> None:
    broken: list[Callable[[ManualClock], MemoryMessageQueue]] = [
        ForgetsBeforeWork,
        IgnoresDelays,
        IgnoresTheLimit,
        FailsTheWholeBatch,
        NeverGivesUp,
        WaitsTheSameTimeAlways,
        RetriesAtOnce,
        DropsDeadLetters,
        RedrivesForOneAttempt,
        RedrivesAndKeeps,
        MergesEqualBodies,
        TakesAnySize,
        LosesWhatCrashed,
    ]
    check_teeth(
        tmp_path,
        sound=queue_suite(MemoryMessageQueue),
        broken={getattr(one, "__name__", ""): queue_suite(one) for one in broken},
    )


# Push gateways


class MakesAnotherEndpoint(MemoryPushGateway):
    def _find(self, target: PushTarget) -> str | None:
        return None


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


class PushesToTheGone(MemoryPushGateway):
    def unregister(self, endpoint: str) -> None:
        return


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


def push_suite(make: Callable[[], MemoryPushGateway]) -> type[PushGatewayContract]:
    class Suite(PushGatewayContract):
        @pytest.fixture
        def gateway(self) -> MemoryPushGateway:
            return make()

        def disable(self, gateway: MemoryPushGateway, endpoint: str) -> None:
            gateway.disable(endpoint)

        def pushed(
            self, gateway: MemoryPushGateway, endpoint: str
        ) -> list[tuple[PushTarget, Push]]:
            return [(target, push) for _, target, push in gateway.recent([endpoint])]

    return Suite


def test_the_suite_of_push_gateways_bites(tmp_path: Path) -> None:
    broken: list[type[MemoryPushGateway]] = [
        MakesAnotherEndpoint,
        MixesEnvironments,
        StaysDisabled,
        BelievesTheCaller,
        PushesToTheGone,
        TakesAnyToken,
        CountsCharacters,
        LosesWhatStandsBeside,
        CallsTheDisabledThrottled,
    ]
    check_teeth(
        tmp_path,
        sound=push_suite(MemoryPushGateway),
        broken={one.__name__: push_suite(one) for one in broken},
    )


# Identity providers


class IgnoresPasswords(MemoryIdentityProvider):
    def _password_digest(self, password: str) -> bytes:
        return b""


class TellsWhoExists(MemoryIdentityProvider):
    def sign_in(self, login: str, password: str) -> Session:
        given = rules.credentials(login, password)
        if given is not None and given[0] not in self._logins:
            raise Unauthenticated("There is no such login.", "invalid_grant")
        return super().sign_in(login, password)


class LetsTheLastOneSignUp(MemoryIdentityProvider):
    def sign_up(self, login: str, password: str) -> None:
        known = rules.credentials(login, password)
        if known is not None:
            self._logins.pop(known[0], None)
        super().sign_up(login, password)


class TakesWeakPasswords(MemoryIdentityProvider):
    def sign_up(self, login: str, password: str) -> None:
        super().sign_up(login, password + "x" * 8 if len(password) < 8 else password)


class KeepsTokensForEver(MemoryIdentityProvider):
    def verify(self, access_token: str) -> VerifiedToken:
        try:
            return super().verify(access_token)
        except Unauthenticated as exc:
            if exc.detail != rules.EXPIRED:
                raise
            return VerifiedToken(Principal("x", next(iter(self._identities.values())).kind), 0)


class ReadsTokensLoosely(MemoryIdentityProvider):
    def verify(self, access_token: str) -> VerifiedToken:
        return super().verify(access_token.strip())


class RefreshesForEver(MemoryIdentityProvider):
    def refresh(self, refresh_token: str) -> Session:
        for one in self._refresh.values():
            one.replaced = None
        return super().refresh(refresh_token)


class RefreshesOnlyOnce(MemoryIdentityProvider):
    """A lost answer locks its client out."""

    def refresh(self, refresh_token: str) -> Session:
        for one in self._refresh.values():
            if one.replaced is not None:
                one.replaced = 0
        return super().refresh(refresh_token)


class BranchesForEver(MemoryIdentityProvider):
    """Each use of a replaced token makes one more that lasts."""

    def _forget_successor(self, kept: object) -> None:
        return


class OverlooksCopies(MemoryIdentityProvider):
    def _is_used(self, kept: object) -> bool:
        return False


class RevokesNothing(MemoryIdentityProvider):
    def _revoke(self, family: str) -> None:
        return


class RevokesEverything(MemoryIdentityProvider):
    def _revoke(self, family: str) -> None:
        self._refresh.clear()


class LetsGuestsExpire(MemoryIdentityProvider):
    def _session(self, identity: Identity, family: str) -> Session:
        session = super()._session(identity, family)
        last = list(self._refresh.values())[-1]
        last.expires = self._clock.now() + rules.REFRESH_SECONDS * 1_000_000
        return session


class LetsTheDisabledIn(MemoryIdentityProvider):
    def refresh(self, refresh_token: str) -> Session:
        disabled = {id: one for id, one in self._identities.items() if one.disabled}
        for id, one in disabled.items():
            self._identities[id] = replace(one, disabled=False)
        try:
            return super().refresh(refresh_token)
        finally:
            self._identities.update(disabled)


class ForgetsGroups(MemoryIdentityProvider):
    def set_groups(self, identity: str, groups: Iterable[str]) -> None:
        return


def identity_suite(
    kind: type[MemoryIdentityProvider],
) -> type[IdentityProviderContract]:
    class Suite(IdentityProviderContract):
        @pytest.fixture
        def provider(self, clock: ManualClock) -> MemoryIdentityProvider:
            return kind(clock, SystemIds())

        @pytest.fixture
        def another(self, clock: ManualClock) -> MemoryIdentityProvider:
            return MemoryIdentityProvider(clock, SystemIds())

        def disable(self, provider: MemoryIdentityProvider, identity: str) -> None:
            provider.disable(identity)

        def set_groups(
            self, provider: MemoryIdentityProvider, identity: str, groups: Iterable[str]
        ) -> None:
            provider.set_groups(identity, groups)

    return Suite


def test_the_suite_of_identity_providers_bites(tmp_path: Path) -> None:
    broken: list[type[MemoryIdentityProvider]] = [
        IgnoresPasswords,
        TellsWhoExists,
        LetsTheLastOneSignUp,
        TakesWeakPasswords,
        KeepsTokensForEver,
        ReadsTokensLoosely,
        RefreshesForEver,
        RefreshesOnlyOnce,
        BranchesForEver,
        OverlooksCopies,
        RevokesNothing,
        RevokesEverything,
        LetsGuestsExpire,
        LetsTheDisabledIn,
        ForgetsGroups,
    ]
    check_teeth(
        tmp_path,
        sound=identity_suite(MemoryIdentityProvider),
        broken={one.__name__: identity_suite(one) for one in broken},
    )
