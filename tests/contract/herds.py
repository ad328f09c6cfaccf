"""Every mutant, by port, and the contract suite over each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import pytest

from homeport.adapters.jsonschema.schema_validator import JsonSchema, JsonSchemaValidator
from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.identity_provider import MemoryIdentityProvider
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.push_gateway import MemoryPushGateway
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemoryRebuild, MemorySearchIndex
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.device import PushTarget
from homeport.domain.model.writes import Write
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.id_factory import IdFactory
from homeport.domain.ports.identity_provider import IdentityProvider
from homeport.domain.ports.message_queue import MessageQueue
from homeport.domain.ports.push_gateway import Push, PushGateway
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.schema_validator import Schema, SchemaValidator
from homeport.domain.ports.search_index import Rebuild, SearchIndex
from homeport.testing import (
    ChangeFeedContract,
    ClockContract,
    IdentityProviderContract,
    IdFactoryContract,
    MessageQueueContract,
    PushGatewayContract,
    RecordStoreContract,
    SchemaValidatorContract,
    SearchIndexContract,
    SearchSemantics,
)
from homeport.testing.contract import Contract
from homeport.testing.histories import Commit
from homeport.testing.record_support import RecordStoreSupport
from tests.contract import (
    broken_change_feeds,
    broken_identity_providers,
    broken_machines,
    broken_message_queues,
    broken_push_gateways,
    broken_rebuilds,
    broken_record_stores,
    broken_schema_validators,
    broken_search_indexes,
    broken_search_semantics,
)
from tests.contract.late_commits import WINDOW, FewTails, LateCommitStore
from tests.contract.mutants import Herd


def _store_suite(
    adapter: Callable[..., MemoryRecordStore],
    part: type[RecordStoreSupport] = RecordStoreContract,
) -> type[Contract]:
    class Suite(part):  # type: ignore[valid-type, misc]  # the part is chosen as it runs
        histories = 10

        @pytest.fixture
        def store(self, clock: ManualClock) -> MemoryRecordStore:
            return adapter(clock, SequentialIds())

    return Suite


def _late_store_suite(adapter: Callable[..., LateCommitStore]) -> type[Contract]:
    class Suite(RecordStoreContract):
        commits_late = True
        window = WINDOW

        @pytest.fixture
        def store(self, clock: ManualClock) -> LateCommitStore:
            return adapter(clock, FewTails())

        def stamp_early(self, store: RecordStore, writes: Sequence[Write]) -> Commit:
            assert isinstance(store, LateCommitStore)
            return store.stamp_early(writes)

    return Suite


def feed_suite(adapter: Callable[..., MemoryChangeFeed]) -> type[Contract]:
    """The suite of change feeds over a subclass of the one in memory."""

    class Suite(ChangeFeedContract):
        counts_crashes = True
        holds_batches = True

        @pytest.fixture
        def store(self, clock: ManualClock) -> MemoryRecordStore:
            return MemoryRecordStore(clock, SequentialIds())

        @pytest.fixture
        def feed(self, store: MemoryRecordStore, clock: ManualClock) -> MemoryChangeFeed:
            return adapter(store, clock, self.retry)

    return Suite


def _queue_suite(make: Callable[[ManualClock], MemoryMessageQueue]) -> type[Contract]:
    class Suite(MessageQueueContract):
        holds_batches = True

        @pytest.fixture
        def queue(self, clock: ManualClock) -> MemoryMessageQueue:
            return make(clock)

    return Suite


def _push_suite(make: Callable[[], MemoryPushGateway]) -> type[Contract]:
    class Suite(PushGatewayContract):
        @pytest.fixture
        def gateway(self) -> MemoryPushGateway:
            return make()

        def disable(self, gateway: MemoryPushGateway, endpoint: str) -> None:
            gateway.disable(endpoint)

        def pushed(
            self, gateway: MemoryPushGateway, endpoint: str
        ) -> list[tuple[PushTarget, Push]]:
            return [(target, push) for _, target, push in gateway.recent([endpoint])]

    return Suite


def _identity_suite(kind: type[MemoryIdentityProvider]) -> type[Contract]:
    class Suite(IdentityProviderContract):
        @pytest.fixture
        def provider(self, clock: ManualClock) -> MemoryIdentityProvider:
            return kind(clock, SystemIds())

        @pytest.fixture
        def another(self, clock: ManualClock) -> MemoryIdentityProvider:
            return MemoryIdentityProvider(clock, SystemIds())

        def set_groups(
            self, provider: MemoryIdentityProvider, identity: str, groups: Iterable[str]
        ) -> None:
            provider.set_groups(identity, groups)

    return Suite


def _index_suite(kind: type[MemorySearchIndex], *, able: bool = True) -> type[Contract]:
    class Suite(SearchIndexContract):
        geo = able
        fuzzy = able

        @pytest.fixture
        def index(self) -> MemorySearchIndex:
            return kind()

    return Suite


def _semantics_suite(kind: type[MemorySearchIndex]) -> type[Contract]:
    class Suite(SearchSemantics):
        @pytest.fixture(scope="session")
        @classmethod
        def index(cls) -> MemorySearchIndex:
            return kind()

    return Suite


def _rebuild_suite(kind: type[MemoryRebuild]) -> type[Contract]:
    return _index_suite(broken_rebuilds.rebuilding_with(kind))


def _clock_suite(make: Callable[[], SystemClock]) -> type[Contract]:
    class Suite(ClockContract):
        @pytest.fixture
        def clock_under_test(self) -> SystemClock:
            return make()

    return Suite


def _ids_suite(make: Callable[[], SystemIds]) -> type[Contract]:
    class Suite(IdFactoryContract):
        @pytest.fixture
        def ids(self) -> SystemIds:
            return make()

    return Suite


def _schema_validator_suite(make: Callable[[], JsonSchemaValidator]) -> type[Contract]:
    class Suite(SchemaValidatorContract):
        @pytest.fixture
        def validator(self) -> JsonSchemaValidator:
            return make()

    return Suite


def _schema_suite(kind: type[JsonSchema]) -> type[Contract]:
    class Compiling(JsonSchemaValidator):
        def compile(self, schema: Mapping[str, Any]) -> JsonSchema:
            return kind(super().compile(schema)._validator)

    return _schema_validator_suite(Compiling)


def _by_name(mutants: Iterable[type[Any]]) -> dict[str, type[Any]]:
    return {mutant.__name__: mutant for mutant in mutants}


HERDS: Final = (
    Herd(
        "record store",
        RecordStore,
        MemoryRecordStore,
        _store_suite,
        _by_name(one for stores in broken_record_stores.STORES.values() for one in stores),
        {
            store.__name__: partial(_store_suite, part=part)
            for part, stores in broken_record_stores.STORES.items()
            for store in stores
        },
    ),
    Herd(
        "record store with late commits",
        RecordStore,
        LateCommitStore,
        _late_store_suite,
        _by_name(broken_record_stores.LATE_STORES),
    ),
    Herd(
        "change feed",
        ChangeFeed,
        MemoryChangeFeed,
        feed_suite,
        _by_name(broken_change_feeds.FEEDS),
    ),
    Herd(
        "message queue",
        MessageQueue,
        MemoryMessageQueue,
        _queue_suite,
        _by_name(broken_message_queues.QUEUES),
    ),
    Herd(
        "push gateway",
        PushGateway,
        MemoryPushGateway,
        _push_suite,
        _by_name(broken_push_gateways.GATEWAYS),
    ),
    Herd(
        "identity provider",
        IdentityProvider,
        MemoryIdentityProvider,
        _identity_suite,
        _by_name(broken_identity_providers.PROVIDERS),
    ),
    Herd(
        "search index",
        SearchIndex,
        MemorySearchIndex,
        _index_suite,
        broken_search_indexes.INDEXES,
        {"ignores what it cannot": partial(_index_suite, able=False)},
    ),
    Herd(
        "search semantics",
        SearchIndex,
        MemorySearchIndex,
        _semantics_suite,
        broken_search_semantics.MEANINGS,
    ),
    Herd(
        "rebuild",
        Rebuild,
        MemoryRebuild,
        _rebuild_suite,
        _by_name(broken_rebuilds.REBUILDS),
    ),
    Herd(
        "schema",
        Schema,
        JsonSchema,
        _schema_suite,
        _by_name(broken_schema_validators.SCHEMAS),
    ),
    Herd(
        "schema validator",
        SchemaValidator,
        JsonSchemaValidator,
        _schema_validator_suite,
        _by_name(broken_schema_validators.VALIDATORS),
    ),
    Herd("clock", Clock, SystemClock, _clock_suite, _by_name(broken_machines.CLOCKS)),
    Herd("id factory", IdFactory, SystemIds, _ids_suite, _by_name(broken_machines.IDS)),
)
