"""Who may see what: every operation, asked by everybody, of somebody's private space.

`probes` makes the requests of one operation against a `World`; for each it says what the
owner gets and what a stranger gets. `check_stranger` holds an answer against what it must not
show. An operation that is missing in `PROBES` or `ROLES` fails the tests.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

import pytest

from homeport.domain.identity import ACCESS_SECONDS
from homeport.domain.model.membership import Membership, Role
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.ports.record_store import RecordStore
from homeport.entrypoints.forms import Form
from homeport.entrypoints.operation import PREFIX, Caller, Operation
from homeport.entrypoints.operations import OPERATIONS
from tests.clients import Answer, Api, Person, new_guest, new_user

PASSWORD: Final = "correct horse"
OWNER: Final = "owner@example.com"
BY_NAME: Final[Mapping[str, Operation]] = {one.name: one for one in OPERATIONS}
WORDS: Final = {
    "title": "quixotaurine",
    "body": "zephyrobalm",
    "tag": "vermillioid",
    "sent": "umbrafrost",
    "received": "thistlewick",
    "draft": "sarabandit",
}
"""Words of the owner's that nobody else uses."""
PAGES: Final = 4_242_017
"""A number of the owner's that nobody else uses."""

DEFINITION: Final = """
[collections.journal.fields]
title = "text"
pages = "number"

[collections.letters]
read = "owner"
write = "anyone"
"""
"""Sorting and highlighting want declared fields; into `letters` anybody may throw one."""

# -- people --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of a run, and a token of the owner's that has expired."""

    owner: Person
    expired: str
    roles: Mapping[str, Person]
    """By what they are in `TEAM`: owner, writer, reader, removed."""


TEAM: Final = "team-7f3a"


def make_cast(
    provider: IdentityProvider, store: RecordStore, advance: Callable[[float], None]
) -> Cast:
    """The people, by the backend's own parts, since members have no HTTP operations yet.

    `advance` moves the provider's clock by seconds.
    """

    def sign_in(login: str) -> Person:
        session = provider.sign_in(login, PASSWORD)
        return Person(session.identity.id, session.access_token)

    for login in (OWNER, *(f"{name}@example.com" for name in _ROLES)):
        provider.sign_up(login, PASSWORD)
    expired = sign_in(OWNER).token
    advance(ACCESS_SECONDS + 1)
    roles = {name: sign_in(f"{name}@example.com") for name in _ROLES}
    for name, person in roles.items():
        role = Role.WRITER if name == "removed" else Role(name.removeprefix("team-"))
        store.put_membership(Membership(TEAM, person.id, role))
    store.remove_membership(TEAM, roles["removed"].id)
    return Cast(
        sign_in(OWNER),
        expired,
        {name.removeprefix("team-"): one for name, one in roles.items()},
    )


_ROLES: Final = ("team-owner", "writer", "reader", "removed")


# -- what the owner has --------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """The owner's private space, filled through the API, and what is known about it.

    `ids` are the names of things in it: a request that asks for the same of nothing at all
    has others in their places.
    """

    api: Api
    owner: Person
    login: str
    note: str
    etag: str
    message: str
    device: str
    blocked: str
    checkpoint: str
    page_cursor: str
    search_cursor: str
    secrets: frozenset[str]

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.owner.id, self.note, self.message, self.device, self.blocked, self.login)


def build_world(api: Api, owner: Person, login: str) -> World:
    """Fill the owner's space: notes, drafts, a message sent, one received, a device, a block."""

    def ask(method: str, path: str, data: Any = None) -> Answer:
        answer = api.ask(method, PREFIX + path, data, token=owner.token)
        assert answer.status < 300, (method, path, answer)
        return answer

    note = ask(
        "POST",
        "/records/me/notes",
        {"title": WORDS["title"], "body": f"{WORDS['body']} and more", "tag": WORDS["tag"]},
    )
    ask("POST", "/records/me/notes", {"title": "second", "pages": PAGES, "tag": WORDS["tag"]})
    ask("POST", "/records/me/notes", {"title": "third", "tag": WORDS["tag"]})
    deleted = ask("POST", "/records/me/notes", {"title": "gone"}).json["id"]
    ask("DELETE", f"/records/me/notes/{deleted}")
    ask("PUT", f"/records/me/journal/{uuid.uuid4().hex}", {"title": WORDS["draft"], "pages": PAGES})
    device = f"phone-{uuid.uuid4().hex}"
    push_token = uuid.uuid4().hex * 2
    ask("PUT", f"/devices/{device}", {"platform": "apns", "token": push_token})
    friend = new_guest(api)
    message = ask("POST", "/messages", {"to": [friend.id], "text": WORDS["sent"]})
    api.ask(
        "POST",
        f"{PREFIX}/messages",
        {"to": [owner.id], "title": "to you", "text": WORDS["received"]},
        token=friend.token,
    )
    blocked = f"pest-{uuid.uuid4().hex}"
    ask("PUT", f"/blocks/{blocked}")
    api.settle()
    page = ask("GET", "/records/me/notes?limit=1").json
    found = ask("GET", f"/search?q={WORDS['tag']}&limit=1").json
    changes = ask("GET", "/changes/me?limit=1").json
    ids = [one["id"] for one in ask("GET", "/changes/me").json["items"]]
    return World(
        api,
        owner,
        login,
        note.json["id"],
        note.etag,
        message.json["id"],
        device,
        blocked,
        changes["checkpoint"],
        page["cursor"],
        found["cursor"],
        frozenset(
            [
                *WORDS.values(),
                str(PAGES),
                *(owner.id, owner.token, friend.id, deleted, device, push_token, blocked),
                *(message.json["version"], note.json["version"], *ids),
            ]
        ),
    )


def snapshot(world: World, strangers: set[str]) -> Any:
    """All that the owner has; without what `strangers` may put there, which is mail."""

    world.api.settle()

    def get(path: str) -> Any:
        answer = world.api.ask("GET", PREFIX + path, token=world.owner.token)
        assert answer.status == 200, answer
        return answer.json

    changes = get("/changes/me")
    assert not changes["more"]
    records = [
        one
        for one in changes["items"]
        if not (one["collection"] == "inbox" and one["author"] in strangers)
    ]
    return (
        records,
        get("/devices"),
        get("/blocks"),
        get(f"/messages/{world.message}"),
        get("/identity"),
    )


