"""Requests to an emulated CloudSearch domain, written by hand, as they go over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import boto3
from botocore.config import Config

from homeport.testing.cloudsearch import CloudSearchEmulator, Field

BATCH = "/2013-01-01/documents/batch"
SEARCH = "/2013-01-01/search"
SUGGEST = "/2013-01-01/suggest"

BIRTHDAY = 1_800_000_000.0
"""A second that begins, in 2027: where the clock of a test stands."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@contextmanager
def started(fields: Mapping[str, str | Field], **settings: Any) -> Iterator[CloudSearchEmulator]:
    """A domain whose clock stands still unless it is moved."""
    settings.setdefault("clock", lambda: BIRTHDAY)
    with CloudSearchEmulator(fields, **settings) as domain:
        yield domain


def ask(
    domain: CloudSearchEmulator,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send exactly this: no header is added but Host and, with a body, Content-Length."""
    connection = HTTPConnection(domain.endpoint.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, dict(response.headers.items()), text)
    finally:
        connection.close()


def upload(domain: CloudSearchEmulator, batch: object, **headers: str) -> Answer:
    """Post a batch: bytes as they are, everything else as JSON."""
    body = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
    sent = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return ask(domain, "POST", f"{BATCH}?format=sdk", body, sent)


def add(domain: CloudSearchEmulator, id: str, **fields: object) -> None:
    """Add one document, and let it become visible."""
    answer = upload(domain, [{"type": "add", "id": id, "fields": fields}])
    assert answer.json == {"status": "success", "adds": 1, "deletes": 0}
    domain.settle()


def search(domain: CloudSearchEmulator, q: str, **parameters: object) -> Answer:
    """Search as boto3 does: a form that is posted. `q_parser` stands for `q.parser`."""
    form = {"format": "sdk", "pretty": "true", "q": q} | {
        name.rstrip("_").replace("q_", "q."): value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask(domain, "POST", SEARCH, urlencode(form).encode(), headers)


def found(domain: CloudSearchEmulator, q: str, **parameters: object) -> list[str]:
    """The ids of the hits, sorted by id; structured syntax unless `q_parser` says otherwise."""
    answer = search(
        domain, q, **{"q_parser": "structured", "sort": "_id asc", "size": 100} | parameters
    )
    assert answer.status == 200, answer.text
    return [hit["id"] for hit in answer.json["hits"]["hit"]]


def refusal(domain: CloudSearchEmulator, q: str, **parameters: object) -> str:
    """Why a search is refused; structured syntax unless `q_parser` says otherwise."""
    answer = search(domain, q, **{"q_parser": "structured"} | parameters)
    assert answer.status == 400, answer.text
    assert answer.json["__type"] == "#SearchException"
    return str(answer.json["message"])


def client(domain: CloudSearchEmulator, service: str = "cloudsearchdomain") -> Any:
    """boto3's own, which tries once."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # either of the two
        endpoint_url=domain.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )
