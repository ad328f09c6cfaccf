"""When the emulated CloudSearch shows a change, which of several wins, and how it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import RemoteDisconnected

import pytest

from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.cloudsearch_requests import (
    BATCH,
    BIRTHDAY,
    add,
    ask,
    client,
    found,
    search,
    started,
    upload,
)

FIELDS = {"title": "text", "year": "int"}
ORDERS = ("drawn", "reversed", "arrival")


@pytest.fixture
def domain() -> Iterator[CloudSearchEmulator]:
    with started(FIELDS) as domain:
        yield domain


def put(domain: CloudSearchEmulator, title: str, id: str = "a1") -> None:
    batch = [{"type": "add", "id": id, "fields": {"title": title}}]
    assert upload(domain, batch).status == 200


def shown(domain: CloudSearchEmulator, id: str = "a1") -> list[str] | None:
    return domain.documents().get(id, {}).get("title")


def test_a_change_is_visible_only_after_a_delay(domain: CloudSearchEmulator) -> None:
    put(domain, "One")
    assert found(domain, "matchall") == []
    domain.advance(0.199)
    assert found(domain, "matchall") == []
    domain.advance(0.002)
    assert found(domain, "matchall") == ["a1"]


def test_a_deleted_document_is_found_until_then(domain: CloudSearchEmulator) -> None:
    add(domain, "a1", title="One")
    assert upload(domain, [{"type": "delete", "id": "a1"}]).status == 200
    assert found(domain, "matchall") == ["a1"]
    domain.settle()
    assert found(domain, "matchall") == []


def test_the_delay_is_a_setting() -> None:
    with started(FIELDS, delay=60.0) as domain:
        put(domain, "One")
        domain.advance(59)
        assert shown(domain) is None
        domain.settle()
        assert shown(domain) == ["One"]


def test_by_default_a_change_becomes_visible_in_real_time() -> None:
    with CloudSearchEmulator(FIELDS, delay=0.05) as domain:
        put(domain, "One")
        until = time.monotonic() + 10
        while not domain.documents():
            assert time.monotonic() < until
        assert abs(domain.now - time.time()) < 5


def within_a_second(domain: CloudSearchEmulator, *titles: str) -> None:
    for title in titles:
        put(domain, title)
        domain.advance(0.01)


def test_within_a_second_any_change_may_be_the_last() -> None:
    winners = set()
    for seed in range(20):
        with started(FIELDS, seed=seed) as domain:
            within_a_second(domain, "One", "Two", "Three")
            domain.settle()
            winners.add(str(shown(domain)))
    assert winners == {"['One']", "['Two']", "['Three']"}


def test_a_seed_draws_the_same_again() -> None:
    drawn = []
    for _ in range(2):
        with started(FIELDS, seed=7) as domain:
            for nth in range(30):
                put(domain, "One", f"a{nth}")
                put(domain, "Two", f"a{nth}")
            domain.settle()
            drawn.append(domain.documents())
    assert drawn[0] == drawn[1]
    titles = [document["title"] for document in drawn[0].values()]
    assert 5 < titles.count(["One"]) < 25


def test_within_a_batch_there_is_no_order_either() -> None:
    batch = [
        {"type": "add", "id": "a1", "fields": {"title": "One"}},
        {"type": "delete", "id": "a1"},
    ]
    with started(FIELDS, order="reversed") as domain:
        assert upload(domain, batch).status == 200
        domain.settle()
        assert shown(domain) == ["One"]


def test_reversed_makes_the_first_change_of_a_second_the_last() -> None:
    with started(FIELDS, order="reversed", delay=0.0) as domain:
        within_a_second(domain, "One", "Two", "Three")
        assert shown(domain) == ["One"]
        domain.settle()
        assert shown(domain) == ["One"]


def test_arrival_keeps_the_order() -> None:
    with started(FIELDS, order="arrival") as domain:
        within_a_second(domain, "One", "Two", "Three")
        domain.settle()
        assert shown(domain) == ["Three"]


@pytest.mark.parametrize("order", ORDERS)
def test_a_later_second_always_wins(order: str) -> None:
    with started(FIELDS, order=order) as domain:
        for title in ("One", "Two", "Three"):
            put(domain, title)
            domain.advance(1.0)
        domain.settle()
        assert shown(domain) == ["Three"]


@pytest.mark.parametrize("order", ORDERS)
def test_what_comes_after_settling_wins(order: str) -> None:
    with started(FIELDS, order=order) as domain:
        for nth in range(20):
            put(domain, f"Nr. {nth}")
            domain.settle()
            assert shown(domain) == [f"Nr. {nth}"]


def test_different_documents_do_not_disturb_each_other() -> None:
    with started(FIELDS, order="reversed") as domain:
        put(domain, "One", "a1")
        put(domain, "Two", "a2")
        domain.settle()
        assert (shown(domain, "a1"), shown(domain, "a2")) == (["One"], ["Two"])


def test_settling_moves_by_whole_seconds(domain: CloudSearchEmulator) -> None:
    assert domain.now == BIRTHDAY
    domain.settle()
    assert domain.now == BIRTHDAY + 1
    with started(FIELDS, delay=2.0) as slow:
        slow.settle()
        assert slow.now == BIRTHDAY + 3


def test_replicas_are_consistent_only_in_the_end() -> None:
    with started(FIELDS, replicas=2, delay=1.0) as domain:
        put(domain, "One")
        domain.advance(1.5)
        assert [found(domain, "matchall") for _ in range(4)] == [["a1"], [], ["a1"], []]
        domain.settle()
        assert [found(domain, "matchall") for _ in range(2)] == [["a1"], ["a1"]]


@pytest.mark.parametrize("status", [503, 507, 509])
def test_overload_is_answered_on_demand(domain: CloudSearchEmulator, status: int) -> None:
    domain.fail(status, times=2)
    batch = [{"type": "add", "id": "a1", "fields": {"title": "One"}}]
    answers = [upload(domain, batch) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert answers[0].text.startswith("<error>")
    boto = client(domain)
    domain.fail(status, on="search")
    with pytest.raises(boto.exceptions.ClientError) as raised:
        boto.search(query="x")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert search(domain, "x").status == 200


def test_what_failed_was_not_done(domain: CloudSearchEmulator) -> None:
    domain.fail(507)
    assert upload(domain, [{"type": "add", "id": "a1", "fields": {"title": "One"}}]).status == 507
    domain.settle()
    assert domain.documents() == {}


@pytest.mark.parametrize("after", [False, True])
def test_connections_break_on_demand(domain: CloudSearchEmulator, *, after: bool) -> None:
    domain.drop(after=after)
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        put(domain, "One")
    domain.settle()
    assert shown(domain) == (["One"] if after else None)
    assert domain.requests[-1].status == 0


def test_answers_are_slow_on_demand(domain: CloudSearchEmulator) -> None:
    domain.slow(0.1, on="search")
    began = time.monotonic()
    assert search(domain, "x").status == 200
    assert time.monotonic() - began >= 0.1


def test_faults_that_have_not_happened_can_be_taken_back(domain: CloudSearchEmulator) -> None:
    domain.fail(507, times=10)
    domain.heal()
    put(domain, "One")


def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    domain = CloudSearchEmulator(FIELDS).start()
    boto = client(domain)
    boto.search(query="x")  # a connection that is kept
    began = time.monotonic()
    domain.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(RuntimeError):
        _ = domain.endpoint


def test_what_was_uploaded_outlives_a_restart() -> None:
    domain = CloudSearchEmulator(FIELDS)
    with domain:
        put(domain, "One")
    with domain:
        domain.settle()
        assert shown(domain) == ["One"]


def test_requests_are_told_for_assertions(domain: CloudSearchEmulator) -> None:
    put(domain, "One")
    search(domain, "one", fq="year:1")
    ask(domain, "GET", "/nowhere")
    told = [(one.service, one.method, one.status) for one in domain.requests]
    assert told == [("documents", "POST", 200), ("search", "POST", 200), (None, "GET", 404)]
    assert domain.requests[1].parameters["fq"] == "year:1"
    assert domain.requests[0].size > 0


def test_nothing_else_is_at_the_endpoint(domain: CloudSearchEmulator) -> None:
    assert ask(domain, "POST", f"{BATCH}/more", b"[]").status == 404
