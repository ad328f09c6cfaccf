"""The contract suites catch adapters broken on purpose, and each method of a port has one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.domain.ports.clock import Clock
from tests.contract.broken_change_feeds import LogsAndDrops
from tests.contract.herds import HERDS, feed_suite
from tests.contract.mutants import Herd, broken_by, every_port, methods_of, without_mutant
from tests.contract.teeth import check_teeth

EVERY_HERD = pytest.mark.parametrize("herd", HERDS, ids=lambda herd: herd.name.replace(" ", "_"))


@EVERY_HERD
def test_the_suite_bites(herd: Herd, tmp_path: Path) -> None:
    check_teeth(tmp_path, herd.suite(herd.sound), herd.suites())


@EVERY_HERD
def test_every_mutant_breaks_something_of_its_port(herd: Herd) -> None:
    for name, mutant in herd.mutants.items():
        assert broken_by(mutant, herd.sound, herd.port), f"say what {name} breaks"


def test_every_method_of_every_port_has_a_mutant() -> None:
    """Add one to tests/contract/broken_*.py for what stands here, and what catches it."""
    assert without_mutant(every_port(), HERDS) == []


def test_a_method_without_a_mutant_is_noticed() -> None:
    class Made(Clock, Protocol):
        @property
        def zone(self) -> str: ...

        def sleep(self) -> None: ...

        def _inner(self) -> None: ...

    class Sound:
        zone = "UTC"

        def now(self) -> int:
            return 0

        def sleep(self) -> None: ...

    class Sleepless(Sound):
        def sleep(self) -> None:
            raise OSError

    def suite(adapter: object) -> type:
        raise AssertionError("nobody runs it")

    assert methods_of(Made) == {"now", "sleep", "zone"}
    herd = Herd("made", Made, Sound, suite, {"sleepless": Sleepless})
    assert broken_by(Sound, Sound, Made) == frozenset()
    assert without_mutant([Made], [herd]) == ["Made.now", "Made.zone"]
    assert len(every_port()) >= 9


def test_the_check_notices_a_suite_without_teeth(tmp_path: Path) -> None:
    sound = feed_suite(MemoryChangeFeed)
    with pytest.raises(AssertionError, match=r"did not notice: \['nothing wrong'\]"):
        check_teeth(tmp_path, sound, {"nothing wrong": sound})
    with pytest.raises(AssertionError, match="fails without a fault: test_"):
        check_teeth(tmp_path, feed_suite(LogsAndDrops), {})
