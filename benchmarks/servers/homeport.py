"""Homeport, with records of many owners."""

from __future__ import annotations

import http.client
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.harness.corpus import words, words_of
from benchmarks.harness.process import Running, come_to_rest, free_port, running
from benchmarks.harness.traffic import Caller, Request, call
from benchmarks.servers import loads
from benchmarks.servers.loads import Row

BATCH: Final = 90
_CONNECTIONS: Final = 4
_RENEW_SECONDS: Final = 300.0
"""Access tokens are good for fifteen minutes."""
_KNOWN: Final = 20_000
"""Of the documents, so many are looked through for words."""
_PAGE: Final = 3
"""Hits of a search whose page is full whatever the number of records."""
_OWNERS: Final = 10
"""Of all owners, those whose every record is looked through for rare words."""
_STEM: Final = 2
"""Letters that a word and its stem have in common at least: "being" is found with "be"."""
_HOT: Final = 2000
"""Records that merges at a known version go to: they are listed anew before each load."""
DEFINITION: Final = """
[collections.articles]
read = "anyone"
write = "anyone"
"""


@contextmanager
def serving(
    folder: Path, *, relaxed: bool = False, program: Sequence[str] = (), **settings: str
) -> Iterator[Running]:
    """`homeport serve` on the data in `folder`, without limits per address; `program` is what is
    run instead of the command that is installed, and `settings` are HOMEPORT_* variables without
    their prefix."""
    port = free_port()
    chosen = {
        "DATA_FOLDER": str(folder / "data"),
        "SERVER__PORT": str(port),
        "SERVER__ACCESS_LOG": "off",
        "LIMITS__GUESTS_PER_MINUTE": "0",
        "LIMITS__SIGN_INS_PER_MINUTE": "0",
        **settings,
    }
    (folder / "homeport.toml").write_text(DEFINITION)
    command = [*(program or [str(Path(sys.executable).with_name("homeport"))]), "serve"]
    if relaxed:
        command = [*variant("relaxed"), "serve"]
    environ = {f"HOMEPORT_{name}": value for name, value in chosen.items()}
    with running(command, port, "/v1/health", folder, **environ) as it:
        yield it


def variant(name: str) -> list[str]:
    """The command in one of the modules here that change something about it."""
    # -P: this folder has a module named as the product is.
    return [sys.executable, "-P", str(Path(__file__).with_name(f"{name}.py"))]


class Kept(Protocol):
    """What was loaded before: the server runs on a copy of it."""

    @property
    def written(self) -> float: ...
    @property
    def indexed(self) -> float: ...
    def guests(self) -> list[Caller]:
        """Whose tokens have still to be renewed."""
        ...

    def rows(self, data: Sequence[dict[str, Any]]) -> list[Row]: ...


