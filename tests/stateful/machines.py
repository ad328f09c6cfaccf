"""The machines by port, and how they are run: shortly and the same each time, or for long."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.agreement import Agreement
from tests.stateful.change_feeds import ChangeFeeds
from tests.stateful.identity_providers import IdentityProviders
from tests.stateful.message_queues import MessageQueues
from tests.stateful.record_stores import RecordStores
from tests.stateful.search_indexes import SearchIndexes

MACHINES: Final[Mapping[str, type[Agreement[Any]]]] = {
    "record store": RecordStores,
    "change feed": ChangeFeeds,
    "message queue": MessageQueues,
    "identity provider": IdentityProviders,
    "search index": SearchIndexes,
}
STEPS_OF_A_HISTORY: Final = 50
SHORT: Final = 30
"""Histories in the normal suite, the same ones each time."""


def run(machine: type[Agreement[Any]], histories: int | None = None) -> None:
    """Raises Disagreement, with the shortest history that was found in its notes.

    Without `histories` the environment's STATEFUL_EXAMPLES says how many; where it is set, they
    are new ones at each run.
    """
    asked = os.environ.get("STATEFUL_EXAMPLES")
    count = histories or int(asked or SHORT)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count,
            stateful_step_count=STEPS_OF_A_HISTORY,
            derandomize=histories is not None or asked is None,
            database=None,
            deadline=None,
            print_blob=False,  # the history is shorter, and runs without Hypothesis
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