# -- what can be asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and the status that it has for the owner and for a stranger (a user or a
    guest who was never let in). Without a token it is 401, but where anybody may call."""

    method: str
    path: str
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    owner: int = 200
    stranger: int = 404

    def ask(self, api: Api, token: str | None) -> Answer:
        return api.ask(
            self.method, PREFIX + self.path, self.data, token=token, headers=self.headers
        )

    def without(self, ids: tuple[str, ...]) -> Probe:
        """The same request for things that are not there."""
        return Probe(
            self.method,
            _other(self.path, ids),
            json.loads(_other(json.dumps(self.data), ids)),
            self.headers,
            self.owner,
            self.stranger,
        )

    @property
    def text(self) -> str:
        """Everything that the caller says, and so knows already."""
        return f"{self.path} {json.dumps(self.data)} {json.dumps(dict(self.headers))}"


def _other(text: str, ids: tuple[str, ...]) -> str:
    for one in ids:
        text = text.replace(one, uuid.uuid5(uuid.NAMESPACE_OID, one).hex)
    return text


def _searches() -> list[dict[str, Any]]:
    """Every kind of question whose answer could show what is there."""
    title, tag = WORDS["title"], WORDS["tag"]
    return [
        {"q": ""},
        *({"q": word} for word in WORDS.values()),
        {"q": f'"{WORDS["body"]} and more"'},
        {"q": f"{title[:5]}*"},
        {"q": "-nothing"},
        {"q": title, "highlight": ["title"], "collection": "journal"},
        {"q": WORDS["draft"], "highlight": ["title"], "facets": ["kind"], "sort": "-pages"},
        {"facets": ["tag", "pages", "title", "from", "read"]},
        {"facets": ["tag"], "filters": [f"tag:{tag}"]},
        {"filters": [f"pages:{PAGES}"]},
        {"filters": ["pages:>=4000000"], "sort": "pages", "collection": "journal"},
        {"filters": [f"title~{title}"]},
        {"collection": "notes", "facets": ["tag"]},
        {"collection": "inbox", "facets": ["from"], "highlight": ["text"]},
        {"collection": "sent"},
    ]


def _query(request: Mapping[str, Any], **more: str) -> str:
    names = {"filters": "filter", "facets": "facet"}
    pairs: list[tuple[str, str]] = []
    for name, value in {**request, **more}.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(names.get(name, name), str(one)) for one in values]
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def _search_probes(world: World) -> list[Probe]:
    cursor = {"q": WORDS["tag"], "cursor": world.search_cursor, "limit": "1"}
    asked = [*_searches(), cursor]
    mine = world.owner.id
    return [
        *(Probe("GET", f"/search?{_query(one)}", stranger=200) for one in asked),
        *(Probe("GET", f"/search?{_query(one, space=mine)}") for one in _searches()),
    ]


def _structured_probes(world: World) -> list[Probe]:
    mine = world.owner.id
    return [
        *(Probe("POST", "/search", one, stranger=200) for one in _searches()),
        *(Probe("POST", "/search", {**one, "space": mine}) for one in _searches()),
    ]


def _suggest_probes(world: World) -> list[Probe]:
    probes = []
    for word in (*WORDS.values(), "s", "t"):
        path = f"/suggest?prefix={word[:4]}"
        probes += [
            Probe("GET", path, stranger=200),
            Probe("GET", f"{path}&field=title", stranger=200),
            Probe("GET", f"{path}&collection=notes", stranger=200),
            Probe("GET", f"{path}&space={world.owner.id}"),
        ]
    return probes


def _record_probes(method: str, owner: int, data: Any = None) -> Callable[[World], list[Probe]]:
    def probes(world: World) -> list[Probe]:
        path = f"/records/{world.owner.id}/notes/{world.note}"
        made = [Probe(method, path, data, owner=owner)]
        if method == "GET":
            match = {"if-none-match": world.etag}
            made.append(Probe(method, path, headers=match, owner=304))
        else:
            match = {"if-match": world.etag}
            made.insert(0, Probe(method, path, data, match, owner=owner))
            if method == "DELETE":
                del made[1]  # there is nothing left for the second one
        return made

    return probes


def _create_probes(world: World) -> list[Probe]:
    path = f"/records/{world.owner.id}/notes"
    key = {"idempotency-key": str(uuid.uuid4())}
    # The key of a record that is there: a stranger must not learn that.
    taken = {"idempotency-key": world.note}
    return [
        Probe("POST", path, {"title": "new"}, owner=201),
        Probe("POST", path, {"title": "new"}, key, owner=201),
        Probe("POST", path, {"title": "new"}, taken, owner=422),
        Probe("POST", f"/records/{world.owner.id}/inbox", {"text": "x"}, owner=403, stranger=403),
    ]


def _list_probes(world: World) -> list[Probe]:
    path = f"/records/{world.owner.id}"
    return [
        *(Probe("GET", f"{path}/notes?order={one}") for one in ("id", "-id", "updated")),
        Probe("GET", f"{path}/notes?limit=1&cursor={world.page_cursor}"),
        Probe("GET", f"{path}/inbox"),
        Probe("GET", f"{path}/sent"),
        Probe("GET", f"{path}/journal"),
        Probe("GET", f"{path}/nothing"),
        Probe("GET", f"/records/.{world.owner.id}/devices", owner=400, stranger=400),
    ]


def _batch_probes(world: World) -> list[Probe]:
    def batch(*writes: dict[str, Any], owner: int = 200) -> Probe:
        return Probe("POST", f"/records/{world.owner.id}", {"writes": list(writes)}, owner=owner)

    def write(op: str, **more: Any) -> dict[str, Any]:
        return {"op": op, "collection": "notes", **more}

    note = world.note
    return [
        batch(write("create", data={"title": "new"})),
        batch(write("create", id=note, data={"title": "new"}), owner=409),
        batch(write("put", id=note, data={"title": "new"}, if_none_match="*"), owner=412),
        batch(write("patch", id=note, data={"title": "new"}, if_match=world.etag)),
        batch(write("patch", id=note, data={"title": "new"}, if_match=world.etag), owner=412),
        batch(write("put", id="fresh", data={}), write("delete", id=note)),
    ]


def _changes_probes(world: World) -> list[Probe]:
    path = f"/changes/{world.owner.id}"
    return [
        Probe("GET", path),
        Probe("GET", f"{path}?since={world.checkpoint}"),
        Probe("GET", f"{path}?collection=notes"),
        Probe("GET", f"{path}?collection=inbox"),
    ]


def _send_probes(world: World) -> list[Probe]:
    # Anybody may write to anybody; what that shows them is their own message.
    to = {"to": [world.owner.id], "text": "hello"}
    taken = {"idempotency-key": world.message}
    return [
        Probe("POST", "/messages", to, owner=202, stranger=202),
        Probe("POST", "/messages", to, taken, owner=422, stranger=202),
    ]


def _message_probes(method: str, owner: int, data: Any = None) -> Callable[[World], list[Probe]]:
    return lambda world: [Probe(method, f"/messages/{world.message}", data, owner=owner)]


def _device_probes(world: World) -> list[Probe]:
    token = uuid.uuid4().hex * 2
    # Everybody names their own devices: the same name is another device.
    body = {"platform": "apns", "token": token}
    return [Probe("PUT", f"/devices/{world.device}", body, stranger=200)]


def _account_probes(operation: str) -> Callable[[World], list[Probe]]:
    def probes(world: World) -> list[Probe]:
        account = {"login": world.login, "password": "battery staple"}
        status = {"sign_up": 202, "sign_in": 401}[operation]
        path = BY_NAME[operation].path
        return [Probe("POST", path, account, owner=status, stranger=status)]

    return probes


PROBES: Final[Mapping[str, Callable[[World], list[Probe]]]] = {
    "create_record": _create_probes,
    "get_record": _record_probes("GET", 200),
    "put_record": _record_probes("PUT", 200, {"title": "replaced"}),
    "patch_record": _record_probes("PATCH", 200, {"title": "changed"}),
    "delete_record": _record_probes("DELETE", 204),
    "list_records": _list_probes,
    "write_batch": _batch_probes,
    "list_changes": _changes_probes,
    "search": _search_probes,
    "search_structured": _structured_probes,
    "suggest": _suggest_probes,
    "send_message": _send_probes,
    "get_message": _message_probes("GET", 200),
    "patch_message": _message_probes("PATCH", 200, {"text": "changed"}),
    "delete_message": _message_probes("DELETE", 204),
    "list_devices": lambda _: [Probe("GET", "/devices", stranger=200)],
    "put_device": _device_probes,
    "delete_device": lambda world: [Probe("DELETE", f"/devices/{world.device}", owner=204)],
    "list_blocks": lambda _: [Probe("GET", "/blocks", stranger=200)],
    "put_block": lambda world: [Probe("PUT", f"/blocks/{world.owner.id}", owner=204, stranger=204)],
    "delete_block": lambda world: [Probe("DELETE", f"/blocks/{world.blocked}", owner=204)],
    "create_guest": lambda _: [Probe("POST", "/identity/guest", owner=201, stranger=201)],
    "sign_up": _account_probes("sign_up"),
    "sign_in": _account_probes("sign_in"),
    "refresh": lambda _: [
        Probe(
            "POST",
            "/identity/refresh",
            {"refresh_token": "made-up"},
            owner=401,
            stranger=401,
        )
    ],
    "who_am_i": lambda _: [Probe("GET", "/identity", stranger=200)],
    "describe": lambda _: [Probe("GET", "/openapi.json", stranger=200)],
    "check_health": lambda _: [Probe("GET", "/health", stranger=200)],
}


def probes(operation: Operation, world: World) -> list[Probe]:
    """The requests of one operation; each is surely of that operation."""
    made = PROBES[operation.name](world)
    pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path))
    for one in made:
        path = one.path.partition("?")[0]
        assert one.method == operation.method and pattern.fullmatch(path), (operation, one)
    return made


# -- what an answer may show ---------------------------------------------------------------------


def check_stranger(probe: Probe, world: World, stranger: Person) -> None:
    """A stranger gets the status that was planned, and nothing of the owner's."""
    answer = probe.ask(world.api, stranger.token)
    assert answer.status == probe.stranger, (probe, answer)
    check_hides(probe, world, answer)
    if answer.status == 200 and probe.path.startswith(("/search", "/suggest")):
        check_nothing_found(answer.json)
    # What is not theirs looks the same as what is not there. A cursor or a checkpoint is bound
    # to its space, and whoever has one knows that space: there is no other of the same.
    bound = "cursor=" in probe.path or "since=" in probe.path
    if not bound and (answer.status >= 400 or probe.method == "GET"):
        check_same(probe, world, answer, stranger.token)


