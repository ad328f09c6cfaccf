"""What operators see of a running backend: metrics that move, and logs that tell no secrets."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import Backend, build
from homeport.definition import BUILT_IN, Definition
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.entrypoints.local import greenlets, pauses
from homeport.entrypoints.local.app import gateway_for, settings_of
from homeport.entrypoints.local.metrics import Metrics
from homeport.entrypoints.local.pumps import Pumps
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import LogFormat
from homeport.testing.gateway import serving
from tests.clients import Client

PASSWORD = "hushpassword-73"
CONTENT = "hushcontent"
FORGED = "hushtoken.hushtoken.hushtoken"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    one = build(Definition(data_folder=tmp_path / "data"), clock=ManualClock())
    yield one
    one.close()


def shown(backend: Backend) -> Mapping[str, float]:
    """Every sample that `/metrics` shows, by its name and labels."""
    return samples(Metrics(backend, Pumps([])).text())


def samples(text: str) -> Mapping[str, float]:
    parted = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in parted}


@contextmanager
def serving_backend(
    folder: Path, log_format: LogFormat
) -> Iterator[tuple[Backend, Client, io.StringIO]]:
    """A backend, somebody who asks it, and its log, which is whole in the end."""
    definition = Definition(data_folder=folder / "data")
    backend = build(definition, offload=greenlets.offload, pause=pauses.pause)
    log = io.StringIO()
    settings = replace(settings_of(definition), port=0, log=log_format, rates={})

    def make(on_listening: Callable[[str], None]) -> Gateway:
        return gateway_for(backend, settings=settings, on_listening=on_listening, stream=log)

    try:
        with serving(make) as address, Client(urlsplit(address).netloc) as client:
            yield backend, client, log
    finally:
        backend.close()


def write(backend: Backend, *ids: str) -> None:
    for id in ids:
        backend.store.write([Put(Key("a", "notes", id), "a", Data.of({"n": 1}))])


def test_commits_count_the_writes_of_each(tmp_path: Path) -> None:
    with serving_backend(tmp_path, LogFormat.OFF) as (_, client, _log):
        token = client.ask("POST", "/v1/identity/guest").json["access_token"]
        client.settle(token=token)
        before = samples(client.ask("GET", "/metrics").text)
        for id in ("x", "y", "z"):
            assert client.ask("PUT", f"/v1/records/me/notes/{id}", {}, token=token).status == 201
        client.settle(token=token)
        after = samples(client.ask("GET", "/metrics").text)
        client.ask("GET", "/v1/records/me/notes/x", token=token)
        again = samples(client.ask("GET", "/metrics").text)
    # One after the other, so that no two shared a commit; pumps commit how far they have come.
    for name in ("homeport_commit_writes_count", "homeport_commit_writes_sum"):
        assert after[name] - before[name] >= 3
        assert again[name] == after[name]
    assert after["homeport_commit_failures_total"] == 0


def test_the_index_lags_until_it_has_seen_what_was_written(backend: Backend) -> None:
    lag = 'homeport_changes_waiting{consumer="indexing"}'
    _index(backend, backend.indexing.consume)
    assert shown(backend)[lag] == 0
    write(backend, "x", "y", "z")
    assert shown(backend)[lag] == 3
    _index(backend, backend.indexing.consume)
    assert shown(backend)[lag] == 0


def test_a_message_is_in_the_queue_until_it_is_delivered(backend: Backend) -> None:
    sender, recipient = (backend.identity_provider.guest() for _ in range(2))
    principal = backend.identity_provider.verify(sender.access_token).principal
    assert shown(backend)["homeport_queue_depth"] == 0
    backend.messages.send(principal, [recipient.identity.id], text="hello")
    backend.feed.deliver("messaging", backend.messages.watch, 100, ("sent",))
    assert shown(backend)["homeport_queue_depth"] > 0
    clock = cast(ManualClock, backend.clock)
    for _ in range(20):
        backend.queue.deliver(backend.messages.work, 10)
        backend.feed.deliver("messaging", backend.messages.watch, 100, ("sent",))
        clock.advance(60.0)
    assert shown(backend)["homeport_queue_depth"] == 0


def test_of_a_queue_elsewhere_nothing_is_told(tmp_path: Path) -> None:
    adapters = {**dict.fromkeys(BUILT_IN, "embedded"), "message_queue": "memory"}
    made = Definition.of({"adapters": adapters})
    with closing(build(replace(made, data_folder=tmp_path / "data"))) as backend:
        names = {name.partition("{")[0] for name in shown(backend)}
    assert "homeport_commit_writes_count" in names
    assert "homeport_queue_depth" not in names


def test_what_is_given_up_is_a_dead_letter(backend: Backend) -> None:
    def refuse(events: Sequence[RecordChanged]) -> Mapping[int, str]:
        return {event.version: "on purpose" for event in events}

    assert not [name for name in shown(backend) if name.startswith("homeport_dead_letters")]
    write(backend, "x", "y")
    clock = cast(ManualClock, backend.clock)
    for _ in range(6):
        _index(backend, refuse)
        clock.advance(60.0)
    dead = {name: n for name, n in shown(backend).items() if name.startswith("homeport_dead")}
    assert sum(dead.values()) == 2
    assert all("indexing" in name for name in dead)
    assert shown(backend)['homeport_changes_waiting{consumer="indexing"}'] == 0


def _index(
    backend: Backend, consume: Callable[[Sequence[RecordChanged]], Mapping[int, str]]
) -> None:
    while backend.feed.deliver("indexing", consume, 100):
        pass


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.HUMAN])
def test_logs_hold_no_secrets_whatever_goes_wrong(
    log_format: LogFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_backend(tmp_path, log_format) as (backend, client, log):
        tokens = _use(client)
        # The store fails under whoever writes now: the traceback goes to the log.
        monkeypatch.setattr(backend.store, "write", _broken)
        data = {"title": CONTENT}
        failed = client.ask("PUT", "/v1/records/me/notes/two", data, token=tokens[0])
        assert failed.status == 500
        assert CONTENT not in failed.text
    text = log.getvalue()
    assert "on purpose" in text
    assert "Traceback" in text
    assert text.count("/v1/records/me/notes/") >= 5
    for secret in (PASSWORD, CONTENT, "hushtoken", *tokens):
        assert secret not in text


def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("on purpose")


def _use(client: Client) -> list[str]:
    """Ask rightly and wrongly, with secrets in every place; the tokens that were given."""
    account = {"login": "somebody@example.com", "password": PASSWORD}
    assert client.ask("POST", "/v1/identity/sign-up", account).status == 202
    session = client.ask("POST", "/v1/identity/sign-in", account).json
    token = session["access_token"]
    wrong = {**account, "password": f"{PASSWORD}x"}
    assert client.ask("POST", "/v1/identity/sign-in", wrong).status == 401
    assert client.ask("POST", "/v1/identity/sign-in", {"password": PASSWORD}).status == 400
    refresh = {"refresh_token": f"{session['refresh_token']}x"}
    assert client.ask("POST", "/v1/identity/refresh", refresh).status == 401
    one = "/v1/records/me/notes/one"
    asked = [
        client.ask("PUT", one, {"title": CONTENT}, token=token),
        client.ask("PUT", one, {"title": CONTENT}, token=FORGED),
        client.ask("PUT", one, [CONTENT], token=token),
        client.ask("PUT", one, {CONTENT: float("nan")}, token=token),
        client.ask(
            "PUT", one, {"title": CONTENT}, token=token, headers={"If-Match": '"hushtoken"'}
        ),
        client.ask("GET", f"/v1/search?q={CONTENT}&filter={CONTENT}:(", token=token),
        client.ask("GET", f"/v1/changes/me?since={CONTENT}", token=token),
    ]
    assert [answer.status for answer in asked[:4]] == [201, 401, 400, 400]
    assert all(re.match("[24]", str(answer.status)) for answer in asked)
    assert json.loads(asked[0].text)
    return [token, session["refresh_token"]]
