"""The machines notice adapters broken on purpose, and the history that they print fails again."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.record_store import MemoryRecordStore
from tests.contract import broken_change_feeds as feeds
from tests.contract import broken_identity_providers as providers
from tests.contract import broken_message_queues as queues
from tests.contract import broken_record_stores as stores
from tests.contract import broken_search_answers as answers
from tests.contract import broken_search_indexes as indexes
from tests.stateful.agreement import Agreement, StepIds
from tests.stateful.change_feeds import ChangeFeeds, Feeding
from tests.stateful.deliveries import RETRY
from tests.stateful.identity_providers import IdentityProviders
from tests.stateful.machines import run
from tests.stateful.message_queues import MessageQueues
from tests.stateful.record_stores import RecordStores
from tests.stateful.search_indexes import SearchIndexes

Make = Callable[[Agreement[Any], StepIds], Any]

_HISTORIES = 150


def over(machine: type[Agreement[Any]], make: Make) -> type[Agreement[Any]]:
    """The machine over a broken adapter, which keeps what it has across restarts."""

    class Broken(machine):  # type: ignore[valid-type, misc]  # the machine is given
        made_before: Any = None

        def opened(self, ids: StepIds) -> Any:
            if self.made_before is None:
                self.made_before = make(self, ids)
            return self.made_before

        def closed(self) -> None:
            pass

    Broken.__name__ = machine.__name__
    Broken.__module__ = machine.__module__
    return Broken


def store(kind: type[MemoryRecordStore]) -> Make:
    return lambda machine, ids: kind(machine.clock, ids)


def feed(kind: Callable[..., Any]) -> Make:
    def make(machine: Agreement[Any], ids: StepIds) -> Feeding:
        store = MemoryRecordStore(machine.clock, ids)
        return Feeding(store, kind(store, machine.clock, RETRY))

    return make


def queue(kind: type[MemoryMessageQueue]) -> Make:
    return lambda machine, ids: kind(machine.clock, RETRY)


def provider(kind: Callable[..., Any]) -> Make:
    return lambda machine, ids: kind(machine.clock, ids)


def index(kind: Callable[[], Any]) -> Make:
    return lambda machine, ids: kind()


BROKEN = [
    *(
        (RecordStores, store(one), one.__name__)
        for one in (
            stores.ReplacesForAPatch,
            stores.WritesHalfABatch,
            stores.GuardsNothing,
            stores.ScansOneSegmentTwice,
            stores.CreatesAtEachWrite,
        )
    ),
    *(
        (ChangeFeeds, feed(one), one.__name__)
        for one in (
            feeds.LogsAndDrops,
            feeds.ForgetsTheCause,
            feeds.DeliversEverythingAtOnce,
            feeds.RedrivesToNowhere,
            feeds.KeepsWhatWasDropped,
        )
    ),
    *(
        (MessageQueues, queue(one), one.__name__)
        for one in (
            queues.ForgetsBeforeWork,
            queues.IgnoresDelays,
            queues.MergesEqualBodies,
            queues.LosesWhatCrashed,
        )
    ),
    *(
        (IdentityProviders, provider(one), one.__name__)
        for one in (
            providers.IgnoresPasswords,
            providers.KeepsTokensForEver,
            providers.RefreshesOnlyOnce,
            providers.LetsTheLastOneSignUp,
            providers.KnowsOneGuest,
        )
    ),
    *(
        (SearchIndexes, index(one), one.__name__)
        for one in (
            answers.IgnoresBesides,
            indexes.TakesOlderDocuments,
            indexes.TakesTheLastOfABatch,
            indexes.EmptiesBeforeRebuilding,
            indexes.RebuildsTwiceAtOnce,
        )
    ),
]


SLOW = {
    "KeepsWhatWasDropped",
    "KeepsTokensForEver",
    "RefreshesOnlyOnce",
    "IgnoresBesides",
    "TakesOlderDocuments",
}
"""Whose histories take as long to shorten as those of all others together. They wait for
HOMEPORT_TEST_THOROUGH: each machine has others, and the contract suites catch these too."""
if not os.environ.get("HOMEPORT_TEST_THOROUGH"):
    BROKEN = [one for one in BROKEN if one[2] not in SLOW]


@pytest.mark.parametrize(
    ("machine", "make"), [one[:2] for one in BROKEN], ids=[one[2] for one in BROKEN]
)
def test_a_broken_adapter_is_found_and_its_history_fails_again(
    machine: type[Agreement[Any]], make: Make
) -> None:
    broken = over(machine, make)
    with pytest.raises(AssertionError) as found:
        run(broken, _HISTORIES)
    printed = "\n".join(found.value.__notes__)
    history = printed[printed.index("state = ") :]
    assert len(history.splitlines()) < 15, history
    with pytest.raises(AssertionError) as again:
        replay(history, machine.__module__, broken)
    assert str(again.value) == str(found.value)


def replay(history: str, module: str, broken: type[Agreement[Any]]) -> None:
    """As somebody does who pastes it, with the broken adapter in its place."""
    names: dict[str, Any] = vars(importlib.import_module(module)) | {broken.__name__: broken}
    try:
        exec(history, names)  # noqa: S102 - the very thing that is tested
    finally:
        names["state"].teardown()