def check_nobody(probe: Probe, world: World, operation: Operation, token: str | None) -> None:
    """Whoever cannot be told gets 401 and how to do better, unless anybody may call."""
    answer = probe.ask(world.api, token)
    check_hides(probe, world, answer)
    if operation.caller is Caller.ANYBODY:
        assert answer.status == probe.stranger, (probe, answer)
        return
    assert answer.status == 401, (probe, answer)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer "), challenge
    assert ('error="invalid_token"' in challenge) is (token is not None), challenge
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == "urn:homeport:problem:unauthenticated"
    check_same(probe, world, answer, token)


def check_hides(probe: Probe, world: World, answer: Answer) -> None:
    """No secret stands in the answer that the caller did not bring along."""
    said = probe.text
    shown = f"{answer.text} {json.dumps(dict(answer.headers))}"
    leaked = [one for one in world.secrets if one in shown and one not in said]
    assert not leaked, (leaked, probe, answer)


def check_nothing_found(found: Mapping[str, Any]) -> None:
    """Neither hits nor counts: whoever asks has nothing of their own."""
    assert not found.get("items") and not found.get("hits") and not found.get("total"), found
    assert not any(found.get("facets", {}).values()) and "cursor" not in found, found


def check_same(probe: Probe, world: World, answer: Answer, token: str | None) -> None:
    """The answer is that of a request for things that are not there."""
    other = probe.without(world.ids).ask(world.api, token)
    assert _plain(answer, world.ids) == _plain(other, world.ids), probe


