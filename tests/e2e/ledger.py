"""What one client did, as it knows it: the record states that it was told, and what it asked
for without learning the outcome.

A `Writer` is the only one who writes its records, so it can say exactly how each must be.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.entrypoints.operation import PREFIX
from tests.clients import Answer, Client, Lost, Person

COLLECTIONS: Final = ("notes", "tasks")
REFUSED: Final = "refusedmark"
"""A word of every write that must be refused."""
_WORDS: Final = ("harbour", "lantern", "meadow", "copper", "violet", "thunder", "paper", "sail")


@dataclass(frozen=True, slots=True)
class State:
    """A record at a version; not there where `data` is None."""

    version: str
    data: Mapping[str, Any] | None


Key = tuple[str, str]
"""Collection and id."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Writes of which no answer came: all of them happened, or none.

    The data that each record has then; None where it is deleted. A creation without an id is
    known by its data.
    """

    writes: Mapping[Key, Mapping[str, Any] | None]
    created: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Sent:
    """A message; `told` once its sender was told that it was accepted."""

    key: str
    to: str
    text: str
    told: bool = False


@dataclass(slots=True)
class Writer:
    """Does random things until the server goes away. The rest is for the test to look at."""

    person: Person
    other: Person
    random: random.Random
    records: dict[Key, State] = field(default_factory=dict)
    """What was acknowledged last, of every record; deleted ones too."""
    open: Attempt | None = None
    messages: list[Sent] = field(default_factory=list)
    touched: set[Key] = field(default_factory=set)
    """What was written since the server started."""
    acknowledged: int = 0
    refused: int = 0
    trouble: BaseException | None = None

    def run(self, address: str) -> None:
        self.touched.clear()
        try:
            with Client(address, self.person.token) as client:
                if self.messages and not self.messages[-1].told:
                    # Whoever gets no answer asks again, with the same key.
                    self._deliver(client, self.messages[-1])
                while True:
                    self.random.choices(_THINGS, _WEIGHTS)[0](self, client)
        except Lost:
            return
        except BaseException as error:  # noqa: BLE001 - shown by the test, in its own thread
            self.trouble = error

    def create(self, client: Client) -> None:
        collection, data = self._collection(), self._data()
        path = f"{PREFIX}/records/me/{collection}"
        if self.random.random() < 0.5:
            id = str(uuid.UUID(int=self.random.getrandbits(128)))
            self.open = Attempt({(collection, id): data})
            answer = client.ask("POST", path, data, headers={"idempotency-key": id})
        else:
            self.open = Attempt({}, data)
            answer = client.ask("POST", path, data)
        self._told(answer, 201)

    def put(self, client: Client) -> None:
        key = self._some() if self.random.random() < 0.6 else self._new()
        data = self._data()
        self.open = Attempt({key: data})
        self._told(client.ask("PUT", self._path(key), data), 200, 201)

    def patch(self, client: Client) -> None:
        key = self._some()
        state = self.records.get(key)
        if state is None or state.data is None:
            return
        change = {**self._data(), "n": None, f"more{self.random.randint(0, 5)}": True}
        self.open = Attempt({key: _merged(state.data, change)})
        headers = {"if-match": f'"{state.version}"'} if self.random.random() < 0.5 else {}
        self._told(client.ask("PATCH", self._path(key), change, headers=headers), 200)

    def delete(self, client: Client) -> None:
        key = self._some()
        state = self.records.get(key)
        if state is None or state.data is None:
            return
        self.open = Attempt({key: None})
        answer = client.ask("DELETE", self._path(key))
        assert answer.status == 204, answer
        # The answer names no version: it is above the one before, as the store will tell.
        self.records[key] = State(state.version, None)
        self._done(key)

    def batch(self, client: Client) -> None:
        writes, after = self._batch()
        self.open = Attempt(after)
        answer = client.ask("POST", f"{PREFIX}/records/me", {"writes": writes})
        assert answer.status == 200, answer
        for item in answer.json["items"]:
            self._keep(item["record"])
        self.open = None

    def refusals(self, client: Client) -> None:
        """What must be refused, and leave nothing behind."""
        key = self._some()
        state = self.records.get(key)
        if state is None or state.data is None:
            return
        path, data = self._path(key), {"word": REFUSED}
        stale = {"if-match": f'"{"0" * 16}"'}
        fresh = {"op": "create", "collection": key[0], "data": data}
        mine = {"op": "put", "collection": key[0], "id": key[1], "data": data}
        batches = [[fresh, {**mine, "if_none_match": "*"}], [fresh, {**mine, "if_match": "0" * 16}]]
        ask: list[tuple[int, Callable[[], Answer]]] = [
            (412, lambda: client.ask("PATCH", path, data, headers=stale)),
            (412, lambda: client.ask("DELETE", path, headers=stale)),
            (412, lambda: client.ask("PUT", path, data, headers={"if-none-match": "*"})),
            (412, lambda: client.ask("POST", f"{PREFIX}/records/me", {"writes": batches[0]})),
            (412, lambda: client.ask("POST", f"{PREFIX}/records/me", {"writes": batches[1]})),
            (403, lambda: client.ask("POST", f"{PREFIX}/records/me/inbox", data)),
            (404, lambda: client.ask("POST", f"{PREFIX}/records/{self.other.id}/notes", data)),
            (400, lambda: client.ask("PUT", path, [data])),
        ]
        status, send = self.random.choice(ask)
        answer = send()
        assert answer.status == status, answer
        self.refused += 1

    def message(self, client: Client) -> None:
        key = str(uuid.UUID(int=self.random.getrandbits(128)))
        message = Sent(key, self.other.id, self._data()["word"])
        self.messages.append(message)
        self._deliver(client, message)

    def _deliver(self, client: Client, message: Sent) -> None:
        answer = client.ask(
            "POST",
            f"{PREFIX}/messages",
            {"to": [message.to], "text": message.text},
            headers={"idempotency-key": message.key},
        )
        assert answer.status == 202 and answer.json["id"] == message.key, answer
        message.told = True
        self.acknowledged += 1

    def _batch(self) -> tuple[list[dict[str, Any]], dict[Key, Mapping[str, Any] | None]]:
        writes: list[dict[str, Any]] = []
        after: dict[Key, Mapping[str, Any] | None] = {}
        for _ in range(self.random.randint(2, 8)):
            key = self._some() if self.random.random() < 0.5 else self._new()
            if key in after:
                continue
            state, data = self.records.get(key), self._data()
            write = {"op": "put", "collection": key[0], "id": key[1], "data": data}
            after[key] = data
            if state is not None and state.data is not None:
                op = self.random.choice(["put", "patch", "delete"])
                write["op"] = op
                if op == "patch":
                    after[key] = _merged(state.data, data)
                elif op == "delete":
                    del write["data"]
                    after[key] = None
                if self.random.random() < 0.5:
                    write["if_match"] = state.version
            writes.append(write)
        return writes, after

    def _told(self, answer: Answer, *statuses: int) -> None:
        assert answer.status in statuses, answer
        self._keep(answer.json)
        self.open = None

    def _keep(self, record: Mapping[str, Any]) -> None:
        assert self.open is not None
        key = (record["collection"], record["id"])
        expected = self.open.writes.get(key, self.open.created)
        assert record.get("data") == expected, (record, expected)
        assert record["version"] > self.records.get(key, State("", None)).version
        self.records[key] = State(record["version"], expected)
        self.touched.add(key)
        self.acknowledged += 1

    def _done(self, key: Key) -> None:
        self.touched.add(key)
        self.acknowledged += 1
        self.open = None

    def _data(self) -> dict[str, Any]:
        word = f"w{self.random.getrandbits(64):016x}"
        text = " ".join(self.random.choices(_WORDS, k=6))
        return {"word": word, "text": text, "n": self.random.randint(0, 9)}

    def _collection(self) -> str:
        return self.random.choice(COLLECTIONS)

    def _some(self) -> Key:
        """A record that may be there: often one of a few that are written again and again."""
        if not self.records:
            return self._new()
        keys = list(self.records)
        return self.random.choice(keys[:20] if self.random.random() < 0.5 else keys)

    def _new(self) -> Key:
        return self._collection(), f"r{self.random.getrandbits(64):016x}"

    def _path(self, key: Key) -> str:
        return f"{PREFIX}/records/me/{key[0]}/{key[1]}"


def _merged(data: Mapping[str, Any], change: Mapping[str, Any]) -> Mapping[str, Any]:
    """A merge patch of flat data."""
    return {name: value for name, value in {**data, **change}.items() if value is not None}


_THINGS: Final = (
    Writer.create, Writer.put, Writer.patch, Writer.delete, Writer.batch, Writer.refusals,
    Writer.message,
)  # fmt: skip
_WEIGHTS: Final = (20, 20, 20, 8, 10, 10, 12)
