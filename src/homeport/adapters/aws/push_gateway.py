"""Devices as SNS endpoints, one platform application for each platform and environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import THROTTLED, code_of, translated
from homeport.adapters.aws.sns_messages import attributes_of, message_of
from homeport.domain import limits
from homeport.domain.devices import check_target
from homeport.domain.errors import Fault, HomeportError, Invalid, Unavailable
from homeport.domain.model.data import encode
from homeport.domain.model.device import Environment, Platform, PushOutcome, PushTarget
from homeport.domain.ports.push_gateway import Push

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

_SETTING: Final = "aws.push_applications"
_ATTEMPTS: Final = 5
"""How often an endpoint is looked for that others keep removing."""
_PLATFORM: Final = re.compile(r"arn:[^:]+:sns:[^:]+:[^:]*:endpoint/(APNS|APNS_SANDBOX|GCM)/.+\Z")
_CONFLICT: Final = re.compile(r"Endpoint (arn:\S+) already exists with the same Token")
_INVALID: Final = frozenset({"InvalidParameter", "InvalidParameterException"})
_MISSING: Final = frozenset({"NotFound", "NotFoundException"})
_DISABLED: Final = frozenset({"EndpointDisabled", "EndpointDisabledException"})
_NO_ENDPOINT: Final = "No endpoint found"
_TOO_LONG: Final = "too long"


class _Endpoint(NamedTuple):
    token: str
    enabled: bool


class SNSPushGateway:
    """`applications` are platform applications by the name that SNS gives the platform: APNS,
    APNS_SANDBOX and GCM, each with the ARN. A device of a platform without one is Invalid.

    CustomUserData stays unused: a token whose data differ could not be registered again.
    """

    def __init__(self, clients: Clients, *, applications: Mapping[str, str]) -> None:
        self._clients = clients
        self._applications = dict(applications)

    def register(self, target: PushTarget, endpoint: str | None = None) -> str:
        """In the order that SNS documents: create what is not known, look whether it has this
        token and is enabled, and else make it so."""
        check_target(target)
        application = self._application(target)
        arn = endpoint if endpoint and _belongs(endpoint, application) else None
        for _ in range(_ATTEMPTS):
            if arn is None:
                arn = self._create(application, target.token)
            there = self._look(arn)
            if there == _Endpoint(target.token, enabled=True):
                return arn
            holder = None if there is None else self._renew(arn, target.token)
            if there is not None and holder == arn and there.token != target.token:
                # The token may have had an endpoint before, and now has two: which of them
                # counts, only this tells.
                holder = self._create(application, target.token)
            if holder == arn:
                return arn
            arn = holder
        raise Unavailable("This device's endpoint is being changed elsewhere.")

    def unregister(self, endpoint: str) -> None:
        if _PLATFORM.match(endpoint) is None:
            return
        try:
            self._clients.get("sns").delete_endpoint(EndpointArn=endpoint)
        except ClientError as exc:
            if code_of(exc) not in _MISSING:
                raise _translated(exc, "removing a device") from exc
        except BotoCoreError as exc:
            raise _translated(exc, "removing a device") from exc

    def send(self, endpoint: str, push: Push) -> PushOutcome:
        found = _PLATFORM.match(endpoint)
        if found is None:
            return PushOutcome.STALE
        if len(encode(push.payload).encode()) > limits.PUSH_BYTES:
            return PushOutcome.TOO_LARGE
        platform = found[1]
        try:
            self._clients.get("sns").publish(
                TargetArn=endpoint,
                MessageStructure="json",
                Message=message_of(platform, push),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes_of(platform, push).items()
                },
            )
        except ClientError as exc:
            outcome = _outcome(exc)
            if outcome is None:
                raise _translated(exc, "sending a push") from exc
            return outcome
        except BotoCoreError as exc:
            raise _translated(exc, "sending a push") from exc
        return PushOutcome.ACCEPTED

    def _application(self, target: PushTarget) -> str:
        name = "GCM"
        if target.platform is Platform.APNS:
            production = target.environment is Environment.PRODUCTION
            name = "APNS" if production else "APNS_SANDBOX"
        arn = self._applications.get(name)
        if arn is None:
            pointer = "/environment" if name == "APNS_SANDBOX" else "/platform"
            detail = f"this backend has no push application for {_NAMES[name]}"
            raise Invalid("This device cannot be pushed to.", (Fault(pointer, detail),))
        return arn

    def _create(self, application: str, token: str) -> str:
        """The endpoint of the token, a new one where it has none; it may be disabled."""
        try:
            return self._clients.get("sns").create_platform_endpoint(
                PlatformApplicationArn=application, Token=token
            )["EndpointArn"]
        except ClientError as exc:
            holder = _holder(exc)
            if holder is None:
                raise _registering(exc) from exc
            return holder
        except BotoCoreError as exc:
            raise _translated(exc, "registering a device") from exc

    def _look(self, arn: str) -> _Endpoint | None:
        try:
            found = self._clients.get("sns").get_endpoint_attributes(EndpointArn=arn)
        except ClientError as exc:
            if code_of(exc) in _MISSING:
                return None
            raise _registering(exc) from exc
        except BotoCoreError as exc:
            raise _translated(exc, "registering a device") from exc
        attributes = found["Attributes"]
        enabled = attributes.get("Enabled", "").lower() == "true"
        return _Endpoint(attributes.get("Token", ""), enabled)

    def _renew(self, arn: str, token: str) -> str | None:
        """Give an endpoint this token, and enable it. Returns the endpoint that the token has
        then, which may be another; None where this one is gone."""
        try:
            self._clients.get("sns").set_endpoint_attributes(
                EndpointArn=arn, Attributes={"Token": token, "Enabled": "true"}
            )
        except ClientError as exc:
            holder = _holder(exc)
            if holder is None and code_of(exc) not in _MISSING:
                raise _registering(exc) from exc
            return holder
        except BotoCoreError as exc:
            raise _translated(exc, "registering a device") from exc
        return arn


_NAMES: Final = {"APNS": "APNs", "APNS_SANDBOX": "APNs' sandbox", "GCM": "FCM"}


def _belongs(endpoint: str, application: str) -> bool:
    """Whether an endpoint is one of this application's: its ARN says so."""
    return endpoint.startswith(f"{application.replace(':app/', ':endpoint/', 1)}/")


