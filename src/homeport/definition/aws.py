"""What the AWS adapters need to know: names and addresses of what was deployed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from homeport.definition.environment import blank_is_none
from homeport.definition.forms import Form, Held, Prepared

_Name = Annotated[str, Held(min_length=1)]
_Optional = Annotated[str | None, Prepared(blank_is_none)]


@dataclass(frozen=True, kw_only=True)
class PushApplications(Form):
    """SNS platform applications, by ARN; a device of a platform without one is refused."""

    apns: _Optional = None
    apns_sandbox: _Optional = None
    fcm: _Optional = None

    def arns(self) -> dict[str, str]:
        """By the name that SNS gives the platform in a payload: APNS, APNS_SANDBOX, GCM."""
        named = {"APNS": self.apns, "APNS_SANDBOX": self.apns_sandbox, "GCM": self.fcm}
        return {name: arn for name, arn in named.items() if arn is not None}


@dataclass(frozen=True, kw_only=True)
class AwsSettings(Form):
    """`region` and credentials are AWS's own settings (`AWS_REGION` and so on) unless said here.

    Queues are names or URLs. `table` holds records, memberships and identities.
    `messages_queue` feeds the function that delivers messages; `subscribers_queue`, a FIFO
    queue, the app's own functions. What nobody could take is parked in `parked_queue`;
    `redriven_queue` brings it back. `failed_batches` is the bucket that gets the stream's
    batches which could not be indexed in time; without it there are none to read.
    """

    region: _Optional = None
    table: _Name = "homeport"
    messages_queue: _Name = "homeport-messages"
    messages_dead_queue: _Name = "homeport-messages-dead"
    subscribers_queue: _Name = "homeport-subscribers.fifo"
    parked_queue: _Name = "homeport-parked"
    redriven_queue: _Name = "homeport-redriven"
    failed_batches: _Optional = None
    search_endpoint: _Optional = None
    document_endpoint: _Optional = None
    push_applications: PushApplications = field(default_factory=PushApplications)
