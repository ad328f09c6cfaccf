"""SNS by heart: answers that are written down here, as the real one words them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

from homeport.adapters.aws.clients import Clients

_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


class Reply(NamedTuple):
    """An answer to a call of this operation."""

    operation: str
    content: str = ""
    status: int = 200


def created(arn: str) -> Reply:
    return Reply("CreatePlatformEndpoint", f"<EndpointArn>{arn}</EndpointArn>")


def attributes(token: str, enabled: str = "true") -> Reply:
    entries = "".join(
        f"<entry><key>{name}</key><value>{value}</value></entry>"
        for name, value in (("Enabled", enabled), ("Token", token))
    )
    return Reply("GetEndpointAttributes", f"<Attributes>{entries}</Attributes>")


def done(operation: str) -> Reply:
    return Reply(operation)


def refused(operation: str, code: str, message: str, status: int = 400) -> Reply:
    content = (
        f"<Error><Type>{'Sender' if status < 500 else 'Receiver'}</Type>"
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    )
    return Reply(operation, content, status)


def conflict(operation: str, arn: str) -> Reply:
    """The token has an endpoint that differs in something else."""
    return refused(
        operation,
        "InvalidParameter",
        f"Invalid parameter: Token Reason: Endpoint {arn} already exists with the same Token, "
        "but different attributes.",
    )


class ScriptedSNS:
    """Gives these answers, in this order, to the client of `clients`, and keeps what it sent."""

    def __init__(self, clients: Clients, *replies: Reply) -> None:
        self.calls: list[dict[str, str]] = []
        """The parameters of each call, as they went over the wire."""
        self._replies = list(replies)
        events: Any = clients.get("sns").meta.events  # typed for handlers that answer nothing
        events.register("before-send.sns", self._answer)

    @property
    def operations(self) -> list[str]:
        return [one["Action"] for one in self.calls]

    @property
    def left(self) -> list[Reply]:
        """What nobody has asked for."""
        return self._replies

    def published(self, call: int = -1) -> dict[str, Any]:
        """The message of a call, its strings of JSON read too."""
        message: dict[str, str] = json.loads(self.calls[call]["Message"])
        return {name: json.loads(value) for name, value in message.items()}

    def message_attributes(self, call: int = -1) -> dict[str, str]:
        sent = self.calls[call]
        return {
            value: sent[f"{name.removesuffix('Name')}Value.StringValue"]
            for name, value in sent.items()
            if name.startswith("MessageAttributes.entry.") and name.endswith(".Name")
        }

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.calls.append(dict(parse_qsl(request.body, keep_blank_values=True)))
        reply = self._replies.pop(0)
        action = self.calls[-1]["Action"]
        assert reply.operation == action, f"{action} was not expected here"
        if reply.status == 200:
            inner = f"<{action}Result>{reply.content}</{action}Result>"
            text = f'<{action}Response xmlns="{_NAMESPACE}">{inner}</{action}Response>'
        else:
            text = f'<ErrorResponse xmlns="{_NAMESPACE}">{reply.content}</ErrorResponse>'
        headers = {"content-type": "text/xml"}
        return AWSResponse(request.url, reply.status, headers, _Raw(text.encode()))  # type: ignore[arg-type]  # the part of urllib3's response that botocore uses


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
