"""Requests that come while too many are inside."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import cast

import pytest

from homeport.entrypoints.local.admission import Admission
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.metrics import RequestCounts


@dataclass
class Request:
    """Takes one answer."""

    path: str = "/v1/health"
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    sent: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def answer(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        assert self.status == 0, "it was answered already"
        self.status, self.sent, self.body = status, dict(headers), body


class House:
    """An admission, who was let in, and how many it believes are inside."""

    def __init__(self, origins: tuple[str, ...] = ("*",)) -> None:
        self.entered: list[Incoming] = []
        self.inside = 0
        self.counts = RequestCounts()
        self.admission = Admission(
            self.entered.append, lambda: self.inside, 3, Cors(origins), self.counts
        )

    def receive(self, request: Request) -> Request:
        self.admission.receive(cast(Incoming, request))
        return request


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
    one, two = (house.receive(Request('/v1/sp\N{SNOWMAN}ce/a"b')) for _ in range(2))
    assert one.sent["retry-after"] == "1"
    assert one.sent["content-type"] == "application/problem+json"
    assert json.loads(one.body) == {
        "type": "urn:homeport:problem:overloaded",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Too many requests are waiting. Try again in a moment.",
        "instance": "/v1/sp%E2%98%83ce/a%22b",
        "request_id": one.sent["x-request-id"],
    }
    assert one.sent["x-request-id"] != two.sent["x-request-id"]


def test_a_page_of_another_origin_may_read_it() -> None:
    house = House(("https://app.example",))
    house.inside = 3
    answer = house.receive(Request(headers={"origin": "https://app.example"}))
    assert answer.sent["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in house.receive(Request()).sent


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
