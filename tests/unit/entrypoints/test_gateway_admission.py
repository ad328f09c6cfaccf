"""Requests that come while too many are inside."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from homeport.entrypoints.local.admission import LEAST, LONG_TURN, MORE, OVER_SECONDS, Admission
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.metrics import Counts


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

    def __init__(self, origins: tuple[str, ...] = ("*",), most: int = 3) -> None:
        self.entered: list[Incoming | Call] = []
        self.inside = 0
        self.now = 0.0
        self.counts = Counts()
        self.admission = Admission(
            self.entered.append,
            lambda: self.inside,
            most,
            Cors(origins),
            self.counts,
            lambda: self.now,
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


def test_processes_share_the_room() -> None:
    house = House(most=5)
    house.admission.share(2)
    house.inside = 2
    assert house.receive(Request()).status == 0
    house.inside = 3
    assert house.receive(Request()).status == 503
    house.admission.share(1)
    house.now += OVER_SECONDS
    house.inside = 4
    assert house.receive(Request()).status == 0, "the other has ended"


class TestAFlood:
    """A hundred may be inside."""

    def refuse(self, house: House, turns: int, seconds: float) -> None:
        """More than ever come, in turns of the loop that take so long."""
        house.inside = 100
        for _ in range(turns):
            house.now += seconds
            for _ in range(2):
                assert house.receive(Request()).status == 503

    def room(self, house: House) -> int:
        """How many may be inside, as one sees from outside who does not ask twice."""
        for house.inside in range(101):
            if house.receive(Request()).status == 503:
                break
        return house.inside

    def test_fewer_are_let_in_where_turns_are_long(self) -> None:
        house = House(most=100)
        self.refuse(house, 4, LONG_TURN * 1.1)
        assert self.room(house) == 73, "100, 90, 81, 73: the first turn is nobody's measure"

    def test_the_fewer_the_longer_they_are_but_half_at_the_least(self) -> None:
        house = House(most=100)
        self.refuse(house, 2, LONG_TURN * 1.25)
        assert self.room(house) == 80
        self.refuse(house, 1, LONG_TURN * 20)
        assert self.room(house) == 40

    def test_but_no_fewer_than_share_a_commit(self) -> None:
        house = House(most=100)
        self.refuse(house, 100, LONG_TURN * 1.1)
        assert self.room(house) == LEAST

    def test_more_again_where_they_are_short(self) -> None:
        house = House(most=100)
        self.refuse(house, 100, LONG_TURN * 1.1)
        self.refuse(house, 10, LONG_TURN / 2)
        assert self.room(house) == LEAST + 10 * MORE
        self.refuse(house, 100, LONG_TURN / 2)
        assert self.room(house) == 100

    def test_as_many_as_ever_once_it_is_over(self) -> None:
        house = House(most=100)
        self.refuse(house, 100, LONG_TURN * 1.1)
        house.now += OVER_SECONDS
        assert self.room(house) == 100

    def test_a_refusal_now_and_then_is_no_long_turn(self) -> None:
        house = House(most=100)
        for _ in range(20):
            self.refuse(house, 1, LONG_TURN / 2)
            house.inside = 0
            for _ in range(10):
                house.now += LONG_TURN / 2
                assert house.receive(Request()).status == 0
        assert self.room(house) == 100

    def test_a_small_bound_is_kept(self) -> None:
        house = House(most=3)
        self.refuse(house, 100, LONG_TURN * 1.1)
        assert self.room(house) == 3


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


def test_another_process_is_let_in_and_refused_as_a_client_is() -> None:
    house, answers, results = House(), list[dict[str, Any]](), list[dict[str, Any]]()
    event = {"requestContext": {"requestId": "r1"}, "rawPath": "/v1/here"}
    for house.inside in (2, 3):
        house.admission.receive_call(Call("records", event, answers.append, results.append))
    assert len(house.entered) == 1
    assert answers == []
    (refused,) = results
    assert refused["statusCode"] == 503
    assert int(refused["headers"]["retry-after"]) >= 1
    assert "r1" in refused["body"]
    assert house.counts.refused == 0, "the process that has the connection counts it"


def test_what_another_process_refuses_is_refused_at_the_door_from_then_on() -> None:
    house = House(most=200)
    house.inside, house.now = 100, 1.0
    for _ in range(5):
        house.admission.refused_beyond()
    assert house.receive(Request()).status == 503, "there were a hundred, and some were too many"
    house.inside = 89
    assert house.receive(Request()).status == 0, "one turn counts once"
    house.now = 2.0 + OVER_SECONDS
    house.inside = 199
    assert house.receive(Request()).status == 0, "it is over"


def test_so_many_may_always_ask_another_process() -> None:
    house = House(most=200)
    for turn in range(100):
        house.inside, house.now = LEAST, 1.0 + turn / 1000
        house.admission.refused_beyond()
    house.inside = LEAST - 1
    assert house.receive(Request()).status == 0
