"""`homeport demo`: a real corpus and two users, through the public HTTP API."""

from __future__ import annotations

import threading
import time
import uuid
import zlib
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from homeport.domain.limits import BODY_BYTES
from homeport.entrypoints.cli import corpus
from homeport.entrypoints.cli.client import Client, Refused, Unreachable
from homeport.entrypoints.cli.corpus import Note
from homeport.entrypoints.cli.exits import Exit, Failure, fail
from homeport.entrypoints.cli.progress import progress
from homeport.entrypoints.cli.report import Report

T = TypeVar("T")

PASSWORD: Final = "two users of a demo"  # noqa: S105 - everybody may know it, as --help says
LOGINS: Final = ("ada@demo.example", "grace@demo.example")
COLLECTION: Final = "notes"
CATCH_UP_SECONDS: Final = 60.0
_SEARCHES: Final[tuple[dict[str, Any], ...]] = (
    {
        "q": "read file",
        "facet": ["kind", "module"],
        "highlight": ["title", "body"],
        "limit": 3,
    },
    {"q": '"file descriptor" -socket', "facet": ["module"], "highlight": ["body"], "limit": 3},
    {"q": "connect*", "filter": "kind:class", "facet": ["module"], "sort": "-lines", "limit": 3},
    {"q": "thread", "filter": "lines:>=100", "facet": ["kind"], "highlight": ["body"], "limit": 2},
)


@dataclass(frozen=True, slots=True)
class User:
    name: str
    id: str
    token: str


def run(arguments: Namespace) -> int:
    try:
        nobody = Client(arguments.url)
    except ValueError as error:
        fail(Exit.USAGE, f"{error}.")
    try:
        _tell(Report(), nobody, arguments)
    except Unreachable as error:
        fail(Exit.FAILED, f"{error} Start a backend with: homeport serve")
    except Refused as error:
        fail(Exit.FAILED, f"The backend refused a part of the demo: {error}")
    return Exit.OK


def _tell(report: Report, nobody: Client, arguments: Namespace) -> None:
    url = nobody.url
    health = nobody.get("v1", "health")
    report.heading(f"Homeport {health.get('version', '')} at {url}")
    ada, grace = users = [_sign_in(nobody, login) for login in LOGINS]
    for user in users:
        report.line(f"{user.name} is identity {user.id}")
    _check_declared(Client(url, ada.token))

    notes = _read_corpus(arguments.limit)
    report.heading(f"{len(notes):,} notes: the docstrings of {corpus.standard_library()}")
    shares = {user: [one for one in notes if _owner(one, users) is user] for user in users}
    began = time.monotonic()
    _load(url, shares, arguments.connections, arguments.batch)
    seconds = max(time.monotonic() - began, 0.001)
    report.line(f"stored in {seconds:.1f} s: {len(notes) / seconds:,.0f} notes a second")
    seconds = _catch_up(url, shares)
    report.line(f"the index had caught up {seconds:.2f} s after the last write")

    report.heading("Searches, each in the caller's own space")
    for query in _SEARCHES:
        report.search(ada.name, query, _search(Client(url, ada.token), query))
    report.search(grace.name, _SEARCHES[0], _search(Client(url, grace.token), _SEARCHES[0]))
    words = Client(url, ada.token).get("v1", "suggest", prefix="asy", collection=COLLECTION)
    listed = ", ".join(f"{one['text']} {one['count']}" for one in words["items"][:5])
    report.line(f"{ada.name} types asy: {listed or 'no suggestions'}")

    _message(report, url, ada, grace)


def _sign_in(nobody: Client, login: str) -> User:
    account = {"login": login, "password": PASSWORD}
    nobody.post("v1", "identity", "sign-up", body=account)
    session = nobody.post("v1", "identity", "sign-in", body=account)
    return User(login.partition("@")[0], session["identity"]["id"], session["access_token"])


def _check_declared(client: Client) -> None:
    """The demo highlights and sorts, which declared fields alone can be."""
    try:
        _search(client, {"highlight": ["title", "body"], "sort": "-lines", "limit": 1})
    except Refused as error:
        if error.status != 400:
            raise
        fail(
            Exit.FAILED,
            f"This backend's definition does not declare the collection `{COLLECTION}` as the "
            "demo needs it. See what `homeport init` writes in an empty folder.",
        )


def _read_corpus(limit: int | None) -> list[Note]:
    root = corpus.standard_library()
    sources = corpus.sources(root)

    def found() -> Iterator[Note]:
        for source in sources:
            yield from corpus.notes(root, source)
            advance(1)

    with progress("Reading docstrings", len(sources), "modules") as advance:
        notes = list(islice(found(), limit))
    if not notes:
        fail(Exit.FAILED, f"There are no docstrings in {root}: Python's sources are not installed.")
    return notes


def _owner(note: Note, users: Sequence[User]) -> User:
    """A package's notes belong to one user, the same at each run."""
    package = note.module.partition(".")[0]
    return users[zlib.crc32(package.encode()) % len(users)]


