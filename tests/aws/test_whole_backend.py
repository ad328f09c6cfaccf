"""One setting, `profile = "aws"`, and the demo's story: the whole set at work, over HTTP.

moto stands for DynamoDB, its stream, SQS and SNS; the emulator for CloudSearch. The pumps of the
local gateway stand for the event source mappings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest
from moto.backends import get_backend

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.search_fields import scheme_name
from homeport.container import build
from homeport.definition import Definition
from homeport.entrypoints.local import greenlets, pauses
from homeport.entrypoints.local.app import gateway_for, settings_of
from homeport.entrypoints.local.server import Gateway
from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator
from homeport.testing.gateway import serving
from tests.aws.queues import create_queue
from tests.aws.resources import REGION, create_table
from tests.aws.search_domains import emulated_fields
from tests.gateways import eventually

ACCOUNT = "123456789012"
"""moto's."""


@pytest.fixture
def definition(moto_session: boto3.Session) -> Iterator[Definition]:
    """What was deployed, as a definition names it."""
    clients = Clients(session=moto_session)
    application = clients.get("sns").create_platform_application(
        Name="app", Platform="GCM", Attributes={"PlatformCredential": "key"}
    )
    schemes = {scheme_name("en"): AnalysisScheme(stemming=True)}
    with CloudSearchEmulator(emulated_fields(), schemes=schemes) as domain:
        yield Definition.of(
            {
                "profile": "aws",
                "server": {"port": 0, "access_log": "off"},
                "aws": {
                    "region": REGION,
                    "table": create_table(clients),
                    "messages_queue": create_queue(clients, "messages"),
                    "messages_dead_queue": create_queue(clients, "dead"),
                    "subscribers_queue": create_queue(clients, "subscribers", FifoQueue="true"),
                    "parked_queue": create_queue(clients, "parked"),
                    "redriven_queue": create_queue(clients, "redriven"),
                    "search_endpoint": domain.endpoint,
                    "document_endpoint": domain.endpoint,
                    "push_applications": {"fcm": application["PlatformApplicationArn"]},
                },
                "collections": {"notes": {"fields": {"title": "text", "kind": "keyword"}}},
            }
        )


@pytest.fixture
def address(definition: Definition, moto_session: boto3.Session) -> Iterator[str]:
    backend = build(
        definition,
        offload=greenlets.offload,
        pause=pauses.pause,
        clients=Clients(session=moto_session),
    )
    backend.check()

    def make(on_listening: Callable[[str], None]) -> Gateway:
        return gateway_for(backend, settings=settings_of(definition), on_listening=on_listening)

    try:
        with serving(make) as address:
            yield address
    finally:
        backend.close()


class Person:
    def __init__(self, address: str) -> None:
        session = httpx.post(f"{address}/v1/identity/guest").json()
        self.id: str = session["identity"]["id"]
        self.http = httpx.Client(
            base_url=f"{address}/v1",
            headers={"Authorization": f"Bearer {session['access_token']}"},
            timeout=20,
        )

    def get(self, path: str, **parameters: str) -> Any:
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def people(address: str) -> Iterator[tuple[Person, Person]]:
    two = Person(address), Person(address)
    yield two
    for one in two:
        one.http.close()


def test_the_demos_story(people: tuple[Person, Person]) -> None:
    ann, ben = people
    created = ann.http.post("/records/me/notes", json={"title": "Fresh bread", "kind": "baking"})
    assert created.status_code == 201, created.text
    record = created.json()

    changed = ann.http.patch(
        f"/records/me/notes/{record['id']}",
        json={"minutes": 90},
        headers={
            "If-Match": created.headers["etag"],
            "Content-Type": "application/merge-patch+json",
        },
    )
    assert changed.json()["data"] == {"title": "Fresh bread", "kind": "baking", "minutes": 90}
    assert ann.get("/records/me/notes")["items"] == [changed.json()]
    (change,) = ann.get(f"/changes/{ann.id}")["items"]
    assert change == changed.json()

    def found() -> bool:
        answer = ann.get("/search", q="bread", facet="kind")
        return bool(answer["total"] == 1) and answer["hits"][0]["record"] == changed.json()

    assert eventually(found)
    assert ann.get("/search", q="bread", facet="kind")["facets"] == {
        "kind": [{"value": "baking", "count": 1}]
    }
    assert ben.get("/search", q="bread")["total"] == 0
    assert ben.http.get(f"/records/{ann.id}/notes/{record['id']}").status_code == 404

    device = ben.http.put("/devices/phone", json={"platform": "fcm", "token": "a-token"})
    assert device.status_code == 200, device.text
    sent = ann.http.post(
        "/messages", json={"to": [ben.id], "title": "Hello", "text": "The bread is ready."}
    )
    assert sent.status_code == 202, sent.text
    assert eventually(lambda: len(ben.get("/records/me/inbox")["items"]) == 1)
    (inbox,) = ben.get("/records/me/inbox")["items"]
    assert inbox["data"]["text"] == "The bread is ready."
    assert eventually(lambda: len(pushes()) == 1)
    payload = json.loads(json.loads(pushes()[0])["GCM"])["fcmV1Message"]["message"]
    assert payload["notification"] == {"title": "Hello", "body": "The bread is ready."}
    # The push goes out before the message is known to have.
    message = f"/messages/{sent.json()['id']}"
    assert eventually(lambda: bool(ann.get(message)["state"] == "accepted"))

    assert ann.http.delete(f"/records/me/notes/{record['id']}").status_code == 204
    gone = {"q": "bread", "collection": "notes"}
    assert eventually(lambda: bool(ann.get("/search", **gone)["total"] == 0))
    assert ann.http.get("/health").json()["status"] == "ok"


def pushes() -> list[str]:
    """What moto's SNS was told to push."""
    sns: Any = get_backend("sns")[ACCOUNT][REGION]
    return [
        message
        for endpoint in sns.platform_endpoints.values()
        for message in endpoint.messages.values()
    ]
