"""Operators' commands beside a server that serves."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.container import build
from homeport.definition import Definition
from homeport.entrypoints.cli.exits import Exit
from homeport.entrypoints.operation import PREFIX
from tests.clients import Client, new_guest
from tests.e2e.ledger import Writer
from tests.servers import HOMEPORT, Server, serving

_WRITERS = 4
_COMMANDS = 5
_SECONDS = 30
_ACCOUNT = {"login": "ann@example.org", "password": "correct horse battery"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("operator") / "data") as server:
        yield server


def homeport(server: Server, *arguments: str, data: object = None) -> Any:
    """What the command prints with --json, beside `server`."""
    done = subprocess.run(
        [HOMEPORT, *arguments, "--data", server.log.with_suffix(""), "--json"],
        input=json.dumps(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    return json.loads(done.stdout)


def test_who_is_disabled_while_the_server_runs_is_out_at_the_next_refresh(server: Server) -> None:
    with Client(server.address) as client:
        assert client.ask("POST", f"{PREFIX}/identity/sign-up", _ACCOUNT).status == 202
        session = client.ask("POST", f"{PREFIX}/identity/sign-in", _ACCOUNT).json
        token, refresh = session["access_token"], {"refresh_token": session["refresh_token"]}
        path = f"{PREFIX}/records/me/notes/a"
        assert client.ask("PUT", path, {"title": "soup"}, token=token).status == 201

        done = homeport(server, "identity", "disable", _ACCOUNT["login"])
        assert (done["id"], done["disabled"]) == (session["identity"]["id"], True)
        refused = client.ask("POST", f"{PREFIX}/identity/refresh", refresh)
        assert refused.status == 401
        assert refused.json["type"] == "urn:homeport:problem:unauthenticated"
        assert client.ask("POST", f"{PREFIX}/identity/sign-in", _ACCOUNT).status == 401
        # The access token is good until it expires.
        assert client.ask("GET", path, token=token).json["data"] == {"title": "soup"}

        homeport(server, "identity", "enable", _ACCOUNT["login"])
        assert client.ask("POST", f"{PREFIX}/identity/refresh", refresh).status == 401
        until = time.monotonic() + _SECONDS
        status = 401
        while status == 401 and time.monotonic() < until:
            status = client.ask("POST", f"{PREFIX}/identity/sign-in", _ACCOUNT).status
        assert status == 200
        listed = homeport(server, "identity", "list", "--limit", "60")["items"]
        assert done["id"] in {one["id"] for one in listed}


def test_what_is_put_beside_the_server_is_read_and_found_through_it(server: Server) -> None:
    with Client(server.address) as client:
        guest = new_guest(client)
        path = f"{PREFIX}/records/me/notes/a"
        stored = client.ask("PUT", path, {"title": "soup"}, token=guest.token).json
        place = (guest.id, "notes", "a")
        assert homeport(server, "records", "get", *place) == stored
        options = ("-", "--if-match", stored["version"])
        put = homeport(server, "records", "put", *place, *options, data={"title": "stew"})
        assert (put["author"], put["created"]) == (guest.id, stored["created"])
        until = time.monotonic() + _SECONDS
        found: list[Any] = []
        while not found and time.monotonic() < until:
            search = client.ask("GET", f"{PREFIX}/search?q=stew", token=guest.token)
            found = [hit["record"] for hit in search.json["hits"]]
        assert found == [put]
        assert client.ask("GET", path, token=guest.token).json == put


def test_a_server_under_load_and_a_command_do_not_keep_each_other_from_writing(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    with serving(tmp_path / "data") as server:
        with Client(server.address) as client:
            people = [new_guest(client) for _ in range(2)]
        writers = [
            Writer(people[n % 2], people[(n + 1) % 2], random.Random(n)) for n in range(_WRITERS)
        ]
        threads = [threading.Thread(target=one.run, args=(server.address,)) for one in writers]
        for thread in threads:
            thread.start()
        took = []
        before = sum(one.acknowledged for one in writers)
        for number in range(_COMMANDS):
            began = time.monotonic()
            place = (people[0].id, "support", str(number))
            homeport(server, "records", "put", *place, "-", data={"n": number})
            took.append(time.monotonic() - began)
        listed = homeport(server, "records", "list", people[0].id, "support")["items"]
        meanwhile = sum(one.acknowledged for one in writers) - before
        server.stop()
        for thread in threads:
            thread.join()
    assert [one["data"]["n"] for one in listed] == list(range(_COMMANDS))
    # They take nothing but answers as they should be, until the server goes away.
    assert [one.trouble for one in writers] == [None] * _WRITERS
    assert meanwhile > 0
    figures(
        f"{_COMMANDS} commands beside {meanwhile:,} acknowledged writes; "
        f"the slowest took {max(took):.2f} s"
    )


def test_what_was_redriven_beside_the_server_is_delivered_at_once(tmp_path: Path) -> None:
    backend = build(Definition(data_folder=tmp_path / "data"), clock=(clock := ManualClock()))
    ann, ben = (backend.identities.guest() for _ in range(2))
    backend.messages.send(ann.identity.principal, [ben.identity.id], "Hello", "still there?")
    for _ in range(5):
        assert backend.queue.deliver(lambda jobs: {one.id: "on purpose" for one in jobs}) == 1
        clock.advance(120)
    backend.close()
    with serving(tmp_path / "data") as server, Client(server.address) as client:
        (letter,) = homeport(server, "dead-letters", "list")
        assert letter["source"] == "queue:messages"
        refresh = {"refresh_token": ben.refresh_token}
        token = client.ask("POST", f"{PREFIX}/identity/refresh", refresh).json["access_token"]
        inbox = f"{PREFIX}/records/me/inbox"
        assert client.ask("GET", inbox, token=token).json["items"] == []
        assert homeport(server, "dead-letters", "redrive", letter["id"]) == {"redriven": 1}
        until = time.monotonic() + _SECONDS
        while not (items := client.ask("GET", inbox, token=token).json["items"]):
            assert time.monotonic() < until, "it was not delivered"
            time.sleep(0.05)
        assert items[0]["data"]["text"] == "still there?"
        assert homeport(server, "dead-letters", "list") == []