def _plain(answer: Answer, ids: tuple[str, ...]) -> tuple[int, Any, Mapping[str, str]]:
    """An answer without what differs from one request to the next."""
    text = _other(answer.text, ids)
    body = json.loads(text) if text else None
    if isinstance(body, dict):
        body.pop("request_id", None)
    own = ("date", "x-request-id", "content-length", "apigw-requestid")
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status, body, headers


def bad_tokens(cast: Cast) -> dict[str, str | None]:
    """Tokens by which nobody can be told; None is a request without one."""
    header, _, rest = cast.owner.token.partition(".")
    claims = rest.partition(".")[0]
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    last = "A" if cast.owner.token[-2] != "A" else "B"
    return {
        "nobody": None,
        "expired token": cast.expired,
        "garbled token": "not-a-token",
        "changed token": cast.owner.token[:-2] + last + cast.owner.token[-1],
        "unsigned token": f"{unsigned}.{claims}." if claims else f"{header}x",
        "other scheme": f"Basic {cast.owner.token}",
    }


# -- shared spaces -------------------------------------------------------------------------------

_READING: Final = {"owner": 200, "writer": 200, "reader": 200}
_CHANGING: Final = {"owner": 200, "writer": 200, "reader": 403}
ROLES: Final[Mapping[str, Mapping[str, int]]] = {
    "create_record": {"owner": 201, "writer": 201, "reader": 403},
    "get_record": _READING,
    "put_record": _CHANGING,
    "patch_record": _CHANGING,
    "delete_record": {"owner": 204, "writer": 204, "reader": 403},
    "list_records": _READING,
    "write_batch": _CHANGING,
    "list_changes": _READING,
    "search": _READING,
    "search_structured": _READING,
    "suggest": _READING,
}
"""What each role gets of the operations that take a space; everybody else gets 404."""


def takes_space(operation: Operation) -> bool:
    """Whether an operation can be asked about a shared space."""
    forms = [one for one in (operation.query, operation.body) if isinstance(one, Form)]
    return "space" in operation.path_parameters or any("space" in one.fields for one in forms)


