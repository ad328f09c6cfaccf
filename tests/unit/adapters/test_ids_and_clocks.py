"""Ids have the promised form; clocks tell the time, or what the test says it is."""

from __future__ import annotations

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from homeport.adapters.memory.clock import START, ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model import names
from homeport.domain.ports.id_factory import IdFactory

EVERY_FACTORY = pytest.mark.parametrize("factory", [SystemIds, SequentialIds])


@EVERY_FACTORY
def test_ids_have_the_promised_form(factory: type[IdFactory]) -> None:
    ids = factory()
    record = uuid.UUID(ids.record_id())
    assert (record.version, record.variant) == (7, uuid.RFC_4122)
    assert re.fullmatch("[a-z2-7]{26}", ids.identity_id())
    assert re.fullmatch("[A-Za-z0-9_-]{43}", ids.secret())
    for made in (ids.record_id(), ids.identity_id()):
        assert names.check_id("id", made) == made


@EVERY_FACTORY
def test_ids_differ_and_record_ids_grow(factory: type[IdFactory]) -> None:
    ids = factory()
    records = [ids.record_id() for _ in range(2000)]
    assert records == sorted(set(records))
    for make in (ids.identity_id, ids.secret):
        assert len({make() for _ in range(100)}) == 100


@EVERY_FACTORY
def test_tails_are_12_bits_and_spread(factory: type[IdFactory]) -> None:
    ids = factory()
    tails = [ids.tail() for _ in range(500)]
    assert all(0 <= tail < 4096 for tail in tails)
    assert len(set(tails)) > 400


def test_threads_never_share_a_record_id() -> None:
    ids = SystemIds()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ids.record_id(), range(2000)))
    assert len(set(made)) == 2000


def test_record_ids_grow_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = SystemIds()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    first = ids.record_id()
    monkeypatch.setattr(time, "time_ns", lambda: now - 60_000_000_000)
    assert ids.record_id() > first


def test_record_ids_hold_the_time() -> None:
    before = time.time_ns() // 1_000_000
    stamp = uuid.UUID(SystemIds().record_id()).int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_the_system_clock_tells_microseconds() -> None:
    before = time.time_ns() // 1000
    assert before <= SystemClock().now() <= time.time_ns() // 1000


def test_a_manual_clock_moves_when_the_test_says_so() -> None:
    clock = ManualClock()
    assert clock.now() == clock.now() == START
    clock.advance(1.5)
    assert clock.now() == START + 1_500_000
    clock.advance(-2)
    assert clock.now() == START - 500_000
    clock.set(7)
    assert clock.now() == 7
