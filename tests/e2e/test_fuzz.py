"""A sample of hostile requests. `python -m tests.fuzzing` sends as many as one likes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz_requests import Maker, World
from tests.fuzzing import ENOUGH, Malformed, Mark, Reply, Run, fault_of, grown, take
from tests.servers import serving

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "6000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SECRETS = {"record": b"hush"}
PROBLEM = {"server": "homeport", "content-type": "application/problem+json"}


def test_hostile_requests_do_no_harm(tmp_path: Path, figures: Callable[[str], None]) -> None:
    with serving(tmp_path / "data") as server:
        report = Run(server, SEED, 0, REQUESTS).run()
        assert server.process.poll() is None
    figures(f"seed {SEED}: {report}")
    shown = "\n".join(str(fault) for fault in report.faults)
    assert not report.faults, f"seed {SEED}: {report}\n{shown}"
    assert report.requests == REQUESTS >= ENOUGH
    # It got behind the doors: much was done, and every kind of refusal was met.
    assert {"200", "201", "202", "204", "400", "401", "404", "405", "413"} <= set(report.statuses)
    assert report.statuses["400 (no HTTP)"] > REQUESTS // 20


def test_a_request_is_made_again_from_its_number_alone() -> None:
    world = World(["a.b.c"], ["somebody"], ["canary"], ["a@example.com"])
    together = [Maker(3, world).request(number) for number in range(200)]
    maker = Maker(3, world)
    assert [maker.request(number) for number in reversed(range(200))] == together[::-1]
    assert Maker(4, world).request(0) != together[0]


MIB = 2**20


def test_a_leak_of_a_hundred_bytes_a_request_is_seen() -> None:
    warm, most = Mark(40_000, 60 * MIB, 3 * MIB), Mark(70_000, 64 * MIB, 3 * MIB)
    leaked = Mark(100_000, 60 * MIB + 60_000 * 100, 3 * MIB)
    assert "100 bytes with each" in (grown([warm, most, leaked]) or "")


def test_what_is_stored_may_be_held_in_the_database_s_two_caches() -> None:
    warm = Mark(40_000, 60 * MIB, 3 * MIB)
    assert grown([warm, Mark(100_000, 65 * MIB, 3 * MIB)]) is None
    assert grown([warm, Mark(100_000, 69 * MIB, 5 * MIB)]) is None
    assert grown([warm, Mark(100_000, 70 * MIB, 5 * MIB)]) is not None


def test_the_warm_up_is_no_leak() -> None:
    cold, warm = Mark(10_000, 40 * MIB, 0), Mark(40_000, 60 * MIB, 0)
    assert grown([cold, warm, Mark(100_000, 61 * MIB, 0)]) is None
    assert grown([cold, warm, Mark(100_000, 66 * MIB, 0)]) is not None


def test_memory_that_came_and_went_is_no_leak() -> None:
    marks = [Mark(40_000, 60 * MIB, 0), Mark(60_000, 90 * MIB, 0), Mark(100_000, 61 * MIB, 0)]
    assert grown(marks) is None


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply(500, PROBLEM, b'{"status":500,"type":"urn:x"}'), "the answer is 500"),
        (Reply(200, PROBLEM, b'{"text":"hush"}'), "another user's record"),
        (Reply(404, {**PROBLEM, "location": "/hush"}, b"{}"), "another user's record"),
        (Reply(404, {"server": "homeport", "content-type": "text/html"}, b""), "no problem"),
        (Reply(404, PROBLEM, b'{"status":400,"type":"urn:x"}'), "the problem is"),
        (Reply(404, {}, b""), "not the gateway's"),
        (Reply(400, {}, b"<html>"), "not the gateway's"),
    ],
)
def test_what_is_wrong_is_seen(reply: Reply, fault: str) -> None:
    assert fault in (fault_of(reply, SECRETS, head=False) or "")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"{}HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: \x00\r\n\r\n",
    ],
)
def test_what_is_not_http_is_seen(answer: bytes) -> None:
    with pytest.raises(Malformed):
        take(bytearray(answer), head=False)


def test_answers_are_taken_one_by_one() -> None:
    stream = bytearray(
        b"HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 y\r\n\r\nHTTP/1.1 2"
    )
    first, second = take(stream, head=False), take(stream, head=False)
    assert first == Reply(404, {"content-length": "2"}, b"{}")
    assert second == Reply(204, {}, b"")
    assert take(stream, head=False) is None
    assert stream == b"HTTP/1.1 2"
