"""PocketBase with the same records, owners, rules and indexes.

Its tables are filled while it is stopped, since its own way in takes hours for a million. It
commits without waiting for the disk (synchronous = NORMAL), and has no setting for that. Its log
of requests is off, as ours is.
"""

from __future__ import annotations

import http.client
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import apsw

from benchmarks.harness.command import LeftOut
from benchmarks.harness.corpus import words
from benchmarks.harness.process import Running, come_to_rest, free_port, running
from benchmarks.harness.traffic import Caller, Request, call
from benchmarks.servers import loads
from benchmarks.servers.loads import Row

PROGRAM: Final = Path(__file__).parents[2] / ".venv" / "bench" / "bin" / "pocketbase"
_ROOT: Final = ("root@example.org", "correct horse battery staple")
_USERS: Final = "_pb_users_auth_"
_FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OWN: Final = "owner = @request.auth.id"
_ALL: Final = '@request.auth.id != ""'
_FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "owner", "type": "relation", "collectionId": _USERS, "maxSelect": 1, "required": True},
    {"name": "title", "type": "text"},
    {"name": "body", "type": "text"},
    {"name": "kind", "type": "text"},
    {"name": "n", "type": "number"},
    {"name": "done", "type": "bool"},
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]


def check_is_here() -> None:
    """Raises LeftOut where it is not installed."""
    if not PROGRAM.exists():
        raise LeftOut("PocketBase: `make bench` installs it")


def is_here() -> bool:
    return PROGRAM.exists()


@contextmanager
def serving(folder: Path) -> Iterator[Running]:
    """The server on the data in `folder`."""
    port = free_port()
    command = [str(PROGRAM), "serve", "--dir", str(folder / "pb"), "--http", f"127.0.0.1:{port}"]
    with running(command, port, "/api/health", folder) as it:
        yield it


@contextmanager
def filled(
    folder: Path, documents: Sequence[dict[str, Any]], owners: int, *, shared: bool = False
) -> Iterator[PocketBase]:
    """A server with `documents` spread over `owners` users, by turns. With `shared` every user
    reads all of them."""
    check_is_here()
    subprocess.run(
        [PROGRAM, "superuser", "upsert", *_ROOT, "--dir", folder / "pb"],
        check=True,
        capture_output=True,
    )
    with serving(folder) as it:
        root = _Root(it.address)
        readers = _ALL if shared else _OWN
        root.ask("POST", "collections", _collection(readers))
        settings = root.ask("PATCH", "settings", {"logs": {"maxDays": 0}})
        if settings["logs"]["maxDays"] != 0:
            raise RuntimeError("PocketBase: its log of requests is still on")
    users, rows = _fill(folder / "pb" / "data.db", documents, owners)
    with serving(folder) as it:
        root = _Root(it.address)
        for user in users:
            day = {"duration": 24 * 3600}
            token = root.ask("POST", f"collections/users/impersonate/{user.id}", day)["token"]
            user.token = token
        yield PocketBase(it, users, rows)