class Homeport:
    """A server of ours with `documents` spread over `owners` guests, by turns.

    With `shared` they are in a public collection, which everybody reads. With `kept` they are
    there already, in the guests' own spaces.
    """

    def __init__(
        self,
        it: Running,
        documents: Sequence[dict[str, Any]],
        owners: int,
        *,
        name: str = "Homeport",
        shared: bool = False,
        kept: Kept | None = None,
    ) -> None:
        self.name = name
        self.running = it
        self._space, self._collection = ("public", "articles") if shared else ("me", "notes")
        self._words = words(documents[:_KNOWN])
        self.rows: Sequence[Row]
        if kept is not None:
            self.callers, self.rows = kept.guests(), kept.rows(documents)
            self.load_rate, self.index_rate = kept.written, kept.indexed
            self._renew()
            return
        self.callers = [self._guest() for _ in range(owners)]
        self._signed_in = time.monotonic()
        started = time.perf_counter()
        self.rows = self._load(documents)
        loaded = time.perf_counter() - started
        self.load_rate = len(self.rows) / loaded
        self.index_rate = len(self.rows) / (loaded + self.settle())

    def request(self, operation: str, number: int, chance: random.Random) -> Request:
        row = chance.choice(self.rows)
        owner = self.callers[row.owner]
        path = f"/v1/records/{self._space}/{self._collection}"
        match operation:
            case loads.GET:
                found = f"{path}/{row.id}"
                return Request("GET", found, owner, check=lambda it: _is_one(it, row))
            case loads.CREATE:
                made = {**row.data, "n": number}
                return Request("POST", path, owner, made, check=lambda it: it["data"] == made)
            case loads.MERGE:
                patch = {"n": number, "done": True}
                headers = {"Content-Type": "application/merge-patch+json"}
                return Request(
                    *("PATCH", f"{path}/{row.id}", owner, patch, headers),
                    check=lambda it: it["data"] == {**row.data, **patch},
                )
            case loads.LIST | loads.LIST_UNCOUNTED:
                newest = f"{path}?limit=20&order=-id"
                return Request("GET", newest, owner, check=lambda it: _is_page(it, owner))
            case loads.SEARCH_ALL | loads.SEARCH_ALL_UNCOUNTED | loads.SEARCH_OWN:
                word = chance.choice(self._words)
                asked = f"/v1/search?q={word}&collection={self._collection}&limit=10"
                whose = owner if operation == loads.SEARCH_OWN else None
                return Request(
                    *("GET", asked, owner), check=lambda it: _are_hits(it, 10, word, whose)
                )
            case loads.SEARCH_FREQUENT | loads.SEARCH_RARE:
                is_rare = operation == loads.SEARCH_RARE
                place, word = chance.choice(self._rare if is_rare else self._frequent)
                owner = self.callers[place]
                asked = f"/v1/search?q={word}&collection={self._collection}&limit={_PAGE}"
                return Request("GET", asked, owner, check=lambda it: _is_full_page(it, word, owner))
            case _:
                raise ValueError(operation)

    @cached_property
    def _frequent(self) -> list[tuple[int, str]]:
        """Owners, and frequent words of which they have enough for a page."""
        known = self.rows[:_KNOWN]
        frequent = set(words([row.data for row in known], least=0.05, most=0.1))
        seen = Counter((row.owner, word) for row in known for word in words_of(row.data) & frequent)
        return sorted(pair for pair, times in seen.items() if times >= _PAGE)

    @cached_property
    def _rare(self) -> list[tuple[int, str]]:
        """Some owners, and words of which they have enough for a page and not for two, however
        many records they have."""
        seen = Counter(
            (row.owner, word)
            for row in self.rows
            if row.owner < _OWNERS
            for word in words_of(row.data)
        )
        return sorted(pair for pair, times in seen.items() if _PAGE <= times < 2 * _PAGE)

    def freshen(self) -> None:
        if time.monotonic() - self._signed_in >= _RENEW_SECONDS:
            self._renew()

    def _renew(self) -> None:
        connection = self._connect()
        for one in self.callers:
            body = {"refresh_token": one.refresh_token}
            answer = call(connection, Request("POST", "/v1/identity/refresh", body=body))
            one.token, one.refresh_token = answer["access_token"], answer["refresh_token"]
        connection.close()
        self._signed_in = time.monotonic()

    def settle(self, patience: float = 900.0) -> float:
        started = time.perf_counter()
        connection = self._connect()
        while not call(connection, Request("GET", "/local/status", self.callers[0]))["idle"]:
            if time.perf_counter() - started > patience:
                raise RuntimeError(f"the index has not caught up after {patience:.0f} s")
            time.sleep(0.02)
        connection.close()
        took = time.perf_counter() - started
        come_to_rest(self.running.pid, patience)  # tantivy merges what it has when all is indexed
        return took

    def merge_rows(self, path: Path) -> bool:
        """Each record's path, the version it is at and its owner's token."""
        hot = [self.rows[place] for place in range(min(_HOT, len(self.rows)))]
        connection = self._connect()
        lines = []
        for row in hot:
            owner = self.callers[row.owner]
            place = f"/v1/records/{self._space}/{self._collection}/{row.id}"
            version = call(connection, Request("GET", place, owner))["version"]
            lines.append(f"{place} {version} {owner.token}\n")
        connection.close()
        path.write_text("".join(lines))
        return True

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.running.address, timeout=60)

    def _guest(self) -> Caller:
        connection = self._connect()
        answer = call(connection, Request("POST", "/v1/identity/guest", body={}))
        connection.close()
        return Caller(answer["identity"]["id"], answer["access_token"], answer["refresh_token"])

    def _load(self, documents: Sequence[dict[str, Any]]) -> list[Row]:
        count = len(self.callers)

        def send(owners: Sequence[int]) -> list[Row]:
            connection = self._connect()
            rows = []
            for owner in owners:
                own = documents[owner::count]
                for start in range(0, len(own), BATCH):
                    some = own[start : start + BATCH]
                    writes = [
                        {"op": "create", "collection": self._collection, "data": data}
                        for data in some
                    ]
                    place = f"/v1/records/{self._space}"
                    asked = Request("POST", place, self.callers[owner], {"writes": writes})
                    items = call(connection, asked)["items"]
                    rows += [
                        Row(owner, item["record"]["id"], data)
                        for item, data in zip(items, some, strict=True)
                    ]
            connection.close()
            return rows

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            shares = [range(count)[place::_CONNECTIONS] for place in range(_CONNECTIONS)]
            return [row for share in pool.map(send, shares) for row in share]


def _is_page(answer: Any, owner: Caller) -> bool:
    ids = [one["id"] for one in answer["items"]]
    own = all(one["author"] == owner.id for one in answer["items"])
    return len(ids) == 20 and ids == sorted(ids, reverse=True) and own


def _is_one(answer: Any, row: Row) -> bool:
    return bool(answer["id"] == row.id) and row.lasting.items() <= answer["data"].items()


def _are_hits(answer: Any, most: int, word: str, whose: Caller | None) -> bool:
    """As many as there are, the best first, and each with a word that begins alike, as those are
    found that have its stem. In all records there is one for each word."""
    hits = answer["hits"]
    scores = [one["score"] for one in hits]
    records = [one["record"] for one in hits]
    right = (
        len(hits) == min(answer["total"], most)
        and scores == sorted(scores, reverse=True)
        and all(_begins_in(one["data"], word[:_STEM]) for one in records)
    )
    if whose is None:
        return right and bool(hits)
    return right and all(one["author"] == whose.id for one in records)


def _begins_in(data: dict[str, Any], beginning: str) -> bool:
    text = " ".join(one for one in data.values() if isinstance(one, str))
    return re.search(rf"(?<![^\W_]){beginning}", text.lower()) is not None


def _is_full_page(answer: Any, word: str, owner: Caller) -> bool:
    return len(answer["hits"]) == _PAGE and _are_hits(answer, _PAGE, word, owner)
