"""What `homeport doctor` finds of SNS. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from homeport.adapters.aws.errors import code_of
from homeport.definition.aws import AwsSettings
from homeport.entrypoints.cli.aws_checks import unseen
from homeport.entrypoints.cli.checks import Finding, fault, ok, warning

if TYPE_CHECKING:
    from homeport.adapters.aws.clients import Clients

_SETTING: Final = "aws.push_applications"
_UNKNOWN: Final = frozenset({"NotFound", "NotFoundException", "InvalidParameter"})


def applications(clients: Clients, settings: AwsSettings) -> Iterator[Finding]:
    """Whether each platform application is there and enabled."""
    arns = {name: arn for name, arn in vars(settings.push_applications).items() if arn is not None}
    if not arns:
        detail = "No platform application is set: devices cannot be registered."
        yield warning("push", detail, f"Set {_SETTING}, if messages are to reach devices.")
    for name, arn in arns.items():
        yield from _application(clients, f"{_SETTING}.{name}", arn)


def _application(clients: Clients, setting: str, arn: str) -> Iterator[Finding]:
    try:
        answer = clients.get("sns").get_platform_application_attributes(PlatformApplicationArn=arn)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and code_of(error) in _UNKNOWN:
            cure = f"Create it, or set {setting} to the ARN of one in this region."
            yield fault("push", f"SNS has no platform application {arn}.", cure)
        else:
            yield unseen("push", error, "looking at the platform application", setting)
        return
    if answer["Attributes"].get("Enabled", "true").lower() != "true":
        detail = f"SNS has disabled the platform application that {setting} names."
        cure = "Give it credentials that the platform takes, and enable it."
        yield fault("push", detail, cure)
    else:
        yield ok("push", f"{setting} is enabled")
