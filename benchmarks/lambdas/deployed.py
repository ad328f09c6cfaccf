"""What our functions need around them, in moto and an emulator of CloudSearch: only to record
what AWS answers them. And the events that they are started with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from moto import mock_aws

from benchmarks.lambdas.processes import request
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_fields import scheme_name
from homeport.container import Backend, build
from homeport.definition import Definition
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.lambdas import messages
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator
from tests.aws.queues import create_queue, url_of
from tests.aws.resources import REGION, create_table
from tests.aws.search_domains import emulated_fields
from tests.lambda_runtime import events

FUNCTIONS: Final = ("records", "search", "messages", "indexing", "delivery")
_ROUTE: Final = "/v1/records/{space}/{collection}"
_PLACE: Final = {"space": "me", "collection": "notes"}
_MESSAGE: Final = {"to": ["ben"], "title": "Soup", "text": "It is ready."}


@dataclass(frozen=True, slots=True)
class Deployed:
    """`search` is host:port; `environ` what functions are told; `events` by function, with what
    marks a good answer to each."""

    search: str
    environ: dict[str, str]
    events: dict[str, tuple[dict[str, Any], tuple[str, ...]]]


@contextmanager
def deployed() -> Iterator[Deployed]:
    """A note of Ann's in the table and in the index, and a message of hers in the queue."""
    schemes = {scheme_name("en"): AnalysisScheme(stemming=True)}
    fields = emulated_fields()
    with mock_aws(), CloudSearchEmulator(fields, schemes=schemes) as domain:
        clients = Clients(session=boto3.Session(region_name=REGION))  # moto has credentials
        queue = create_queue(clients, "messages")
        aws = {
            "table": create_table(clients, whole_index=True),
            "messages_queue": queue,
            "messages_dead_queue": create_queue(clients, "dead"),
            "subscribers_queue": create_queue(clients, "subscribers", FifoQueue="true"),
            "parked_queue": create_queue(clients, "parked"),
            "redriven_queue": create_queue(clients, "redriven"),
            "search_endpoint": domain.endpoint,
            "document_endpoint": domain.endpoint,
        }
        definition = Definition.of({"profile": "aws", "aws": {"region": REGION, **aws}})
        backend = build(definition, clients=clients)
        try:
            yield Deployed(
                domain.endpoint.removeprefix("http://"),
                {f"HOMEPORT_AWS__{name.upper()}": value for name, value in aws.items()},
                _events(backend, clients, queue),
            )
        finally:
            backend.close()


def _events(
    backend: Backend, clients: Clients, queue: str
) -> dict[str, tuple[dict[str, Any], tuple[str, ...]]]:
    key = Key("ann", "notes", "0197")
    (note,) = backend.store.write([Put(key, "ann", Data.of({"title": "Soup", "n": 1}))])
    changed = RecordChanged(key, note.version, None, "ann", deleted=False)
    failed = backend.indexing.consume([changed])
    sending = request("POST /v1/messages", "/v1/messages", _MESSAGE)
    sent = messages.build(backend)(sending, None)
    if failed or sent["statusCode"] != 202:
        raise RuntimeError(f"{failed}, {sent}")
    url = url_of(clients, queue)
    received: Any = clients.get("sqs").receive_message(QueueUrl=url)["Messages"][0]
    getting = request(f"GET {_ROUTE}/{{id}}", "/v1/records/me/notes/0197", id="0197", **_PLACE)
    return {
        "records": (getting, ('"statusCode": 200', "Soup")),
        "search": (request("GET /v1/search", "/v1/search?q=soup"), ('"statusCode": 200', "Soup")),
        "messages": (sending, ('"statusCode": 202',)),
        "indexing": (events.change("0197", note.version), ('{"batchItemFailures": []}',)),
        "delivery": (_queued(received["Body"], queue), ('{"batchItemFailures": []}',)),
    }


def _queued(body: str, queue: str) -> dict[str, Any]:
    """A message as Lambda hands it to a function."""
    now = str(int(time.time() * 1000))
    return {
        "Records": [
            {
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "receipt",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": now,
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": now,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{queue}",
                "awsRegion": REGION,
            }
        ]
    }
