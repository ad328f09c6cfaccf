"""How soon search finds what was written: on an idle server, and while a corpus is loaded."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from homeport.entrypoints.cli.corpus import Note, notes, sources, standard_library
from homeport.entrypoints.operation import PREFIX
from tests.clients import Client, Person, new_guest
from tests.servers import Server, serving

IDLE_SECONDS: Final = 0.2
LOADED_SECONDS: Final = 1.0
PROBES: Final = 25
LOADED_FOR: Final = 7.0
"""Seconds of load: as long as the demo takes, since what falls behind does so in time."""
LOAD: Final = 600
"""Notes a second: what the demo writes, some 400 to 700 on two slow cores."""
BATCH: Final = 50
SENDERS: Final = 2
TRIES: Final = 3
"""A machine that does other things as well gets another chance to be quick nine times of ten;
half of all notes are found in time whatever else it does."""
_LONGEST: Final = 30.0
_LOOK: Final = 0.005
"""Seconds between searches for a note: they are load too."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as server:
        yield server


def seconds_until_found(client: Client) -> float:
    """Write a note with a word of its own, and search for that until it is found."""
    word = f"w{uuid.uuid4().hex}"
    path = f"{PREFIX}/search?q={word}&collection=probes"
    written = client.ask("POST", f"{PREFIX}/records/me/probes", {"title": f"the {word} of a probe"})
    began = time.monotonic()
    assert written.status == 201, written
    while True:
        answer = client.ask("GET", path)
        assert answer.status == 200, answer
        if answer.json["total"]:
            (hit,) = answer.json["hits"]
            assert hit["record"] == written.json
            return time.monotonic() - began
        assert time.monotonic() - began < _LONGEST, "the note is never found"
        time.sleep(_LOOK)


def p90(times: list[float]) -> float:
    return sorted(times)[len(times) * 9 // 10]


def shown(times: list[float]) -> str:
    middle, most, last = (one(times) * 1000 for one in (median, p90, max))
    return f"median {middle:.0f} ms, p90 {most:.0f} ms, longest {last:.0f} ms"


def hold(measure: Callable[[], tuple[list[float], str]], within: float) -> None:
    """Half of the times of every try, and nine tenths in the best of them, are `within`."""
    tried: list[str] = []
    for _ in range(TRIES):
        times, told = measure()
        tried.append(told)
        assert median(times) <= within, tried
        if p90(times) <= within:
            return
    raise AssertionError(f"notes were found late each time: {tried}")


def test_a_note_is_found_within_200_ms_on_an_idle_server(
    server: Server, figures: Callable[[str], None]
) -> None:
    with Client(server.address) as nobody:
        person = new_guest(nobody)

    def measure() -> tuple[list[float], str]:
        times = []
        for _ in range(PROBES):
            client.settle()
            times.append(seconds_until_found(client))
        told = shown(times)
        figures(told)
        return times, told

    with Client(server.address, person.token) as client:
        seconds_until_found(client)  # the first one also opens what is opened late
        hold(measure, IDLE_SECONDS)


def test_a_note_is_found_within_1_s_while_a_corpus_is_loaded(
    server: Server, corpus: list[Note], figures: Callable[[str], None]
) -> None:
    def measure() -> tuple[list[float], str]:
        times, rate = times_under_load(server, corpus)
        told = f"{shown(times)}, at {rate:,.0f} notes a second"
        figures(told)
        return times, told

    hold(measure, LOADED_SECONDS)


@pytest.fixture(scope="module")
def corpus() -> list[Note]:
    """The first of the demo's notes."""
    root = standard_library()
    found = (note for source in sources(root) for note in notes(root, source))
    return list(islice(found, 5000))


def times_under_load(server: Server, corpus: list[Note]) -> tuple[list[float], float]:
    """The seconds until each probe was found, and the notes a second that were written besides,
    by another person."""
    with Client(server.address) as nobody:
        loader, prober = new_guest(nobody), new_guest(nobody)
    stop = threading.Event()
    with Client(server.address, prober.token) as client, ThreadPoolExecutor(SENDERS) as threads:
        began = time.monotonic()
        senders = [
            threads.submit(load, server, loader, corpus[number::SENDERS], stop.is_set)
            for number in range(SENDERS)
        ]
        times: list[float] = []
        try:
            time.sleep(1)  # until the load is steady
            while len(times) < 3 or time.monotonic() - began < LOADED_FOR:
                times.append(seconds_until_found(client))
        finally:
            stop.set()
        sent = sum(one.result() for one in senders)
        rate = sent / (time.monotonic() - began)
        client.settle()
        found = client.ask("GET", f"{PREFIX}/search?collection=notes&limit=1", token=loader.token)
        assert found.json["total"] == sent
    return times, rate


def load(server: Server, person: Person, share: list[Note], stopped: Callable[[], bool]) -> int:
    """Put notes in batches, at this sender's share of the load, and new ones when all are
    there; returns how many."""
    pause = BATCH * SENDERS / LOAD
    sent, due = 0, time.monotonic()
    with Client(server.address, person.token) as client:
        while not stopped():
            chosen = [share[(sent + place) % len(share)] for place in range(BATCH)]
            writes = [{"op": "create", "collection": "notes", "data": one.data} for one in chosen]
            answer = client.ask("POST", f"{PREFIX}/records/me", {"writes": writes})
            assert answer.status == 200, answer
            sent += BATCH
            due = max(due + pause, time.monotonic() - pause)
            time.sleep(max(0.0, due - time.monotonic()))
    return sent
