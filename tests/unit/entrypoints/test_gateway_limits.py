from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from homeport.definition import Definition
from homeport.domain.errors import RateLimited
from homeport.entrypoints.local.app import rates_of
from homeport.entrypoints.local.authorizer import Authorizer
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.limits import RateLimiter
from homeport.entrypoints.local.settings import Rate

GUEST = "POST /v1/identity/guest"


class Monotonic:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


def test_a_burst_and_then_one_at_a_time(monotonic: Monotonic) -> None:
    limiter = RateLimiter({GUEST: Rate(3, 0.5)}, monotonic)
    for _ in range(3):
        limiter.take(GUEST, "a")
    with pytest.raises(RateLimited) as refused:
        limiter.take(GUEST, "a")
    assert refused.value.retry_after == 2
    monotonic.seconds += 1.9
    with pytest.raises(RateLimited) as refused:
        limiter.take(GUEST, "a")
    assert refused.value.retry_after == 1
    monotonic.seconds += 0.1
    limiter.take(GUEST, "a")
    with pytest.raises(RateLimited):
        limiter.take(GUEST, "a")


def test_addresses_do_not_share(monotonic: Monotonic) -> None:
    limiter = RateLimiter({GUEST: Rate(1, 1.0)}, monotonic)
    limiter.take(GUEST, "a")
    limiter.take(GUEST, "b")
    with pytest.raises(RateLimited):
        limiter.take(GUEST, "a")


def test_a_long_rest_gives_no_more_than_the_burst(monotonic: Monotonic) -> None:
    limiter = RateLimiter({GUEST: Rate.per_minute(2)}, monotonic)
    limiter.take(GUEST, "a")
    monotonic.seconds += 10_000
    limiter.take(GUEST, "a")
    limiter.take(GUEST, "a")
    with pytest.raises(RateLimited):
        limiter.take(GUEST, "a")


def test_only_named_operations_are_limited(monotonic: Monotonic) -> None:
    limiter = RateLimiter({GUEST: Rate(1, 1.0)}, monotonic)
    assert limiter.limits(GUEST)
    assert not limiter.limits("GET /v1/health")


def test_memory_is_bounded_and_the_longest_unused_goes_first(monotonic: Monotonic) -> None:
    limiter = RateLimiter({GUEST: Rate(1, 0.001)}, monotonic, addresses=2)
    for address in ("a", "b"):
        limiter.take(GUEST, address)
    with pytest.raises(RateLimited):
        limiter.take(GUEST, "a")
    limiter.take(GUEST, "c")
    with pytest.raises(RateLimited):
        limiter.take(GUEST, "a")
    limiter.take(GUEST, "b")


class Tokens:
    """Knows one token, good until a moment, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, header: str | None) -> Mapping[str, Any]:
        self.asked += 1
        if header is None or not header.startswith("Bearer "):
            return {"problem": "missing" if header is None else "invalid"}
        return {"id": header[7:], "kind": "guest", "groups": "[]", "expires": 200}


def test_a_good_token_is_verified_once_until_it_expires() -> None:
    tokens = Tokens()
    authorizer = Authorizer(tokens)
    first = authorizer.context("Bearer a", 100.0)
    assert first["id"] == "a"
    assert authorizer.context("Bearer a", 199.9) is first
    assert tokens.asked == 1
    authorizer.context("Bearer a", 200.0)
    assert tokens.asked == 2


def test_a_token_is_kept_once_however_it_is_written() -> None:
    tokens = Tokens()
    authorizer = Authorizer(tokens)
    for header in ("Bearer a", "bearer a", "BEARER    a", "Bearer a  ", "Bearer \t a"):
        assert authorizer.context(header, 100.0)["id"] == "a"
    assert tokens.asked == 1


def test_a_bad_token_is_not_kept() -> None:
    tokens = Tokens()
    authorizer = Authorizer(tokens)
    for _ in range(2):
        assert authorizer.context("Basic a", 100.0) == {"problem": "invalid"}
        assert authorizer.context(None, 100.0) == {"problem": "missing"}
    assert tokens.asked == 4


def test_so_many_tokens_are_kept_and_no_more() -> None:
    tokens = Tokens()
    authorizer = Authorizer(tokens, remembered=2)
    for name in ("a", "b", "c", "c", "b"):
        authorizer.context(f"Bearer {name}", 100.0)
    assert tokens.asked == 3
    authorizer.context("Bearer a", 100.0)
    assert tokens.asked == 4


def test_everyone_may_read_answers_by_default() -> None:
    headers = dict(Cors(("*",)).headers("https://a.example"))
    assert headers["access-control-allow-origin"] == "*"
    assert "ETag" in headers["access-control-expose-headers"]


def test_named_origins_only() -> None:
    cors = Cors(("https://a.example",))
    assert dict(cors.headers("https://a.example"))["access-control-allow-origin"] == (
        "https://a.example"
    )
    assert cors.headers("https://b.example") == [("vary", "origin")]
    assert cors.headers("https://a.example.evil.example") == [("vary", "origin")]


def test_each_setting_limits_its_own_operations() -> None:
    chosen = {"guests_per_minute": 6, "sign_ups_per_minute": 0, "sign_ins_per_minute": 12}
    assert rates_of(Definition.of({"limits": chosen})) == {
        GUEST: Rate.per_minute(6),
        "POST /v1/identity/sign-in": Rate.per_minute(12),
        "POST /v1/identity/refresh": Rate.per_minute(12),
    }
