"""What all contract suites share."""

from __future__ import annotations

import uuid

import pytest

from homeport.adapters.memory.clock import ManualClock


class Contract:
    """The promises of one port, as tests that every adapter of it passes.

    To use a suite, subclass it under a name that starts with `Test` and override the fixture
    that gives the adapter. The tests are final: they are the contract. What engines may differ
    in is a class variable that the subclass sets; tests that it rules out are skipped with the
    reason. Spaces, ids and names are new for every test, so a suite can run against an engine
    that keeps what earlier runs left there.

    An engine that shows a write only after a while overrides `settle`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time that the tests own: hand it to the adapter."""
        return ManualClock()

    @pytest.fixture
    def space(self) -> str:
        """A space that nobody used before."""
        return uuid.uuid4().hex

    def settle(self) -> None:
        """Called after a change and before a look. Return once changes have become visible.

        The default is for engines that show a change at once.
        """

    @staticmethod
    def missing(fixture: str) -> NotImplementedError:
        """What a suite's fixture raises until a subclass overrides it."""
        return NotImplementedError(f"Override the fixture `{fixture}` to return your adapter.")


def skip_unless(capability: bool, reason: str) -> None:
    """Skip the calling test, saying why, where the adapter lacks a capability."""
    if not capability:
        pytest.skip(reason)
