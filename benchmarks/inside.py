"""What is measured without HTTP: the handler around a store that does nothing, and SQLite."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from homeport.container import build
from homeport.definition import Adapters, Definition
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Guard, Write
from homeport.entrypoints.lambdas import records

_RECORD = Record(
    Key("ann", "items", "0197"), "ann", 1 << 40, 1 << 40, Data('{"title":"item","n":1}')
)


class StubStore:
    """Answers at once with the same record."""

    def get(self, key: Key, guard: Guard | None = None) -> Record:
        return _RECORD

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        return [_RECORD]


def _event(method: str, route: str, path: str, parameters: dict[str, str], body: str) -> Any:
    return {
        "version": "2.0",
        "routeKey": f"{method} /v1{route}",
        "rawPath": f"/v1{path}",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "pathParameters": parameters,
        "requestContext": {
            "requestId": "request",
            "authorizer": {
                "lambda": {"id": "ann", "kind": "guest", "groups": "", "expires": 1 << 40}
            },
        },
        "body": body,
        "isBase64Encoded": False,
    }


def handler_overhead() -> dict[str, float]:
    """Microseconds that a request spends in its handler, the store's own time left out."""
    memory = Adapters.model_validate(dict.fromkeys(Adapters.model_fields, "memory"))
    handler = records.build(build(Definition(adapters=memory), record_store=StubStore()))
    place = {"space": "me", "collection": "items"}
    get = _event(
        "GET",
        "/records/{space}/{collection}/{id}",
        "/records/me/items/0197",
        {**place, "id": "0197"},
        "",
    )
    create = _event(
        "POST",
        "/records/{space}/{collection}",
        "/records/me/items",
        place,
        '{"title":"item 1","body":"made to be counted","n":1,"done":false}',
    )
    for event, status in ((get, 200), (create, 201)):
        answer = handler(event, None)
        if answer["statusCode"] != status:
            raise RuntimeError(f"the handler answered {answer}")
    return {
        "GET": _microseconds(lambda: handler(get, None)),
        "create": _microseconds(lambda: handler(create, None)),
    }


def _microseconds(call: Callable[[], object], rounds: int = 7, times: int = 5000) -> float:
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(times):
            call()
        took.append((time.perf_counter() - started) / times * 1e6)
    return statistics.median(took)


def commits_a_second(folder: Path, seconds: float = 2.0) -> float:
    """Durable inserts into a plain SQLite table, one transaction each."""
    connection = apsw.Connection(str(folder / "commits.db"))
    connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, data TEXT)")
    count = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        connection.execute('INSERT INTO items (data) VALUES (\'{"title":"item"}\')')
        count += 1
    rate = count / (time.perf_counter() - started)
    connection.close()
    return rate
