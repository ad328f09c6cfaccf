"""The emulated domain: it holds the state, and answers what the server hands on."""

from __future__ import annotations

import base64
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from homeport.testing.cloudsearch import document_service
from homeport.testing.cloudsearch.analysis import AnalysisScheme
from homeport.testing.cloudsearch.configuration import Configuration
from homeport.testing.cloudsearch.errors import BatchRefused, SearchRefused
from homeport.testing.cloudsearch.faults import Fault, Faults, Service
from homeport.testing.cloudsearch.index import Index, Order
from homeport.testing.cloudsearch.schema import Field, Schema
from homeport.testing.cloudsearch.search import search
from homeport.testing.cloudsearch.server import Server
from homeport.testing.cloudsearch.suggestions import Suggesters
from homeport.testing.cloudsearch.wire import (
    Reply,
    Request,
    front_refusal,
    parameters,
    reply,
    routing_failure,
)

MAX_LINE: Final = 8190
"""Bytes of the first line of a search that is sent with GET."""

_API: Final = "/2013-01-01/"
_SERVICES: Final[Mapping[str, Service]] = {
    "/": "configuration",
    f"{_API}documents/batch": "documents",
    f"{_API}search": "search",
    f"{_API}suggest": "suggest",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came in, and how it was answered; status 0 where it was not."""

    service: Service | None
    method: str
    parameters: Mapping[str, str]
    size: int
    """Bytes of the body."""
    status: int


class CloudSearchEmulator:
    """One domain on 127.0.0.1, at `endpoint`, for documents, searches and its configuration.

    `fields`: name -> type or `Field`; a name with `*` at an end is a dynamic field.
    `delay`: seconds until what was uploaded is visible. `order`: of the changes of one id in one
    second, see `Order`; `seed` draws it. `replicas`: take turns in answering searches, each
    behind the one before it by `delay`. `clock`: seconds since 1970. `suggesters`: name -> text
    field. `schemes`: analysis schemes besides the built-in ones. `indexing_time`: seconds that
    indexing the domain takes.
    """

    def __init__(
        self,
        fields: Mapping[str, str | Field],
        *,
        delay: float = 0.2,
        order: Order = "drawn",
        seed: int = 0,
        replicas: int = 1,
        clock: Callable[[], float] = time.time,
        suggesters: Mapping[str, str] | None = None,
        schemes: Mapping[str, AnalysisScheme] | None = None,
        name: str = "homeport",
        indexing_time: float = 0.0,
    ) -> None:
        schema = Schema.of(fields, schemes)
        self.configuration: Final = Configuration(name, schema, indexing_time)
        self._suggesters = Suggesters(suggesters or {}, schema)
        self._index = Index(delay, order, seed, replicas)
        self._replicas = replicas
        self._searches = 0
        self._faults = Faults()
        self._clock = clock
        self._ahead = 0.0
        self._ids = random.Random(seed)
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._server: Server | None = None
        self._seen: list[Seen] = []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> Self:
        if self._server is None:
            self._stopping.clear()
            self._server = Server(self._answer)
            self.configuration.endpoint = self.endpoint
        return self

    def stop(self) -> None:
        """End every connection. What was uploaded is still there after another `start`."""
        server, self._server = self._server, None
        if server:
            self._stopping.set()
            server.stop()

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:port`, for `endpoint_url` of both of boto3's clients."""
        if self._server is None:
            raise RuntimeError("the emulator is not started")
        return self._server.endpoint

    @property
    def now(self) -> float:
        """Seconds since 1970, by the domain's clock."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the domain's clock, which goes on from there."""
        with self._guard:
            self._ahead += seconds
            self._progress()

    def settle(self) -> None:
        """Move the clock until all is visible, indexing is done and another second has begun.

        It moves by whole seconds, so that they go on beginning when those of `clock` do.
        """
        with self._guard:
            wait = max(self._index.lag, self.configuration.remaining(self.now))
            self._ahead += math.floor(wait) + 1
            self._progress()

    def documents(self) -> dict[str, dict[str, list[str]]]:
        """What the first replica shows by now: id -> field -> values, as replies write them."""
        with self._guard:
            return {
                one.id: {name: one.rendered(name) for name in one.values}
                for one in self._index.visible(self.now)
            }

    def index_documents(self) -> None:
        """Index the domain, as `IndexDocuments` does: suggesters see what is there now."""
        with self._guard:
            self.configuration.index_documents(self._index, self.now)
            self._progress()

    def _progress(self) -> None:
        if self.configuration.progress(self.now):
            self._suggesters.build(self._index.visible(self.now))

    @property
    def requests(self) -> list[Seen]:
        """Every request so far, those that failed on demand too."""
        with self._guard:
            return list(self._seen)

    def fail(self, status: int, *, on: Service = "documents", times: int = 1) -> None:
        """Refuse the next requests with a status: 507 and 509 are overload, 503 is out."""
        self._faults.add(on, Fault(status=status), times)

    def drop(self, *, on: Service = "documents", times: int = 1, after: bool = False) -> None:
        """Break the connections of the next requests; `after`: what they asked for is done."""
        self._faults.add(on, Fault(drop="after" if after else "before"), times)

    def slow(self, seconds: float, *, on: Service = "documents", times: int = 1) -> None:
        """Answer the next requests later, by so many real seconds."""
        self._faults.add(on, Fault(delay=seconds), times)

    def heal(self) -> None:
        """Take back the failures that have not happened yet."""
        self._faults.clear()

    def _answer(self, request: Request) -> Reply | None:
        service = _SERVICES.get(request.path)
        fault = self._faults.take(service) if service else Fault()
        if fault.delay:
            self._stopping.wait(fault.delay)
        answer: Reply | None
        if fault.drop == "before":
            answer = None
        elif fault.status is not None:
            answer = routing_failure(fault.status, "it is so on demand")
        else:
            with self._guard:
                answer = self._serve(service, request)
        if fault.drop:
            answer = None
        with self._guard:
            size = len(request.body or b"")
            status = answer.status if answer else 0
            self._seen.append(Seen(service, request.method, _told(request), size, status))
        return answer

    def _serve(self, service: Service | None, request: Request) -> Reply:
        now = self.now
        self._progress()
        match service:
            case None:
                return front_refusal(404, "IncorrectPath", f"There is no {request.path}")
            case "configuration":
                return self.configuration.answer(request, self.index_documents, now)
            case "documents":
                return self._upload(request, now)
            case "search" | "suggest":
                return self._ask(service, request, now)

    def _upload(self, request: Request, now: float) -> Reply:
        refused = document_service.refused_by_front(request)
        if refused:
            return refused
        try:
            changes = document_service.read(request, self.configuration.deployed)
        except BatchRefused as exc:
            return document_service.refused(exc)
        self._index.receive(changes, now)
        return document_service.accepted(changes)

    def _ask(self, service: Service, request: Request, now: float) -> Reply:
        if request.method not in {"GET", "POST"}:
            return front_refusal(405, "InvalidHttpMethod", "Searches are got or posted")
        if request.method == "POST" and request.body is None:
            return front_refusal(411, "NoContentLength", "The Content-Length header is missing")
        if request.line > MAX_LINE:
            return front_refusal(413, "RequestTooLarge", f"More than {MAX_LINE} bytes: use POST")
        rid = base64.b64encode(self._ids.randbytes(11)).decode()
        given: Mapping[str, str] = {}
        try:
            given = parameters(request.query, _form(request))
            answer = self._found(service, given, now)
        except SearchRefused as exc:
            return _refused(rid, str(exc))
        time_name = "timems" if given.get("format") == "sdk" else "time-ms"
        status = {"rid": rid, time_name: 1}
        return reply(200, {"status": status, **answer}, pretty=given.get("pretty") == "true")

    def _found(self, service: Service, given: Mapping[str, str], now: float) -> dict[str, object]:
        if service == "suggest":
            return self._suggesters.suggest(given)
        replica = self._searches % self._replicas
        self._searches += 1
        documents = self._index.visible(now, replica)
        return search(given, self.configuration.deployed, documents, now)


def _form(request: Request) -> str:
    if request.method == "GET" or not request.body:
        return ""
    if request.headers.get_content_type() != "application/x-www-form-urlencoded":
        raise SearchRefused("A search that is posted is a form")
    try:
        return request.body.decode("ascii")
    except UnicodeDecodeError as exc:
        raise SearchRefused("InvalidQueryString: special characters are encoded") from exc


def _refused(rid: str, message: str) -> Reply:
    inner = {"rid": rid, "message": f"[*Deprecated*: Use the outer message field] {message}"}
    return reply(400, {"__type": "#SearchException", "error": inner, "message": message})


def _told(request: Request) -> Mapping[str, str]:
    try:
        return parameters(request.query, _form(request))
    except SearchRefused:
        return {}