def _load(url: str, shares: dict[User, list[Note]], connections: int, size: int) -> None:
    """Put every note, one by one or in batches of `size`; again gives the same records."""
    local = threading.local()

    def send(user: User, notes: list[Note]) -> None:
        clients: dict[User, Client] = local.__dict__.setdefault("clients", {})
        if user not in clients:
            clients[user] = Client(url, user.token)
        if size == 1:
            for note in notes:
                clients[user].put("v1", "records", "me", COLLECTION, note.id, body=note.data)
        else:
            writes = [
                {"op": "put", "collection": COLLECTION, "id": note.id, "data": note.data}
                for note in notes
            ]
            clients[user].post("v1", "records", "me", body={"writes": writes})
        advance(len(notes))

    total = sum(map(len, shares.values()))
    with (
        progress("Storing notes", total, "notes") as advance,
        ThreadPoolExecutor(connections) as pool,
    ):
        work = [
            pool.submit(send, user, part)
            for user, notes in shares.items()
            for part in _parts(notes, size)
        ]
        try:
            for one in work:
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _parts(notes: Sequence[Note], size: int) -> Iterator[list[Note]]:
    """Up to `size` notes each, or ten where they go one by one, and well below a body's limit."""
    most = size if size > 1 else 10
    part: list[Note] = []
    room = BODY_BYTES // 2
    for note in notes:
        if len(part) == most or room < 0:
            yield part
            part, room = [], BODY_BYTES // 2
        part.append(note)
        room -= 6 * len(note.body)  # a character takes 6 bytes of JSON at most, as \u escapes
    if part:
        yield part


def _catch_up(url: str, shares: dict[User, list[Note]]) -> float:
    """Wait until both users find one more note by a word that is in no other, and every note
    counts. Returns the seconds that it took."""
    word = f"caughtup{uuid.uuid4().hex}"
    last = Note("the.last.note", f"The demo looks for {word}.", "demo", "module", 1)
    clients = {user: Client(url, user.token) for user in shares}
    for client in clients.values():
        client.put("v1", "records", "me", COLLECTION, last.id, body=last.data)
    began = time.monotonic()
    late = "The index has not caught up"
    for user, client in clients.items():
        _wait_for(partial(_found, client, {"q": word}, 1), late)
        _wait_for(partial(_found, client, {}, len(shares[user]) + 1), late)
    return time.monotonic() - began


def _found(client: Client, query: dict[str, Any], least: int) -> bool | None:
    """True once at least so many notes are found."""
    return _search(client, {"limit": 1, **query})["total"] >= least or None


def _wait_for(look: Callable[[], T | None], failure: str) -> T:
    """Look until there is something, for a minute at most."""
    until = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise Failure(Exit.FAILED, f"{failure} within {CATCH_UP_SECONDS:.0f} s.")


def _search(client: Client, query: dict[str, Any]) -> Any:
    return client.get("v1", "search", space="me", collection=COLLECTION, **query)


def _message(report: Report, url: str, sender: User, recipient: User) -> None:
    report.heading(f"A message from {sender.name} to {recipient.name}, who has two devices")
    theirs = Client(url, recipient.token)
    phone = {"platform": "apns", "environment": "sandbox", "token": "0a1b2c3d" * 8}
    tablet = {"platform": "fcm", "token": "demo-tablet:" + "APA91b" * 20}
    theirs.put("v1", "devices", "demo-phone", body=phone)
    theirs.put("v1", "devices", "demo-tablet", body=tablet)
    message = {
        "to": [recipient.id],
        "title": "A note for you",
        "text": "Have you read what pathlib says about itself?",
        "data": {"note": "pathlib"},
    }
    key = str(uuid.uuid4())
    sent = Client(url, sender.token).post("v1", "messages", body=message, key=key)
    report.line(f"accepted as message {sent['id']}, state {sent['state']}")
    report.json(f"{recipient.name}'s inbox:", _delivered(theirs, sent["id"]))
    for payload in _pushes(theirs, sent["id"]):
        report.json(f"what {payload['platform'].upper()} would get:", payload["payload"])


def _delivered(client: Client, message: str) -> Any:
    def look() -> Any:
        page = client.get("v1", "records", "me", "inbox", order="-updated", limit=10)
        return next((one for one in page["items"] if one["data"]["message"] == message), None)

    return _wait_for(look, "The message has not arrived")


def _pushes(client: Client, message: str) -> list[Any]:
    """The pushes of one message, to both devices; none from a backend that does not show them."""

    def look() -> list[Any] | None:
        try:
            items = client.get("local", "pushes")["items"]
        except Refused as error:
            if error.status == 404:
                return []
            raise
        found = [one for one in items if message in str(one["payload"])]
        return found if len(found) == 2 else None

    pushes = _wait_for(look, "The pushes have not been sent")
    return sorted(pushes, key=lambda one: str(one["platform"]))
