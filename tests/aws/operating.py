"""An operator's laptop with the AWS profile: settings, everything they name, and the command."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import moto.sqs.models
import pytest
from botocore.loaders import create_loader

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_fields import scheme_name
from homeport.adapters.aws.table import definition as table_definition
from homeport.entrypoints.cli.arguments import run
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator, Field
from tests.aws.resources import REGION
from tests.aws.search_domains import emulated_fields
from tests.servers import free_port

LARGE = {"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "1209600"}
READ = {"VisibilityTimeout": "720"}
"""Of a queue with a function behind it."""
QUEUES: dict[str, dict[str, str]] = {
    "messages": LARGE | READ,
    "messages-dead": LARGE,
    "parked": LARGE,
    "redriven": READ,
    "subscribers.fifo": {"FifoQueue": "true", **READ},
}
APPLICATION = "homeport-fcm"


class Deployed:
    """All that the settings name, at moto and the CloudSearch emulator; `settings` are the
    environment variables of whoever runs a command."""

    def __init__(self, clients: Clients, domain: CloudSearchEmulator) -> None:
        self.clients = clients
        self.domain = domain
        self.prefix = "homeport"
        self.bucket = "failed-batches"

    @property
    def table(self) -> str:
        return self.prefix

    def create(self, *, push: bool = True) -> None:
        self.create_table()
        for name, attributes in QUEUES.items():
            self.create_queue(f"{self.prefix}-{name}", **attributes)
        place: Any = {"LocationConstraint": REGION}
        self.clients.get("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration=place)
        if not push:
            return
        self.clients.get("sns").create_platform_application(
            Name=APPLICATION, Platform="GCM", Attributes={}
        )

    def create_table(self, **changes: Any) -> None:
        """The table as a deployment makes it, or with other properties."""
        dynamodb = self.clients.get("dynamodb")
        definition: Any = {**table_definition(self.table), **changes}
        definition = {name: value for name, value in definition.items() if value is not None}
        dynamodb.create_table(**definition)
        dynamodb.update_time_to_live(
            TableName=self.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )
        dynamodb.update_continuous_backups(
            TableName=self.table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )

    def create_queue(self, name: str, **attributes: str) -> None:
        self.clients.get("sqs").create_queue(QueueName=name, Attributes=attributes)  # type: ignore[arg-type]  # any names: the tests know them

    def drop_queue(self, name: str) -> None:
        sqs = self.clients.get("sqs")
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def set_queue(self, name: str, **attributes: str) -> None:
        sqs = self.clients.get("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]  # the same

    @property
    def application(self) -> str:
        return f"arn:aws:sns:{REGION}:123456789012:app/GCM/{APPLICATION}"

    def settings(self) -> dict[str, str]:
        return {
            "HOMEPORT_PROFILE": "aws",
            "HOMEPORT_SERVER__PORT": str(free_port()),
            "HOMEPORT_AWS__REGION": REGION,
            "HOMEPORT_AWS__TABLE": self.table,
            "HOMEPORT_AWS__MESSAGES_QUEUE": f"{self.prefix}-messages",
            "HOMEPORT_AWS__MESSAGES_DEAD_QUEUE": f"{self.prefix}-messages-dead",
            "HOMEPORT_AWS__PARKED_QUEUE": f"{self.prefix}-parked",
            "HOMEPORT_AWS__REDRIVEN_QUEUE": f"{self.prefix}-redriven",
            "HOMEPORT_AWS__SUBSCRIBERS_QUEUE": f"{self.prefix}-subscribers.fifo",
            "HOMEPORT_AWS__FAILED_BATCHES": self.bucket,
            "HOMEPORT_AWS__PUSH_APPLICATIONS__FCM": self.application,
            "HOMEPORT_AWS__SEARCH_ENDPOINT": self.domain.endpoint,
            "HOMEPORT_AWS__DOCUMENT_ENDPOINT": self.domain.endpoint,
            # The emulator's own, for what describes a domain.
            "AWS_ENDPOINT_URL_CLOUDSEARCH": self.domain.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture
def domain() -> Iterator[CloudSearchEmulator]:
    """A CloudSearch domain in real time, with the fields that the index needs."""
    with emulated(emulated_fields()) as running:
        yield running


def emulated(fields: dict[str, str | Field]) -> CloudSearchEmulator:
    """A domain with these fields, that shows at once what it was sent."""
    schemes = {scheme_name("en"): AnalysisScheme(stemming=True)}
    return CloudSearchEmulator(fields, delay=0.0, order="arrival", schemes=schemes)


@cache
def _loader() -> Any:
    return create_loader()


@pytest.fixture
def deployed(
    moto_session: boto3.Session,
    domain: CloudSearchEmulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> Deployed:
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch)
    # Each command has a session of its own, which would read all of boto3's descriptions anew.
    monkeypatch.setattr("botocore.session.create_loader", lambda *_: _loader())
    there = Deployed(Clients(session=moto_session), domain)
    there.create()
    for name, value in there.settings().items():
        monkeypatch.setenv(name, value)
    return there


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass quickly for moto's SQS, so that nobody waits long at an empty queue."""
    looks = itertools.count()
    began = time.time()

    def seconds() -> float:
        return began + next(looks) / 8

    monkeypatch.setattr(moto.sqs.models.Queue, "wait_for_messages", lambda *_: None)
    monkeypatch.setattr(moto.sqs.models, "unix_time", seconds)
    monkeypatch.setattr(moto.sqs.models, "unix_time_millis", lambda: seconds() * 1000)


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def homeport(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process: its exit code, and what it wrote to both streams."""

    def homeport(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(argv))
        written = capsys.readouterr()
        return code, written.out, written.err

    return homeport


def forbid(
    monkeypatch: pytest.MonkeyPatch, *operations: str, code: str = "AccessDeniedException"
) -> None:
    """Let AWS permit none of these operations (`dynamodb.GetItem`), in clients made from now
    on. moto asks nobody's policy, so the answer is given in its stead."""
    make: Any = botocore.session.Session.create_client

    def client(session: Any, service: str, *args: Any, **kwargs: Any) -> Any:
        made: Any = make(session, service, *args, **kwargs)
        for operation in operations:
            named, _, action = operation.partition(".")
            if named == service:
                made.meta.events.register(f"before-call.*.{action}", _denied(service, action, code))
        return made

    monkeypatch.setattr(botocore.session.Session, "create_client", client)


@contextmanager
def without_credentials(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Nothing says who asks, for the length of a with-block."""
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patch.setenv(name, str(folder / "none"))
        yield


def _denied(service: str, action: str, code: str) -> Callable[..., Any]:
    message = f"User: x is not authorized to perform: {service}:{action} on resource: y"

    def answer(**_: Any) -> tuple[Any, dict[str, Any]]:
        response = type("Response", (), {"status_code": 400, "headers": {}})()
        return response, {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }

    return answer
