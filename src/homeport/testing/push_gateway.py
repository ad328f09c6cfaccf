"""The contract of the push gateway."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar, final

import pytest

from homeport.domain.errors import Invalid
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.ports.push_gateway import Push, PushGateway
from homeport.testing.contract import Contract, skip_unless

HELLO = Push({"aps": {"alert": {"body": "Hello"}}})


def apns(environment: Environment = Environment.PRODUCTION) -> PushTarget:
    """A device of Apple's, with a token that nobody had before."""
    return PushTarget(Platform.APNS, environment, (uuid.uuid4().hex * 2))


def fcm() -> PushTarget:
    """A device of Google's, with a token that nobody had before."""
    return PushTarget(Platform.FCM, Environment.PRODUCTION, f"{uuid.uuid4()}:token-_")


def of_size(size: int, letter: str = "x") -> Push:
    """A push whose payload takes `size` bytes as compact JSON."""
    frame = len('{"aps":{"alert":{"body":""}}}')
    return Push({"aps": {"alert": {"body": letter * ((size - frame) // len(letter.encode()))}}})


class PushGatewayContract(Contract):
    """What `homeport.domain.ports.push_gateway.PushGateway` promises.

    Override the fixture `gateway`; and `disable` and `pushed`, or set `can_disable` and
    `keeps_pushes` to False where a test can bring about, or see, no such thing.
    """

    can_disable: ClassVar[bool] = True
    keeps_pushes: ClassVar[bool] = True

    @pytest.fixture
    def gateway(self) -> Iterator[PushGateway]:
        raise self.missing("gateway")

    def disable(self, gateway: Any, endpoint: str) -> None:
        """Do what the provider's feedback does when the app is gone from the device."""
        raise NotImplementedError("Override `disable`, or set `can_disable` to False.")

    def pushed(self, gateway: Any, endpoint: str) -> list[tuple[PushTarget, Push]]:
        """What went to the endpoint, the newest first."""
        raise NotImplementedError("Override `pushed`, or set `keeps_pushes` to False.")

    @final
    @pytest.mark.parametrize(
        "target", [apns(), apns(Environment.SANDBOX), fcm()], ids=["apns", "sandbox", "fcm"]
    )
    def test_a_registered_device_is_reached(self, gateway: PushGateway, target: PushTarget) -> None:
        endpoint = gateway.register(target)
        assert gateway.send(endpoint, HELLO) is PushOutcome.ACCEPTED

    @final
    def test_pushes_go_to_their_own_device(self, gateway: PushGateway) -> None:
        skip_unless(self.keeps_pushes, "this gateway does not show what it sent")
        one, other = apns(), fcm()
        first, second = gateway.register(one), gateway.register(other)
        push = Push({"aps": {"alert": {"body": "Ünï"}}, "n": 1}, "collapse", 60)
        gateway.send(first, HELLO)
        gateway.send(first, push)
        gateway.send(second, HELLO)
        self.settle()
        assert self.pushed(gateway, first) == [(one, push), (one, HELLO)]
        assert self.pushed(gateway, second) == [(other, HELLO)]

    @final
    def test_registering_again_gives_the_same_endpoint(self, gateway: PushGateway) -> None:
        target = apns()
        endpoint = gateway.register(target)
        assert gateway.register(target) == endpoint
        assert gateway.register(target, endpoint) == endpoint

    @final
    def test_platform_and_environment_tell_devices_apart(self, gateway: PushGateway) -> None:
        token = uuid.uuid4().hex * 2
        targets = [
            PushTarget(Platform.APNS, Environment.PRODUCTION, token),
            PushTarget(Platform.APNS, Environment.SANDBOX, token),
            PushTarget(Platform.FCM, Environment.PRODUCTION, token),
            apns(),
        ]
        assert len({gateway.register(target) for target in targets}) == 4

    @final
    def test_a_new_token_for_a_known_endpoint_works(self, gateway: PushGateway) -> None:
        before, after = apns(), apns()
        endpoint = gateway.register(after, gateway.register(before))
        assert gateway.send(endpoint, HELLO) is PushOutcome.ACCEPTED
        assert gateway.register(after) == endpoint
        if self.keeps_pushes:
            self.settle()
            assert self.pushed(gateway, endpoint) == [(after, HELLO)]

    @final
    def test_a_token_that_was_replaced_reaches_nobody_else(self, gateway: PushGateway) -> None:
        before, after = apns(), apns()
        kept = gateway.register(before)
        moved = gateway.register(after, kept)
        other = gateway.register(before)
        assert other != moved, "both tokens share an endpoint: one gets the other's pushes"
        assert gateway.send(other, HELLO) is PushOutcome.ACCEPTED
        assert gateway.register(after) == moved
        if self.keeps_pushes:
            self.settle()
            assert self.pushed(gateway, other) == [(before, HELLO)]
            assert self.pushed(gateway, moved) == []

    @final
    def test_a_token_has_one_endpoint_whatever_is_said(self, gateway: PushGateway) -> None:
        target = apns()
        endpoint, other = gateway.register(target), gateway.register(apns())
        assert gateway.register(target, other) == endpoint

    @final
    def test_an_endpoint_of_another_platform_is_not_reused(self, gateway: PushGateway) -> None:
        endpoint = gateway.register(apns())
        other = gateway.register(fcm(), endpoint)
        assert other != endpoint
        assert gateway.send(other, HELLO) is PushOutcome.ACCEPTED
        sandbox = gateway.register(apns(Environment.SANDBOX), endpoint)
        assert sandbox != endpoint

    @final
    def test_an_endpoint_that_never_was_is_no_trouble(self, gateway: PushGateway) -> None:
        gateway.unregister("never-was")
        assert gateway.send("never-was", HELLO) is PushOutcome.STALE
        endpoint = gateway.register(apns(), "never-was")
        assert gateway.send(endpoint, HELLO) is PushOutcome.ACCEPTED

    @final
    def test_an_unregistered_endpoint_is_stale(self, gateway: PushGateway) -> None:
        endpoint, other = gateway.register(apns()), gateway.register(apns())
        gateway.unregister(endpoint)
        gateway.unregister(endpoint)
        assert gateway.send(endpoint, HELLO) is PushOutcome.STALE
        assert gateway.send(other, HELLO) is PushOutcome.ACCEPTED

    @final
    def test_what_was_unregistered_can_come_back(self, gateway: PushGateway) -> None:
        target = apns()
        endpoint = gateway.register(target)
        gateway.send(endpoint, Push({"aps": {"alert": {"body": "For who had it before"}}}))
        gateway.unregister(endpoint)
        again = gateway.register(target, endpoint)
        assert gateway.send(again, HELLO) is PushOutcome.ACCEPTED
        if self.keeps_pushes:
            self.settle()
            assert self.pushed(gateway, again) == [(target, HELLO)]

    @final
    @pytest.mark.parametrize("tell_endpoint", [True, False])
    def test_a_disabled_endpoint_is_stale_until_it_is_registered(
        self, gateway: PushGateway, tell_endpoint: bool
    ) -> None:
        skip_unless(self.can_disable, "this gateway's endpoints cannot be disabled by a test")
        target = apns()
        endpoint, other = gateway.register(target), gateway.register(apns())
        self.disable(gateway, endpoint)
        self.settle()
        assert gateway.send(endpoint, HELLO) is PushOutcome.STALE
        assert gateway.send(other, HELLO) is PushOutcome.ACCEPTED
        again = gateway.register(target, endpoint if tell_endpoint else None)
        assert gateway.send(again, HELLO) is PushOutcome.ACCEPTED

    @final
    def test_a_disabled_endpoint_takes_a_new_token(self, gateway: PushGateway) -> None:
        skip_unless(self.can_disable, "this gateway's endpoints cannot be disabled by a test")
        endpoint = gateway.register(apns())
        self.disable(gateway, endpoint)
        self.settle()
        assert gateway.send(gateway.register(apns(), endpoint), HELLO) is PushOutcome.ACCEPTED

    @final
    @pytest.mark.parametrize(
        "target",
        [
            PushTarget(Platform.APNS, Environment.PRODUCTION, ""),
            PushTarget(Platform.APNS, Environment.PRODUCTION, "not hexadecimal"),
            PushTarget(Platform.APNS, Environment.PRODUCTION, "ab" * 201),
            PushTarget(Platform.APNS, Environment.SANDBOX, "abc"),
            PushTarget(Platform.APNS, Environment.SANDBOX, "ab" * 32 + "\n"),
            PushTarget(Platform.FCM, Environment.PRODUCTION, ""),
            PushTarget(Platform.FCM, Environment.PRODUCTION, "a b"),
            PushTarget(Platform.FCM, Environment.PRODUCTION, "ü"),
            PushTarget(Platform.FCM, Environment.PRODUCTION, "x" * 4097),
            PushTarget(Platform.FCM, Environment.SANDBOX, "token"),
        ],
        ids=str,
    )
    def test_what_the_platform_would_not_take_is_refused(
        self, gateway: PushGateway, target: PushTarget
    ) -> None:
        with pytest.raises(Invalid) as caught:
            gateway.register(target)
        assert caught.value.faults

    @final
    def test_4_kilobytes_are_the_most(self, gateway: PushGateway) -> None:
        endpoint = gateway.register(apns())
        assert gateway.send(endpoint, of_size(4096)) is PushOutcome.ACCEPTED
        assert gateway.send(endpoint, of_size(4097)) is PushOutcome.TOO_LARGE

    @final
    def test_sizes_are_those_of_utf_8(self, gateway: PushGateway) -> None:
        endpoint = gateway.register(apns())
        assert gateway.send(endpoint, of_size(4096, "ü")) is PushOutcome.ACCEPTED
        assert gateway.send(endpoint, of_size(4100, "ü")) is PushOutcome.TOO_LARGE
        assert gateway.send(endpoint, HELLO) is PushOutcome.ACCEPTED
