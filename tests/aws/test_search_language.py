"""`search.language = "none"` on CloudSearch, as its emulator has it."""

from __future__ import annotations

from homeport.adapters.aws.clients import Clients
from homeport.adapters.memory.clock import ManualClock
from tests.aws.search_domains import domain, session
from tests.plain_words import check_words_stay_as_written


def test_words_stay_as_they_are_written() -> None:
    clock = ManualClock()
    with domain(clock, "none") as emulator:
        endpoints = {"search_endpoint": emulator.endpoint, "document_endpoint": emulator.endpoint}
        check_words_stay_as_written(
            {
                "profile": "memory",
                "adapters": {"search_index": "cloudsearch"},
                "aws": endpoints,
            },
            emulator.settle,
            clock=clock,
            clients=Clients(session=session()),
        )
