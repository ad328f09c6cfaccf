"""What the tests of identities on DynamoDB share."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from homeport.adapters.aws.clients import Clients
from homeport.adapters.credentials import passwords
from homeport.adapters.memory.clock import ManualClock


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The rules are the same with hashes that cost little."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PASSES", 1)
    passwords._hasher.cache_clear()
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._hasher.cache_clear()
    passwords._nobodys_hash.cache_clear()


def today() -> ManualClock:
    """Engines really delete what is over, by a time of their own."""
    return ManualClock(time.time_ns() // 1_000_000_000 * 1_000_000)


@contextmanager
def hooked(clients: Clients, event: str, hook: Callable[..., None]) -> Iterator[None]:
    """Calls `hook` at each `event` of the table's client (`before-call`, `after-call`), for the
    length of a with-block. What it raises comes out of the call."""
    events = clients.get("dynamodb").meta.events
    events.register(f"{event}.dynamodb", hook)
    try:
        yield
    finally:
        events.unregister(f"{event}.dynamodb", hook)


@contextmanager
def counted(clients: Clients) -> Iterator[Counter[str]]:
    """The calls made within a with-block, by operation."""
    calls: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    with hooked(clients, "before-call", count):
        yield calls


@contextmanager
def once_before(clients: Clients, operation: str, act: Callable[[], object]) -> Iterator[None]:
    """Does `act` right before the next `operation`, as somebody would who is faster."""
    waiting = [act]

    def hook(model: Any, **_: Any) -> None:
        if model.name == operation and waiting:
            waiting.pop()()

    with hooked(clients, "before-call", hook):
        yield
    assert not waiting, f"there was no {operation}"


@contextmanager
def lost_answers(clients: Clients, operation: str, times: int) -> Iterator[None]:
    """The next `times` answers to `operation` are lost, though it was done."""
    left = [times]

    def hook(model: Any, **_: Any) -> None:
        if model.name == operation and left[0]:
            left[0] -= 1
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    with hooked(clients, "after-call", hook):
        yield