def team_probe(operation: str, note: str) -> Probe:
    """One request of the operation in the team's space, about a note there."""
    record = f"/records/{TEAM}/notes/{note}"
    return {
        "create_record": Probe("POST", f"/records/{TEAM}/notes", {"title": "new"}),
        "get_record": Probe("GET", record),
        "put_record": Probe("PUT", record, {"title": WORDS["title"], "tag": WORDS["tag"]}),
        "patch_record": Probe("PATCH", record, {"more": 1}),
        "delete_record": Probe("DELETE", record),
        "list_records": Probe("GET", f"/records/{TEAM}/notes"),
        "write_batch": Probe(
            "POST",
            f"/records/{TEAM}",
            {"writes": [{"op": "patch", "collection": "notes", "id": note, "data": {"more": 2}}]},
        ),
        "list_changes": Probe("GET", f"/changes/{TEAM}"),
        "search": Probe("GET", f"/search?space={TEAM}&q={WORDS['title']}"),
        "search_structured": Probe("POST", "/search", {"space": TEAM, "q": WORDS["title"]}),
        "suggest": Probe("GET", f"/suggest?space={TEAM}&prefix={WORDS['title'][:4]}"),
    }[operation]


def team_note(api: Api, cast: Cast) -> str:
    """A new note in the team's space."""
    answer = api.ask(
        "POST",
        f"{PREFIX}/records/{TEAM}/notes",
        {"title": WORDS["title"], "tag": WORDS["tag"]},
        token=cast.roles["owner"].token,
    )
    assert answer.status == 201, answer
    note: str = answer.json["id"]
    return note


# -- the tests -----------------------------------------------------------------------------------

_everything = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
_unknown = pytest.mark.parametrize(
    "problem", ["nobody", "expired token", "garbled token", "changed token", "unsigned token",
                "other scheme"],
)  # fmt: skip


