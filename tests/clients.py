"""Clients for tests: one request, one answer, nothing tried again and nothing raised for a status.

`Client` speaks HTTP; `InProcess` gives the same requests to the Lambda handlers, as events.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from urllib.parse import unquote

from homeport.container import Backend
from homeport.entrypoints import operations
from homeport.entrypoints.lambdas.authorizer import authorize
from homeport.entrypoints.local.app import handlers_of
from homeport.entrypoints.local.events import build_event
from homeport.entrypoints.local.routes import Router

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_SECONDS = 30.0
_POLL = 0.02
"""Seconds between looks at whether a server has caught up: looking is work for it too."""


class Lost(Exception):
    """No whole answer came: what was asked may or may not have happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an access token."""

    id: str
    token: str


class Api(Protocol):
    """How a test asks. `data` becomes the JSON body, a merge patch where the method is PATCH."""

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer: ...

    def settle(self) -> None:
        """Wait until the index and the messages have caught up."""
        ...


def request_parts(
    method: str, data: Any, token: str | None, headers: Mapping[str, str] | None
) -> tuple[bytes | None, dict[str, str]]:
    """The body and headers of a request. `token` may bring a scheme of its own."""
    sent = dict(headers or {})
    body = None
    if data is not None:
        body = json.dumps(data, separators=(",", ":")).encode()
        sent.setdefault("content-type", MERGE_PATCH if method == "PATCH" else JSON)
    if token is not None:
        sent["authorization"] = token if " " in token else f"Bearer {token}"
    return body, sent


class Client:
    """One connection, kept alive, for one thread. `token` is whose requests these are."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=_SECONDS)
        self._token = token

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises Lost."""
        body, sent = request_parts(method, data, token or self._token, headers)
        try:
            self._connection.request(method, path, body, sent)
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Lost(f"{method} {path}: {error!r}") from error
        return Answer(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
        )

    def settle(self, seconds: float = 30.0, token: str | None = None) -> None:
        """Wait until the pumps of the server are idle."""
        token = token or self._token or new_guest(self).token
        until = time.monotonic() + seconds
        while True:
            answer = self.ask("GET", "/local/status", token=token)
            assert answer.status == 200, answer
            status = answer.json
            if status["idle"]:
                return
            if time.monotonic() > until:
                raise AssertionError(f"the server has not caught up in {seconds:g} s: {status}")
            time.sleep(_POLL)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InProcess:
    """A backend's handlers, called with the events that the gateway would build."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._handlers = handlers_of(backend)
        self._router = Router(operations.routes())

    def ask(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        body, sent = request_parts(method, data, token, headers)
        raw, _, query = path.partition("?")
        raw = unquote(raw)
        route, parameters = self._router.match(method, raw)
        event = build_event(
            route_key=route.key,
            method=method,
            path=raw,
            query=query,
            http_version="1.1",
            headers=sent,
            path_parameters=parameters,
            body=body,
            address="127.0.0.1",
            authorizer=authorize(self._backend.identity_provider, sent.get("authorization")),
            request_id="in-process",
            milliseconds=self._backend.clock.now() // 1000,
            time_text="",
        )
        result = self._handlers[route.function](event, None)
        text = "" if method == "HEAD" else result.get("body", "")
        return Answer(result["statusCode"], result.get("headers", {}), text)

    def settle(self) -> None:
        backend = self._backend
        while (
            backend.feed.deliver("indexing", backend.indexing.consume)
            + backend.feed.deliver("messaging", backend.messages.watch)
            + backend.queue.deliver(backend.messages.work)
        ):
            pass


def new_guest(api: Api) -> Person:
    """Somebody new, not signed in."""
    session = api.ask("POST", "/v1/identity/guest").json
    return Person(session["identity"]["id"], session["access_token"])


def new_user(api: Api, login: str, password: str = "correct horse") -> Person:
    """Somebody with an account, signed in."""
    account = {"login": login, "password": password}
    assert api.ask("POST", "/v1/identity/sign-up", account).status == 202
    session = api.ask("POST", "/v1/identity/sign-in", account).json
    return Person(session["identity"]["id"], session["access_token"])
