"""Kills the server with -9 at random moments while clients write, and looks what is there then.

TEST_KILLS says how often (30), TEST_SEED how chance falls (shown at the end).
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from homeport.container import build
from homeport.definition import load
from homeport.entrypoints.operation import PREFIX
from tests.clients import Client, Person, new_guest
from tests.e2e.ledger import COLLECTIONS, REFUSED, Key, State, Writer
from tests.servers import Server, start

WRITERS: Final = 3
"""For each of two people."""
MOMENTS: Final = (0.2, 1.5)
"""Seconds between which a server lives; more often short than long, as most is going on early."""
CONVERGE_SECONDS: Final = 30.0
SAMPLE: Final = 20
"""Records of each writer that are searched for after each restart."""


@dataclass
class Follower:
    """A device of one person, which follows the changes of their space through all restarts."""

    person: Person
    checkpoint: str | None = None
    records: dict[Key, State] = field(default_factory=dict)

    def pull(self, client: Client) -> None:
        """Take what has changed since the last time."""
        while True:
            since = f"?since={self.checkpoint}" if self.checkpoint else ""
            answer = client.ask("GET", f"{PREFIX}/changes/me{since}", token=self.person.token)
            assert answer.status == 200, answer
            page = answer.json
            for one in page["items"]:
                key = (one["collection"], one["id"])
                before = self.records.get(key, State("", None))
                assert one["version"] > before.version, "a change came twice, or out of order"
                self.records[key] = State(one["version"], one.get("data"))
            self.checkpoint = page["checkpoint"]
            if not page["more"]:
                return

    def of(self, *collections: str) -> dict[Key, State]:
        return {key: state for key, state in self.records.items() if key[0] in collections}


def test_what_was_acknowledged_survives_kill_9(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1_000_000))
    kills = int(os.environ.get("TEST_KILLS") or 30)
    figures(f"TEST_SEED={seed} TEST_KILLS={kills}")
    chance = random.Random(seed)
    folder = tmp_path / "data"
    writers: list[Writer] = []
    server = start(folder)
    try:
        with Client(server.address) as client:
            people = [new_guest(client), new_guest(client)]
        writers = [
            Writer(one, other, random.Random(chance.getrandbits(64)))
            for one, other in (people, people[::-1])
            for _ in range(WRITERS)
        ]
        followers = [Follower(person) for person in people]
        recoveries: list[float] = []
        for _ in range(kills):
            write_until_killed(server, writers, min(chance.uniform(*MOMENTS) for _ in range(2)))
            began = time.monotonic()
            server = start(folder)
            if chance.random() < 0.2:
                # Once more, while it still catches up.
                kill(server)
                server = start(folder)
            with Client(server.address) as client:
                check(client, writers, followers, server)
            recoveries.append(time.monotonic() - began)
        with Client(server.address) as client:
            for follower in followers:
                listed = everything(client, follower.person)
                assert listed == alive(follower.of(*COLLECTIONS))
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            kill(server)
        figures(
            f"{sum(one.acknowledged for one in writers):,} writes acknowledged, "
            f"{sum(one.refused for one in writers):,} refused, "
            f"{sum(len(one.messages) for one in writers):,} messages"
        )
    verify_index(folder)
    figures(f"none lost; at most {max(recoveries):.2f} s until all was checked after a start")


def write_until_killed(server: Server, writers: Sequence[Writer], seconds: float) -> None:
    threads = [threading.Thread(target=one.run, args=[server.address]) for one in writers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    kill(server)
    for thread in threads:
        thread.join()
    for one in writers:
        if one.trouble is not None:
            raise one.trouble


def kill(server: Server) -> None:
    server.process.kill()
    server.process.wait()


def check(
    client: Client, writers: Sequence[Writer], followers: Sequence[Follower], server: Server
) -> None:
    """Everything that must hold after a restart."""
    client.settle(CONVERGE_SECONDS, followers[0].person.token)
    for follower in followers:
        follower.pull(client)
        own = [one for one in writers if one.person == follower.person]
        for writer in own:
            resolve(writer, follower)
        check_records(own, follower)
        check_messages([one for one in writers if one.person != follower.person], follower)
    for follower in followers:
        own = [one for one in writers if one.person == follower.person]
        check_found(client, follower, own, server)


def resolve(writer: Writer, follower: Follower) -> None:
    """Find out what became of the attempt without an answer: all of it happened, or nothing."""
    attempt, writer.open = writer.open, None
    if attempt is None:
        return
    writes = dict(attempt.writes)
    if attempt.created is not None:
        writes |= {
            key: attempt.created
            for key, state in follower.records.items()
            if state.data == attempt.created
        }
        assert len(writes) <= 1, "created more than once"
    happened = {key: is_after(follower, writer, key, data) for key, data in writes.items()}
    assert len(set(happened.values())) <= 1, ("half a batch", attempt, happened)
    for key, has in happened.items():
        if has:
            writer.records[key] = follower.records[key]
            writer.touched.add(key)


def is_after(follower: Follower, writer: Writer, key: Key, data: Any) -> bool:
    there, before = follower.records.get(key), writer.records.get(key)
    if there is None:
        return False
    newer = before is None or there.version > before.version
    # A deletion was told without its version, so a deleted record may be newer as it was.
    return newer and there.data == data and (before is None or before.data != data)


def check_records(writers: Sequence[Writer], follower: Follower) -> None:
    """The records are what was acknowledged, neither less nor more."""
    expected: dict[Key, State] = {}
    for one in writers:
        expected |= one.records
    found = follower.of(*COLLECTIONS)
    lost = {key: (state, found.get(key)) for key, state in expected.items() if key not in found}
    assert not lost, ("lost", lost)
    made_up = {key: state for key, state in found.items() if key not in expected}
    assert not made_up, ("written, though nobody was told so", made_up)
    for key, state in expected.items():
        there = found[key]
        assert there.data == state.data, ("not as acknowledged", key, state, there)
        if state.data is None:
            assert there.version >= state.version
        else:
            assert there.version == state.version, ("not as acknowledged", key, state, there)
        assert REFUSED not in str(there.data)


def check_messages(senders: Sequence[Writer], follower: Follower) -> None:
    """In the inbox of the follower: once what was acknowledged, at most once what was not."""
    inbox = [one.data for one in follower.of("inbox").values() if one.data is not None]
    arrived = Counter((one["message"], one["text"]) for one in inbox)
    for message in (message for one in senders for message in one.messages):
        count = arrived.pop((message.key, message.text), 0)
        assert count == 1 or (count == 0 and not message.told), (count, message)
    assert not arrived, ("nobody sent these", arrived)


def check_found(
    client: Client, follower: Follower, writers: Iterable[Writer], server: Server
) -> None:
    """The index has come to equal the records: all are found, by their last words alone."""
    token = follower.person.token
    living = alive(follower.of(*COLLECTIONS))
    for collection in COLLECTIONS:
        path = f"{PREFIX}/search?space=me&collection={collection}&limit=1"
        total = client.ask("GET", path, token=token).json["total"]
        expected = sum(key[0] == collection for key in living)
        assert total == expected, (collection, troubles(server))
    for writer in writers:
        touched = sorted(writer.touched)
        for key in writer.random.sample(touched, min(SAMPLE, len(touched))):
            state = follower.records[key]
            if state.data is not None:
                path = f"{PREFIX}/search?q={state.data['word']}&collection={key[0]}"
                hits = client.ask("GET", path, token=token).json["hits"]
                found = [(one["record"]["id"], one["record"]["version"]) for one in hits]
                assert found == [(key[1], state.version)], (key, state, hits)


def troubles(server: Server) -> list[str]:
    """What went wrong, as the server's log says."""
    lines = server.log.read_text().splitlines()
    said = [json.loads(one) for one in lines if one.startswith("{") and one.endswith("}")]
    return [str(one) for one in said if one["level"] != "info"]


def everything(client: Client, person: Person) -> dict[Key, State]:
    """All records of a person, from the lists."""
    found: dict[Key, State] = {}
    for collection in COLLECTIONS:
        cursor = ""
        while True:
            path = f"{PREFIX}/records/me/{collection}?limit=100{cursor}"
            page = client.ask("GET", path, token=person.token).json
            for one in page["items"]:
                found[collection, one["id"]] = State(one["version"], one["data"])
            if "cursor" not in page:
                break
            cursor = f"&cursor={page['cursor']}"
    return found


def alive(records: dict[Key, State]) -> dict[Key, State]:
    return {key: state for key, state in records.items() if state.data is not None}


def verify_index(folder: Path) -> None:
    """Every record is in the index at its version, and nothing else; no event was given up."""
    definition = load(folder.parent, {"HOMEPORT_DATA_FOLDER": str(folder)})
    backend = build(definition)
    try:
        drift = backend.indexing.verify()
        assert drift.clean and drift.records, drift
        assert drift.entries == drift.records, ("a record is there twice", drift)
        assert backend.feed.dead_letters("indexing") == []
        assert backend.feed.dead_letters("messaging") == []
        assert backend.queue.dead_letters() == []
    finally:
        backend.close()
