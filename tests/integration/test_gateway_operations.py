"""What operators lean on: metrics, compression, limits and headers of the local gateway."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homeport.entrypoints.lambdas.problems import Result
from homeport.entrypoints.local.compression import OFFLOADED
from homeport.entrypoints.local.limits import ADDRESS, IDENTITY, network_of
from homeport.entrypoints.local.metrics import BOUNDS, Counts
from homeport.entrypoints.local.settings import GatewaySettings, Rate
from tests.gateways import Handlers, Served, running

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = json.dumps({"text": "bread and butter " * 200})
SECRET = "s3cr3t-which-nobody-logs"


class Large(Handlers):
    """Its answer is large, has an ETag, and honours If-None-Match."""

    def __init__(self, text: str = TEXT) -> None:
        super().__init__()
        self._text = text

    def hello(self, _: dict[str, Any], __: Any) -> Result:
        headers = {"content-type": "application/json", "etag": '"0000000000000001"'}
        if _["headers"].get("if-none-match") == '"0000000000000001"':
            return {"statusCode": 304, "headers": headers, "body": ""}
        return {"statusCode": 200, "headers": headers, "body": self._text}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(handlers=Large()) as one:
        yield one


def unzstd(body: bytes) -> bytes:
    return bytes(zstd.decompress(body))


@pytest.mark.parametrize(
    ("accepted", "coding", "unpack"),
    [
        ("gzip", "gzip", gzip.decompress),
        ("gzip;q=0.5, zstd;q=0.2", "gzip", gzip.decompress),
        ("gzip, deflate, br, zstd", "zstd", unzstd),
        ("*", "zstd", unzstd),
    ],
)
def test_a_large_answer_is_compressed_as_asked(
    served: Served, accepted: str, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    answer = served.get("/hello", f"Accept-Encoding: {accepted}")
    assert answer["content-encoding"] == coding
    assert answer["vary"] == "accept-encoding"
    assert answer["etag"] == f'"0000000000000001-{coding}"'
    assert len(answer.body) < len(TEXT) / 4
    assert unpack(answer.body).decode() == TEXT


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0, zstd;q=0", "br", "gzip;q=x"])
def test_who_does_not_ask_gets_it_plain(served: Served, accepted: str) -> None:
    headers = (f"Accept-Encoding: {accepted}",) if accepted else ()
    answer = served.get("/hello", *headers)
    assert "content-encoding" not in answer
    assert answer["etag"] == '"0000000000000001"'
    assert answer["vary"] == "accept-encoding"
    assert answer.body.decode() == TEXT


def test_a_compressed_answers_tag_is_good_in_conditions(served: Served) -> None:
    asked = ("Accept-Encoding: gzip", 'If-None-Match: "0000000000000001-gzip"')
    answer = served.get("/hello", *asked)
    assert answer.status == 304
    assert answer["etag"] == '"0000000000000001-gzip"'
    assert answer["vary"] == "accept-encoding"
    sent = served.get("/echo", 'If-Match: "0000000000000001-zstd"').json()["event"]["headers"]
    assert sent["if-match"] == '"0000000000000001"'


def test_head_says_what_get_would(served: Served) -> None:
    asked = served.get("/hello", "Accept-Encoding: gzip")
    answer = served.get("/hello", "Accept-Encoding: gzip", method="HEAD")
    assert answer.body == b""
    for name in ("content-encoding", "vary", "etag", "content-length"):
        assert answer[name] == asked[name]


def test_a_huge_answer_is_compressed_in_a_thread() -> None:
    huge = TEXT * (1 + OFFLOADED // len(TEXT))
    with running(handlers=Large(huge)) as one:
        answer = one.get("/hello", "Accept-Encoding: gzip")
        assert answer["content-encoding"] == "gzip"
        assert gzip.decompress(answer.body).decode() == huge


def test_a_small_or_binary_answer_stays_as_it_is(served: Served) -> None:
    answer = served.get("/nowhere", "Accept-Encoding: gzip")
    assert "content-encoding" not in answer
    assert "vary" not in answer
    assert "content-encoding" not in served.get("/binary", "Accept-Encoding: gzip")


def test_compression_can_be_off() -> None:
    with running(GatewaySettings(compress=False), Large()) as served:
        answer = served.get("/hello", "Accept-Encoding: gzip")
    assert answer.body.decode() == TEXT
    assert "vary" not in answer


def test_every_answer_says_that_it_is_no_page(served: Served) -> None:
    for path in ("/hello", "/broken", "/nowhere", "/metrics"):
        answer = served.get(path)
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["referrer-policy"] == "no-referrer"
        assert answer["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "strict-transport-security" not in answer


def test_metrics_count_requests_by_route_and_status() -> None:
    with running() as served:
        for _ in range(3):
            served.get("/echo/a/b?x=1")
        served.get("/nowhere")
        answer = served.get("/metrics")
        assert served.get("/metrics").status == 200
    assert answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert 'homeport_requests_total{route="GET /echo/{one}/{two}",status="200"} 3' in lines
    assert 'homeport_requests_total{route="$default",status="404"} 1' in lines
    whole = 'homeport_request_duration_seconds_bucket{route="GET /echo/{one}/{two}",le="+Inf"} 3'
    assert whole in lines
    sample = re.compile(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+-]+')
    assert [one for one in lines if not one.startswith("#") and not sample.fullmatch(one)] == []


def test_metrics_can_be_off() -> None:
    with running(GatewaySettings(metrics=False)) as served:
        assert served.get("/metrics").status == 404


def test_a_latency_lands_in_its_bucket() -> None:
    counts = Counts()
    for seconds in (BOUNDS[0], 0.3, 99.0):
        counts.add("GET /x", 200, seconds)
    assert counts.counts == {("GET /x", 200): 3}
    buckets = counts.latencies["GET /x"]
    assert [place for place, count in enumerate(buckets) if count] == [0, 8, len(BOUNDS)]


@pytest.mark.parametrize(
    ("limit", "refused", "another"),
    [
        (ADDRESS, "Authorization: Bearer a", 429),
        (IDENTITY, "Authorization: Bearer a", 200),
    ],
)
def test_all_requests_of_one_are_limited(limit: str, refused: str, another: int) -> None:
    with running(GatewaySettings(rates={limit: Rate(2, 0.01)})) as served:
        first = [served.get("/hello", refused).status for _ in range(2)]
        answer = served.get("/hello", refused)
        other = served.get("/hello", "Authorization: Bearer b")
    assert first == [200, 200]
    assert answer.status == 429
    assert answer.json()["type"] == "urn:homeport:problem:rate-limited"
    assert 0 < int(answer["retry-after"]) <= 100
    assert other.status == another


def test_ipv6_counts_by_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("192.0.2.1") == "192.0.2.1"


def test_secrets_sent_anywhere_are_not_logged() -> None:
    with running() as served:
        served.get(f"/echo?token={SECRET}", f"Authorization: Bearer {SECRET}x")
        served.get("/echo", f"Cookie: session={SECRET}", f"X-Api-Key: {SECRET}")
        served.get("/echo", f"Authorization: Basic {SECRET}", f"If-Match: {SECRET}")
        served.get(f"/broken?q={SECRET}", f"User-Agent: {SECRET}", f"Referer: http://{SECRET}")
    # The log is whole once the gateway has stopped. An identity's id is no secret: it is the
    # token in these tests only.
    lines = [json.loads(line) for line in served.log.getvalue().splitlines()]
    assert len([one for one in lines if "status" in one]) == 4
    for one in lines:
        one.pop("identity", None)
    assert SECRET not in json.dumps(lines)