def _holder(exc: ClientError) -> str | None:
    """The endpoint that already has the token: SNS names it nowhere but in the error's text."""
    if code_of(exc) not in _INVALID:
        return None
    found = _CONFLICT.search(_message(exc))
    return found[1] if found else None


def _outcome(exc: ClientError) -> PushOutcome | None:
    """What an error of publishing says about the device; None where it says nothing."""
    code, message = code_of(exc), _message(exc)
    if code in THROTTLED:
        return PushOutcome.THROTTLED
    # One that was deleted is a parameter that is not valid.
    gone = code in _INVALID and _NO_ENDPOINT in message
    if gone or code in _DISABLED or code in _MISSING:
        return PushOutcome.STALE
    if code in _INVALID and _TOO_LONG in message:
        return PushOutcome.TOO_LARGE
    return None


def _registering(exc: ClientError) -> HomeportError:
    """A token that SNS finds wrong is the caller's fault; all else is not."""
    if code_of(exc) in _INVALID and "Token" in _message(exc):
        fault = Fault("/token", "the push service does not take this token")
        return Invalid("This device cannot be pushed to.", (fault,))
    return _translated(exc, "registering a device")


def _translated(exc: ClientError | BotoCoreError, doing: str) -> HomeportError:
    if isinstance(exc, ClientError) and code_of(exc).startswith("PlatformApplicationDisabled"):
        return Unavailable(
            f"SNS has disabled the platform application while {doing}: give the one that "
            f"{_SETTING} names credentials that the platform takes, and enable it."
        )
    return translated(exc, doing, setting=_SETTING)


def _message(exc: ClientError) -> str:
    return exc.response.get("Error", {}).get("Message", "")
