"""32 clients write the same few records at once: nothing is lost, and every race has one winner."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from homeport.entrypoints.operation import PREFIX
from tests.clients import Answer, Client, Person, new_guest
from tests.servers import Server, serving

CLIENTS: Final = 32
RECORDS: Final = 4
NOTES: Final = f"{PREFIX}/records/me/notes"
T = TypeVar("T")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("concurrency") / "data"
    with serving(folder) as server:
        yield server


@pytest.fixture
def person(server: Server) -> Person:
    with Client(server.address) as client:
        return new_guest(client)


@pytest.fixture
def crowd(server: Server, person: Person) -> Iterator[Crowd]:
    crowd = Crowd(server, person)
    yield crowd
    crowd.close()


class Crowd:
    """The same person on 32 connections, each in a thread of its own."""

    def __init__(self, server: Server, person: Person) -> None:
        self.clients = [Client(server.address, person.token) for _ in range(CLIENTS)]
        self._threads = ThreadPoolExecutor(CLIENTS)

    @property
    def one(self) -> Client:
        """For what is asked before and after, while the others rest."""
        return self.clients[0]

    def all(self, work: Callable[[int, Client], T]) -> list[T]:
        """Have everybody do it at the same time; their results, by number."""
        together = threading.Barrier(CLIENTS, timeout=30)

        def begin(number: int) -> T:
            together.wait()
            return work(number, self.clients[number])

        return list(self._threads.map(begin, range(CLIENTS)))

    def close(self) -> None:
        self._threads.shutdown()
        for client in self.clients:
            client.close()


def post(path: str, data: Any, headers: Mapping[str, str], _: int, client: Client) -> Answer:
    return client.ask("POST", path, data, headers=headers)


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def test_each_version_has_one_successor(crowd: Crowd, figures: Callable[[str], None]) -> None:
    """Everybody counts up by reading and writing back what they read; whoever comes late reads
    again. The versions form one chain, and every count counts."""
    rounds = 30
    paths = [f"{NOTES}/counter-{number}" for number in range(RECORDS)]
    first = {path: crowd.one.ask("PUT", path, {"count": 0}).etag for path in paths}

    def count(number: int, client: Client) -> list[tuple[str, str, str | None]]:
        """What was tried: the record, the version that was expected, the one it made."""
        random_of_mine = random.Random(number)
        tried = []
        for _ in range(rounds):
            path = random_of_mine.choice(paths)
            read = client.ask("GET", path)
            value = read.json["data"]["count"] + 1
            method = random_of_mine.choice(["PATCH", "PUT"])
            answer = client.ask(
                method, path, {"count": value, "by": number}, headers={"if-match": read.etag}
            )
            assert answer.status in (200, 412), answer
            if answer.status == 200:
                assert answer.json["data"]["count"] == value
            else:
                assert answer.etag > read.etag  # it says what is there instead
            tried.append((path, read.etag, answer.etag if answer.status == 200 else None))
        return tried

    tried = [one for some in crowd.all(count) for one in some]
    won = [(path, before, after) for path, before, after in tried if after is not None]
    for path in paths:
        successor = {before: after for at, before, after in won if at == path}
        assert len(successor) == sum(at == path for at, _, _ in won), "two winners of one version"
        version, length = first[path], 0
        while version in successor:
            assert successor[version] > version
            version, length = successor[version], length + 1
        assert length == len(successor), "a version whose predecessor nobody made"
        last = crowd.one.ask("GET", path)
        assert (last.etag, last.json["data"]["count"]) == (version, length)
    refused = len(tried) - len(won)
    assert refused, "the clients never met: this showed nothing"
    figures(f"{len(won)} edits won and {refused} were refused on {RECORDS} records")


def test_of_all_who_expect_one_version_one_wins(
    crowd: Crowd, figures: Callable[[str], None]
) -> None:
    """Replacing, merging, deleting and batches, all at once with the same If-Match."""
    path, ways = f"{NOTES}/prize", ["PUT", "PATCH", "DELETE", "batch"]
    winners: list[tuple[str, int]] = []
    there, chance = False, random.Random(1)
    for _ in range(24):
        # Everybody makes it, where it is not there; that has one winner too.
        made = crowd.all(
            lambda number, client: client.ask(
                "PUT", path, {"by": number}, headers={"if-none-match": "*"}
            )
        )
        assert statuses(made) == ({412: CLIENTS} if there else {201: 1, 412: CLIENTS - 1})
        etag = crowd.one.ask("GET", path).etag

        def change(number: int, client: Client, etag: str = etag) -> Answer:
            data, expected = {"by": number}, {"if-match": etag}
            # A request without a body would always be the first to be read.
            time.sleep(chance.uniform(0, 0.01))
            method = ways[number % len(ways)]
            if method == "batch":
                write = {"op": "put", "collection": "notes", "data": data}
                writes = [
                    write | {"id": f"beside-{number}"},
                    write | {"id": "prize", "if_match": etag},
                ]
                return client.ask("POST", f"{PREFIX}/records/me", {"writes": writes})
            body = None if method == "DELETE" else data
            return client.ask(method, path, body, headers=expected)

        changed = crowd.all(change)
        won = [number for number, answer in enumerate(changed) if answer.status < 300]
        assert len(won) == 1, statuses(changed)
        assert statuses(changed).keys() <= {200, 204, 404, 412}, statuses(changed)
        way = ways[won[0] % len(ways)]
        winners.append((way, won[0]))
        last = crowd.one.ask("GET", path)
        there = way != "DELETE"
        assert last.status == (200 if there else 404)
        assert not there or last.json["data"] == {"by": won[0]}
    # Of the batches that lost, the write beside did not happen either.
    listed = crowd.one.ask("GET", f"{NOTES}?limit=100").json["items"]
    beside = {one["id"] for one in listed if one["id"].startswith("beside-")}
    assert beside == {f"beside-{number}" for way, number in winners if way == "batch"}
    counted = Counter(way for way, _ in winners)
    figures(", ".join(f"{way} won {counted[way]}" for way in ways))


def test_merge_patches_without_a_condition_all_count(crowd: Crowd) -> None:
    rounds, path = 8, f"{NOTES}/shared"
    crowd.one.ask("PUT", path, {"kept": True, "seen": {}})

    def merge(number: int, client: Client) -> list[str]:
        etags = []
        for turn in range(rounds):
            mine = {f"{number}-{turn}": turn}
            answer = client.ask("PATCH", path, {"seen": mine, "last": number})
            assert answer.status == 200, answer
            data = answer.json["data"]
            assert data["last"] == number and data["seen"].items() >= mine.items()
            etags.append(answer.etag)
        assert etags == sorted(etags)
        return etags

    etags = [etag for some in crowd.all(merge) for etag in some]
    assert len(set(etags)) == CLIENTS * rounds
    last = crowd.one.ask("GET", path)
    assert last.etag == max(etags)
    everything = {f"{number}-{turn}": turn for number in range(CLIENTS) for turn in range(rounds)}
    assert last.json["data"]["seen"] == everything
    assert last.json["data"]["kept"] is True


def test_no_transfer_makes_or_loses_money(crowd: Crowd, figures: Callable[[str], None]) -> None:
    """Batches move amounts between accounts, both at the version that was read, or neither."""
    accounts = [f"account-{number}" for number in range(RECORDS)]
    for account in accounts:
        crowd.one.ask("PUT", f"{PREFIX}/records/me/accounts/{account}", {"balance": 1000})

    def transfer(number: int, client: Client) -> int:
        random_of_mine, done = random.Random(number), 0
        for _ in range(12):
            page = client.ask("GET", f"{PREFIX}/records/me/accounts").json["items"]
            assert sum(one["data"]["balance"] for one in page) == 1000 * RECORDS
            giver, taker = random_of_mine.sample(page, 2)
            amount = random_of_mine.randint(1, 50)
            writes = [
                {
                    "op": "put",
                    "collection": "accounts",
                    "id": one["id"],
                    "data": {"balance": one["data"]["balance"] + change},
                    "if_match": one["version"],
                }
                for one, change in ((giver, -amount), (taker, amount))
            ]
            answer = client.ask("POST", f"{PREFIX}/records/me", {"writes": writes})
            assert answer.status in (200, 412), answer
            done += answer.status == 200
        return done

    done = sum(crowd.all(transfer))
    page = crowd.one.ask("GET", f"{PREFIX}/records/me/accounts").json["items"]
    assert sum(one["data"]["balance"] for one in page) == 1000 * RECORDS
    assert 0 < done < CLIENTS * 12
    figures(f"{done} of {CLIENTS * 12} transfers went through")


def test_one_idempotency_key_makes_one_record(crowd: Crowd) -> None:
    for _ in range(8):
        key = {"idempotency-key": str(uuid.uuid4())}
        collection = f"once_{uuid.uuid4().hex[:8]}"
        path = f"{PREFIX}/records/me/{collection}"
        answers = crowd.all(partial(post, path, {"n": 1}, key))
        assert statuses(answers) == {201: CLIENTS}
        assert len({answer.text for answer in answers}) == 1
        assert [one["id"] for one in crowd.one.ask("GET", path).json["items"]] == [
            key["idempotency-key"]
        ]


def test_one_idempotency_key_with_other_bodies_takes_the_first(crowd: Crowd) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    path = f"{PREFIX}/records/me/first"
    answers = crowd.all(lambda number, client: client.ask("POST", path, {"n": number}, headers=key))
    assert statuses(answers) == {201: 1, 422: CLIENTS - 1}
    (won,) = [number for number, answer in enumerate(answers) if answer.status == 201]
    (kept,) = crowd.one.ask("GET", path).json["items"]
    assert kept["data"] == {"n": won}


def test_one_idempotency_key_sends_one_message(server: Server, crowd: Crowd) -> None:
    with Client(server.address) as other:
        recipient = new_guest(other)
        keys = [{"idempotency-key": str(uuid.uuid4())} for _ in range(4)]
        for key in keys:
            message = {"to": [recipient.id], "text": key["idempotency-key"]}
            answers = crowd.all(partial(post, f"{PREFIX}/messages", message, key))
            assert statuses(answers) == {202: CLIENTS}
            assert {answer.json["id"] for answer in answers} == {key["idempotency-key"]}
        other.settle(token=recipient.token)
        inbox = other.ask("GET", f"{PREFIX}/records/me/inbox", token=recipient.token).json["items"]
        texts: list[Any] = [one["data"]["text"] for one in inbox]
        assert sorted(texts) == sorted(key["idempotency-key"] for key in keys)
