"""Requests that come while too many are inside."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import cast

import pytest

from homeport.entrypoints.local.admission import Admission
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.exchange import COMMON
from homeport.entrypoints.local.listener import Incoming
from homeport.entrypoints.local.metrics import RequestCounts


@dataclass
class Scope:
    path: str = "/v1/health"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Sent:
    """Takes one answer, and reads no body: a call of it would fail."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        assert self.status == 0, "it was answered already"
        self.status, self.headers, self.body = status, dict(headers), body


@dataclass
class Request:
    scope: Scope = field(default_factory=Scope)
    proto: Sent = field(default_factory=Sent)


class House:
    """An admission, who was let in, and how many it believes are inside."""

    def __init__(self, origins: tuple[str, ...] = ("*",)) -> None:
        self.entered: list[Incoming] = []
        self.inside = 0
        self.counts = RequestCounts()
        self.admission = Admission(
            self.entered.append, lambda: self.inside, 3, Cors(origins), self.counts
        )

    def receive(self, request: Request) -> Sent:
        self.admission.receive(cast(Incoming, request))
        return request.proto


def test_there_is_room_below_the_bound_alone() -> None:
    house = House()
    for house.inside in (0, 2):
        assert house.receive(Request()).status == 0
    assert len(house.entered) == 2
    for house.inside in (3, 4):
        assert house.receive(Request()).status == 503
    assert (len(house.entered), house.counts.refused) == (2, 2)
    house.inside = 2
    assert house.receive(Request()).status == 0, "as soon as there is room again"


def test_a_refusal_is_a_problem_document_that_says_when_to_come_back() -> None:
    house = House()
    house.inside = 3
    one, two = (house.receive(Request(Scope('/v1/sp\N{SNOWMAN}ce/a"b'))) for _ in range(2))
    assert one.headers["retry-after"] == "1"
    assert one.headers["content-type"] == "application/problem+json"
    assert COMMON[0][1] == one.headers["server"]
    assert json.loads(one.body) == {
        "type": "urn:homeport:problem:overloaded",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Too many requests are waiting. Try again in a moment.",
        "instance": "/v1/sp%E2%98%83ce/a%22b",
        "request_id": one.headers["x-request-id"],
    }
    assert one.headers["x-request-id"] != two.headers["x-request-id"]


def test_a_page_of_another_origin_may_read_it() -> None:
    house = House(("https://app.example",))
    house.inside = 3
    answer = house.receive(Request(Scope(headers={"origin": "https://app.example"})))
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in house.receive(Request()).headers


def test_the_log_tells_of_a_flood_and_not_of_each_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    house.inside = 3
    with caplog.at_level(logging.WARNING, "homeport.gateway"):
        for _ in range(50):
            house.receive(Request())
    assert [one.getMessage() for one in caplog.records] == [
        "too many requests at once: 1 refused so far"
    ]
