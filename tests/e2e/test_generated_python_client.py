"""A client that `openapi-python-client` makes of the running server's document, at work."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from tests.servers import Server, serving

T = TypeVar("T")

_GENERATOR = Path(sys.executable).with_name("openapi-python-client")
_PACKAGE = "generated_homeport_client"
_SECONDS = 60
NOTES = (
    {"title": "Reading a file", "body": "open() gives a file.", "kind": "function", "lines": 12},
    {"title": "Sockets", "body": "connect() speaks to others.", "kind": "class", "lines": 240},
    {"title": "Threads", "body": "A thread shares memory.", "kind": "class", "lines": 90},
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("generated") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def package(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The generated package, whole: what the generator cannot use is a failure."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yaml").write_text("post_hooks: []\n")
    made = folder / _PACKAGE
    done = subprocess.run(
        [
            _GENERATOR,
            "generate",
            *("--url", f"{server.url}/v1/openapi.json"),
            *("--config", folder / "config.yaml"),
            *("--meta", "none"),
            *("--output-path", made),
            "--fail-on-warning",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield made
    sys.path.remove(str(folder))
    for name in [one for one in sys.modules if one.partition(".")[0] == _PACKAGE]:
        del sys.modules[name]


class Api:
    """The generated client of one caller. `token` is None for nobody."""

    def __init__(self, url: str, token: str | None = None) -> None:
        client = importlib.import_module(f"{_PACKAGE}.client")
        self.models = importlib.import_module(f"{_PACKAGE}.models")
        if token is None:
            self._client = client.Client(url)
        else:
            self._client = client.AuthenticatedClient(url, token)

    def close(self) -> None:
        self._client.get_httpx_client().close()

    def answer(self, operation: str, *arguments: str, **named: Any) -> Any:
        """The generated `Response`: status_code, headers, parsed. `operation` is tag.name."""
        module: ModuleType = importlib.import_module(f"{_PACKAGE}.api.{operation}")
        return module.sync_detailed(*arguments, client=self._client, **named)

    def call(self, operation: str, *arguments: str, **named: Any) -> Any:
        """What an operation brought."""
        answer = self.answer(operation, *arguments, **named)
        assert answer.status_code < 300, answer.content
        return answer.parsed


def guest(url: str) -> tuple[str, Api]:
    with closing(Api(url)) as nobody:
        session = nobody.call("identity.create_guest")
    return session.identity.id, Api(url, session.access_token)


def wait_for(look: Callable[[], T | None]) -> T:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("the backend has not caught up")


def test_every_operation_is_generated(server: Server, package: Path) -> None:
    from homeport.entrypoints.operations import OPERATIONS

    made = {path.stem for path in package.glob("api/*/*.py")} - {"__init__"}
    assert made == {one.name for one in OPERATIONS}


def test_a_generated_client_tells_the_story(server: Server, package: Path) -> None:
    ada, hers = guest(server.url)
    grace, theirs = guest(server.url)
    with closing(hers), closing(theirs):
        tell(ada, hers, grace, theirs)


def tell(ada: str, hers: Api, grace: str, theirs: Api) -> None:
    """Ada's notes, found, listed and changed; and her message to Grace."""
    models = hers.models
    data_of = models.RecordData.from_dict
    assert hers.call("identity.who_am_i").kind == "guest"

    for number, data in enumerate(NOTES):
        put = hers.answer("records.put_record", "me", "notes", f"n{number}", body=data_of(data))
        assert put.status_code == 201
        assert put.parsed.data.to_dict() == data

    def found() -> Any:
        asked = {"collection": "notes", "sort": "-lines", "facet": ["kind"]}
        result = hers.call("search.search", space="me", highlight=["title"], **asked)
        return result if result.total == len(NOTES) else None

    result = wait_for(found)
    assert [hit.record.id for hit in result.hits] == ["n1", "n2", "n0"]
    counts = result.facets.additional_properties["kind"]
    assert [(one.value, one.count) for one in counts] == [("class", 2), ("function", 1)]
    structured = models.SearchBody(q="reading", highlight=["title"])
    (hit,) = hers.call("search.search_structured", body=structured).hits
    assert "<em>" in hit.highlights.additional_properties["title"][0]
    assert theirs.call("search.search", q="reading").total == 0

    page = hers.call("records.list_records", "me", "notes", limit=2)
    assert [one.id for one in page.items] == ["n0", "n1"]
    rest = hers.call("records.list_records", "me", "notes", limit=2, cursor=page.cursor)
    assert [one.id for one in rest.items] == ["n2"]

    note = ("me", "notes", "n0")
    tag = hers.answer("records.get_record", *note).headers["etag"]
    same = hers.answer("records.get_record", *note, if_none_match=tag)
    assert same.status_code == 304
    patch = models.RecordPatch.from_dict({"lines": 13, "kind": None})
    patched = hers.call("records.patch_record", *note, body=patch, if_match=tag)
    assert patched.data.to_dict() == {
        "title": NOTES[0]["title"],
        "body": NOTES[0]["body"],
        "lines": 13,
    }
    late = hers.answer("records.patch_record", *note, body=patch, if_match=tag)
    assert (late.status_code, late.parsed.status) == (412, 412)
    assert late.parsed.type_ == "urn:homeport:problem:version-mismatch"

    phone = {"platform": "apns", "environment": "sandbox", "token": "0a1b2c3d" * 8}
    theirs.call("messages.put_device", "phone", body=models.DeviceBody.from_dict(phone))
    (device,) = theirs.call("messages.list_devices").items
    assert (device.id, device.platform) == ("phone", "apns")

    message = {"to": [grace], "title": "A note for you", "text": "Read it?", "data": {"note": 0}}
    sent = hers.call(
        "messages.send_message",
        body=models.MessageBody.from_dict(message),
        idempotency_key=str(uuid.uuid4()),
    )
    assert sent.state == "queued"

    def delivered() -> Any:
        items = theirs.call("records.list_records", "me", "inbox").items
        return next((one for one in items if one.data["message"] == sent.id), None)

    arrived = wait_for(delivered)
    assert (arrived.data["from"], arrived.data["title"]) == (ada, "A note for you")
    assert wait_for(lambda: _accepted(hers, sent.id)) == "accepted"


def _accepted(api: Api, message: str) -> str | None:
    state = str(api.call("messages.get_message", message).state)
    return None if state == "queued" else state