class Matrix:
    """Every operation by every caller. A subclass brings the fixtures `api` and `cast`."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls) -> Api:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def cast(cls) -> Cast:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, api: Api, cast: Cast) -> World:
        return build_world(api, cast.owner, OWNER)

    @pytest.fixture(scope="class")
    @classmethod
    def note(cls, api: Api, cast: Cast) -> str:
        """A note in the team's space, and in the index."""
        note = team_note(api, cast)
        api.settle()
        return note

    def test_no_operation_is_left_out(self) -> None:
        assert set(PROBES) == set(BY_NAME)
        assert set(ROLES) == {one.name for one in OPERATIONS if takes_space(one)}

    @_everything
    def test_its_owner(self, api: Api, operation: Operation) -> None:
        """So the requests are good ones, and show what is there."""
        login = f"{uuid.uuid4().hex}@example.com"
        world = build_world(api, new_user(api, login, PASSWORD), login)
        for probe in probes(operation, world):
            answer = probe.ask(api, world.owner.token)
            assert answer.status == probe.owner, (probe, answer)

    @_everything
    def test_another_user(self, world: World, operation: Operation) -> None:
        login = f"{uuid.uuid4().hex}@example.com"
        self.check_stranger(world, operation, new_user(world.api, login, PASSWORD))

    @_everything
    def test_a_guest(self, world: World, operation: Operation) -> None:
        self.check_stranger(world, operation, new_guest(world.api))

    def check_stranger(self, world: World, operation: Operation, stranger: Person) -> None:
        before = snapshot(world, {stranger.id})
        for probe in probes(operation, world):
            check_stranger(probe, world, stranger)
            if probe.method == "GET":
                head = replace(probe, method="HEAD").ask(world.api, stranger.token)
                assert (head.status, head.text) == (probe.stranger, ""), (probe, head)
        assert snapshot(world, {stranger.id}) == before

    @_unknown
    @_everything
    def test_whoever_cannot_be_told(
        self, world: World, cast: Cast, operation: Operation, problem: str
    ) -> None:
        before = snapshot(world, set())
        for probe in probes(operation, world):
            if "to" not in (probe.data or {}):
                check_nobody(probe, world, operation, bad_tokens(cast)[problem])
        assert snapshot(world, set()) == before

    @pytest.mark.parametrize("who", ["a user", "a guest"])
    def test_who_may_only_create_is_not_shown_what_became_of_it(
        self, world: World, who: str
    ) -> None:
        """Neither by reading it, nor by the same creation once more, nor by a batch."""
        api, owner = world.api, world.owner
        login = f"{uuid.uuid4().hex}@example.com"
        sender = new_guest(api) if who == "a guest" else new_user(api, login, PASSWORD)
        other = new_guest(api)
        id = str(uuid.uuid4())
        letters = f"/records/{owner.id}/letters"
        letter, one = {"text": "hello"}, f"{letters}/{id}"
        create = {"op": "create", "collection": "letters", "id": id, "data": letter}
        key = {"idempotency-key": id}
        again = Probe("POST", letters, letter, key)
        batch = Probe("POST", f"/records/{owner.id}", {"writes": [create]})
        first = again.ask(api, sender.token)
        assert first.status == 201, first

        def check(probe: Probe, person: Person, status: int) -> Answer:
            answer = probe.ask(api, person.token)
            assert answer.status == status, (probe, answer)
            check_hides(probe, world, answer)
            return answer

        noted = Probe("PATCH", one, {"note": WORDS["body"]}, {"if-match": first.etag})
        assert noted.ask(api, owner.token).status == 200
        repeated = check(again, sender, 201)
        assert (repeated.json, repeated.etag) == (first.json, first.etag)
        check(Probe("GET", one), sender, 404)
        check(Probe("POST", letters, {"text": "other"}, key), sender, 422)
        for person in (sender, other):
            check(batch, person, 409)
        check(again, other, 409)
        assert Probe("DELETE", one).ask(api, owner.token).status == 204
        check(again, sender, 410)
        check(batch, sender, 410)
        taken = {check(probe, other, 409).json["detail"] for probe in (again, batch)}
        assert taken == {"This id is taken."}

    def test_a_sign_up_for_a_login_that_is_there_changes_nothing(self, world: World) -> None:
        other = {"login": world.login, "password": "battery staple"}
        assert world.api.ask("POST", f"{PREFIX}/identity/sign-up", other).status == 202
        assert world.api.ask("POST", f"{PREFIX}/identity/sign-in", other).status == 401
        own = {**other, "password": PASSWORD}
        assert world.api.ask("POST", f"{PREFIX}/identity/sign-in", own).status == 200

    @pytest.mark.parametrize("role", ["owner", "writer", "reader"])
    @pytest.mark.parametrize("operation", ROLES)
    def test_members_of_a_shared_space(
        self, api: Api, cast: Cast, note: str, operation: str, role: str
    ) -> None:
        probe = team_probe(operation, team_note(api, cast))
        answer = probe.ask(api, cast.roles[role].token)
        assert answer.status == ROLES[operation][role], answer
        if probe.method == "GET":
            assert WORDS["title"] in answer.text, answer

    @pytest.mark.parametrize("who", ["removed", "a guest", "nobody"])
    @pytest.mark.parametrize("operation", ROLES)
    def test_whoever_is_not_a_member_of_a_shared_space(
        self, api: Api, cast: Cast, note: str, operation: str, who: str
    ) -> None:
        token = {
            "removed": cast.roles["removed"].token,
            "a guest": new_guest(api).token,
            "nobody": None,
        }[who]
        before = team_records(api, cast)
        answer = team_probe(operation, note).ask(api, token)
        assert answer.status == (401 if token is None else 404), answer
        shown = f"{answer.text} {dict(answer.headers)}"
        assert not any(word in shown for word in WORDS.values()), answer
        assert team_records(api, cast) == before

    @pytest.mark.parametrize(
        ("who", "sees"),
        [("owner", True), ("writer", True), ("reader", True), ("removed", False)],
    )
    def test_a_search_of_everything_finds_the_shared_space_for_its_members(
        self, api: Api, cast: Cast, note: str, who: str, *, sees: bool
    ) -> None:
        token = cast.roles[who].token
        path = f"{PREFIX}/search?q={WORDS['title']}&facet=tag&limit=100"
        api.settle()
        found = api.ask("GET", path, token=token).json
        words = api.ask("GET", f"{PREFIX}/suggest?prefix={WORDS['title'][:4]}", token=token).json
        if sees:
            assert note in [hit["record"]["id"] for hit in found["hits"]]
            assert found["total"] == len(found["hits"]) == found["facets"]["tag"][0]["count"]
            assert [one["text"] for one in words["items"]] == [WORDS["title"]]
        else:
            check_nothing_found(found)
            check_nothing_found(words)


def team_records(api: Api, cast: Cast) -> Any:
    """Everything in the team's space."""
    token = cast.roles["owner"].token
    return api.ask("GET", f"{PREFIX}/changes/{TEAM}", token=token).json["items"]
