"""The gateway over whole backends, in memory and embedded: what is written gets found, what is
sent gets pushed, and the local routes show it to its owner alone."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from homeport import container
from homeport.adapters.embedded.database import Database
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.definition import Adapters, Definition
from homeport.domain.errors import Unavailable
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.entrypoints.local import greenlets, memory, pauses
from homeport.entrypoints.local.app import gateway_for, settings_of
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import LogFormat
from homeport.testing.gateway import serving
from tests.gateways import PATIENCE, Answer, Served, eventually


@dataclass(frozen=True)
class Caller:
    """A guest of a served backend."""

    served: Served
    id: str
    token: str

    def get(self, target: str) -> Answer:
        return self.served.get(target, f"Authorization: Bearer {self.token}")

    def send(self, method: str, target: str, value: Any) -> Answer:
        body = json.dumps(value)
        return self.served.send(
            f"{method} {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )


@contextmanager
def running_backend(definition: Definition, **overrides: Any) -> Iterator[Served]:
    backend = container.build(
        definition, offload=greenlets.offload, pause=pauses.pause, **overrides
    )
    settings = replace(settings_of(definition), port=0, log=LogFormat.JSON)
    log = io.StringIO()
    made: list[Gateway] = []

    def make(on_listening: Callable[[str], None]) -> Gateway:
        made.append(gateway_for(backend, settings=settings, on_listening=on_listening, stream=log))
        return made[0]

    try:
        with serving(make) as address:
            at = urlsplit(address)
            yield Served(at.hostname or "", at.port or 0, log, made)
    finally:
        backend.close()
    assert "Traceback" not in log.getvalue()


@pytest.fixture(params=["memory", "embedded"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    adapters = Adapters.of(dict.fromkeys(Adapters.names(), request.param))
    with running_backend(Definition(data_folder=tmp_path, adapters=adapters)) as one:
        yield one


def guest(served: Served) -> Caller:
    session = served.post("/v1/identity/guest", b"").json()
    return Caller(served, session["identity"]["id"], session["access_token"])


def test_what_is_written_is_found(served: Served) -> None:
    one, other = guest(served), guest(served)
    created = one.send("POST", "/v1/records/me/notes", {"title": "a lighthouse by the sea"})
    assert created.status == 201
    assert one.get(created["location"]).json()["data"] == {"title": "a lighthouse by the sea"}
    assert served.gateway.pumps.wait_until_idle(PATIENCE)
    assert one.get("/v1/search?q=lighthouse").json()["total"] == 1
    assert other.get("/v1/search?q=lighthouse").json()["total"] == 0


def test_the_local_routes(served: Served) -> None:
    sender, recipient = guest(served), guest(served)
    device = {"platform": "apns", "token": "ab" * 32}
    assert recipient.send("PUT", "/v1/devices/phone", device).status in {200, 201}
    sent = sender.send(
        "POST", "/v1/messages", {"to": [recipient.id], "title": "hello", "text": "x"}
    )
    assert sent.status == 202
    assert served.gateway.pumps.wait_until_idle(PATIENCE)
    pushes = recipient.get("/local/pushes").json()["items"]
    assert [(one["device"], one["platform"]) for one in pushes] == [("phone", "apns")]
    assert pushes[0]["payload"]["aps"]["alert"]["title"] == "hello"
    assert sender.get("/local/pushes").json() == {"items": []}
    status = recipient.get("/local/status").json()
    assert status["idle"] is True
    assert set(status["pumps"]) >= {"indexing", "messaging", "queue"}
    assert all(pump["failures"] == 0 for pump in status["pumps"].values())


def test_who_signs_in_on_a_phone_is_not_shown_its_former_users_pushes(served: Served) -> None:
    ann, ben = guest(served), guest(served)
    device = {"platform": "apns", "token": "cd" * 32}
    for one in (ann, ben):
        assert one.send("PUT", "/v1/devices/phone", device).status == 200
        message = {"to": [one.id], "text": f"for {one.id} only"}
        assert one.send("POST", "/v1/messages", message).status == 202
        assert served.gateway.pumps.wait_until_idle(PATIENCE)
    assert ann.get("/local/pushes").json() == {"items": []}
    (push,) = ben.get("/local/pushes").json()["items"]
    assert push["payload"]["aps"]["alert"]["body"] == f"for {ben.id} only"


def test_the_limit_of_devices_holds_for_many_at_once(served: Served) -> None:
    ann = guest(served)

    def put(number: int) -> int:
        device = {"platform": "apns", "token": f"{number:064x}"}
        return ann.send("PUT", f"/v1/devices/phone-{number}", device).status

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(put, range(40)))
    assert Counter(statuses) == {200: 20, 409: 20}
    assert len(ann.get("/v1/devices").json()["items"]) == 20


@pytest.mark.parametrize("target", ["/local/pushes", "/local/status"])
def test_the_local_routes_want_a_token(served: Served, target: str) -> None:
    answer = served.get(target)
    assert answer.status == 401
    assert "www-authenticate" in answer


def test_the_limit_on_guests_is_the_definitions(served: Served) -> None:
    most = Definition().limits.guests_per_minute
    answers = [served.post("/v1/identity/guest", b"") for _ in range(most)]
    assert [one.status for one in answers] == [201] * most
    # Slow as this machine may be, it does not make guests as slowly as the limit lets it.
    more = [served.post("/v1/identity/guest", b"") for _ in range(most)]
    refused = [one for one in more if one.status == 429]
    assert refused
    assert refused[0]["retry-after"] == "1"


def test_a_stop_under_load_keeps_every_write_that_was_acknowledged(tmp_path: Path) -> None:
    definition = Definition(data_folder=tmp_path)
    acknowledged: list[str] = []

    def write(caller: Caller) -> None:
        while True:
            try:
                answer = caller.send("POST", "/v1/records/me/notes", {"title": "kept"})
            except (OSError, ValueError):
                return  # the gateway has stopped, before this was taken or answered
            if answer.status == 201:
                acknowledged.append(answer["location"].rpartition("/")[2])

    with ThreadPoolExecutor(8) as clients:
        with running_backend(definition) as served:
            caller = guest(served)
            writers = [clients.submit(write, caller) for _ in range(8)]
            assert eventually(lambda: len(acknowledged) > 50)
            served.gateway.stop()
        for one in writers:
            one.result(PATIENCE)
    backend = container.build(definition)
    try:
        keys = [Key(caller.id, "notes", id) for id in acknowledged]
        assert all(backend.store.get(key) for key in keys)
    finally:
        backend.close()


class LostIndex(MemorySearchIndex):
    """Its disk has gone."""

    lost = False

    def search(self, query: SearchQuery) -> SearchPage:
        if self.lost:
            raise Unavailable("The search index does not answer.")
        return super().search(query)


def test_health_tells_ready_from_alive(tmp_path: Path) -> None:
    index = LostIndex()
    with running_backend(Definition(data_folder=tmp_path), search_index=index) as served:
        assert served.get("/v1/health").json()["status"] == "ok"
        index.lost = True
        answer = served.get("/v1/health")
        assert answer.status == 503
        assert answer["retry-after"] == "1"
        assert "search index" in answer.json()["detail"]
        alive = served.get("/v1/health?probe=alive")
        assert (alive.status, alive.json()["status"]) == (200, "alive")
        assert served.get("/v1/health?probe=well").status == 400
        index.lost = False
        assert served.get("/v1/health?probe=ready").json()["status"] == "ok"


def test_a_quiet_server_lets_go_of_what_it_keeps_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(
        Database, "release_memory", lambda self: released.append(threading.get_ident())
    )
    with running_backend(Definition(data_folder=tmp_path)) as served:
        assert eventually(lambda: bool(released))
        assert served.get("/v1/health").status == 200
    assert threading.get_ident() not in released, "the loop's thread does it"
