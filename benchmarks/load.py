"""What the measured server holds: made-up documents whose words are as uneven as a language's."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

BATCH = 90
_CONNECTIONS = 4
_SYLLABLES = ("ba", "co", "di", "fe", "gu", "ha", "jo", "ki", "lu", "ma", "no", "pe", "ra", "su")


@dataclass(frozen=True, slots=True)
class Session:
    """A guest of the server at `address` (host:port)."""

    address: str
    token: str

    def call(self, connection: http.client.HTTPConnection, path: str, body: Any = None) -> Any:
        """GET, or POST with a body. Raises RuntimeError unless the answer is a good one."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request("GET" if text is None else "POST", path, text, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {content.decode()}")
        return json.loads(content)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=60)


def sign_in(address: str) -> Session:
    """A new guest."""
    session = Session(address, "")
    answer = session.call(session.connect(), "/v1/identity/guest", {})
    return Session(address, answer["access_token"])


def vocabulary(size: int = 5000) -> list[str]:
    """Made-up words, the most frequent first."""
    chance = random.Random(1)
    words: dict[str, None] = {}
    while len(words) < size:
        words["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))] = None
    return list(words)


def documents(count: int, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """`count` documents of about 40 words; a word is rarer the later it stands in `words`."""
    chance = random.Random(2)
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    for number in range(count):
        picked = chance.choices(words, cum_weights=weights, k=chance.randint(20, 60))
        yield {
            "title": " ".join(picked[:4]),
            "body": " ".join(picked[4:]),
            "kind": ("note", "task", "letter")[number % 3],
            "n": number,
            "done": False,
        }


def fill(session: Session, count: int, words: Sequence[str], listing: Path) -> float:
    """Create `count` records in batches over a few connections, and list their ids and ETags in
    the file `listing`. Returns records per second."""
    batches: list[list[dict[str, Any]]] = [[]]
    for data in documents(count, words):
        if len(batches[-1]) == BATCH:
            batches.append([])
        batches[-1].append({"op": "create", "collection": "items", "data": data})

    def send(share: list[list[dict[str, Any]]]) -> list[str]:
        connection = session.connect()
        rows = []
        for writes in share:
            answer = session.call(connection, "/v1/records/me", {"writes": writes})
            for item in answer["items"]:
                record = item["record"]
                rows.append(f'{record["id"]} "{record["version"]}"')
        return rows

    started = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        shares = [batches[place::_CONNECTIONS] for place in range(_CONNECTIONS)]
        rows = [row for share in pool.map(send, shares) for row in share]
    rate = count / (time.perf_counter() - started)
    random.Random(3).shuffle(rows)
    listing.write_text("\n".join(rows) + "\n")
    return rate


def wait_for_index(session: Session, count: int, patience: float = 600.0) -> float:
    """Seconds until nothing is left to index, and a search for everything counts `count`."""
    started = time.perf_counter()
    connection = session.connect()
    while time.perf_counter() - started < patience:
        if session.call(connection, "/local/status")["idle"]:
            took = time.perf_counter() - started
            total = session.call(connection, "/v1/search?collection=items&limit=1")["total"]
            if total == count:
                return took
        time.sleep(0.05)
    raise RuntimeError(f"the index has not caught up after {patience:.0f} s")