class PocketBase:
    """A server of PocketBase."""

    name = "PocketBase"

    def __init__(self, it: Running, users: Sequence[Caller], rows: Sequence[Row]) -> None:
        self.running = it
        self.rows = rows
        self._users = users
        self._words = words([row.data for row in rows[:20_000]])

    def request(self, operation: str, number: int, chance: random.Random) -> Request:
        row = chance.choice(self.rows)
        owner = self._users[row.owner]
        path = "/api/collections/notes/records"
        match operation:
            case loads.GET:
                found = f"{path}/{row.id}"
                known = {"id": row.id, **row.lasting}
                return Request("GET", found, owner, check=lambda it: _holds(it, known))
            case loads.CREATE:
                made = {**row.data, "n": number, "owner": owner.id}
                return Request("POST", path, owner, made, check=lambda it: _holds(it, made))
            case loads.MERGE:
                patch = {"n": number, "done": True}
                asked = f"{path}/{row.id}"
                merged = {**row.data, **patch}
                return Request("PATCH", asked, owner, patch, check=lambda it: _holds(it, merged))
            case loads.LIST | loads.LIST_UNCOUNTED:
                uncounted = "&skipTotal=1" if operation == loads.LIST_UNCOUNTED else ""
                newest = f"{path}?perPage=20&sort=-created{uncounted}"
                return Request("GET", newest, owner, check=lambda it: _is_page(it, owner))
            case loads.SEARCH_ALL | loads.SEARCH_ALL_UNCOUNTED | loads.SEARCH_OWN:
                word = chance.choice(self._words)
                uncounted = "&skipTotal=1" if operation == loads.SEARCH_ALL_UNCOUNTED else ""
                asked = f"{path}?perPage=10&filter=(title~'{word}'||body~'{word}'){uncounted}"
                whose = owner if operation == loads.SEARCH_OWN else None
                return Request("GET", asked, owner, check=lambda it: _are_hits(it, word, whose))
            case _:
                raise ValueError(operation)

    def freshen(self) -> None:
        """Its tokens last for a day."""

    def settle(self, patience: float = 900.0) -> float:
        come_to_rest(self.running.pid, patience)  # it tells nobody what it does in the background
        return 0.0

    def merge_rows(self, path: Path) -> bool:
        """It has no merges at a known version."""
        return False


class _Root:
    """The superuser, who makes collections and tokens."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)
        body = {"identity": _ROOT[0], "password": _ROOT[1]}
        self._caller = Caller("root", "")
        way_in = "collections/_superusers/auth-with-password"
        self._caller.token = self.ask("POST", way_in, body)["token"]

    def ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return call(self._connection, Request(method, f"/api/{path}", self._caller, body))


def _collection(readers: str) -> dict[str, Any]:
    return {
        "name": "notes",
        "type": "base",
        **dict.fromkeys(("listRule", "viewRule"), readers),
        **dict.fromkeys(("createRule", "updateRule", "deleteRule"), _OWN),
        "fields": _FIELDS,
        "indexes": ["CREATE INDEX idx_notes_owner ON notes (owner, created)"],
    }


def _fill(
    path: Path, documents: Sequence[dict[str, Any]], owners: int
) -> tuple[list[Caller], list[Row]]:
    chance = random.Random(4)
    users = [Caller(_id(chance), "") for _ in range(owners)]
    rows = [Row(number % owners, _id(chance), data) for number, data in enumerate(documents)]
    connection = apsw.Connection(str(path))
    with connection:
        connection.executemany(
            "INSERT INTO users (id, email, tokenKey, password, created, updated)"
            " VALUES (?, ?, ?, '-', ?, ?)",
            (
                (one.id, f"{one.id}@example.org", _id(chance) * 4, _time(0), _time(0))
                for one in users
            ),
        )
        connection.executemany(
            "INSERT INTO notes (id, owner, title, body, kind, n, done, created, updated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *(row.id, users[row.owner].id),
                    *(row.data["title"], row.data["body"], row.data["kind"], row.data["n"]),
                    *(row.data["done"], _time(number), _time(number)),
                )
                for number, row in enumerate(rows)
            ),
        )
    connection.execute("ANALYZE")  # as PocketBase itself does every day
    connection.close()
    return users, rows


def _id(chance: random.Random) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=15))


def _time(number: int) -> str:
    moment = _FIRST + timedelta(milliseconds=number)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _holds(answer: Any, data: dict[str, Any]) -> bool:
    return all(answer[name] == value for name, value in data.items())


def _is_page(answer: Any, owner: Caller) -> bool:
    times = [one["created"] for one in answer["items"]]
    own = all(one["owner"] == owner.id for one in answer["items"])
    return len(times) == 20 and times == sorted(times, reverse=True) and own


def _are_hits(answer: Any, word: str, whose: Caller | None) -> bool:
    """In all records there is one for each word."""
    hits = answer["items"]
    right = all(word in f"{one['title']} {one['body']}".lower() for one in hits)
    if whose is None:
        return right and 0 < len(hits) <= 10
    return right and len(hits) <= 10 and all(one["owner"] == whose.id for one in hits)
