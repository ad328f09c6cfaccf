"""What authors of adapters and apps test with. Needs the extra `homeport[testing]`.

A contract suite says what a port promises, as tests. Whoever writes an adapter subclasses the
suite of its port, overrides one fixture, and has the same tests that Homeport's own adapters
pass:

    from homeport.testing import RecordStoreContract

    class TestMyRecordStore(RecordStoreContract):
        @pytest.fixture
        def store(self, clock):
            return MyRecordStore(clock)

Authors of apps have the fixture `backend`, a whole backend in memory: see `TestBackend`.
"""

from __future__ import annotations

import importlib
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from homeport.testing.backend import TestBackend, in_memory
    from homeport.testing.change_feed import ChangeFeedContract
    from homeport.testing.contract import Contract
    from homeport.testing.identity_provider import IdentityProviderContract
    from homeport.testing.machine import ClockContract, IdFactoryContract
    from homeport.testing.message_queue import MessageQueueContract
    from homeport.testing.push_gateway import PushGatewayContract
    from homeport.testing.record_store import RecordStoreContract
    from homeport.testing.schema_validator import SchemaValidatorContract
    from homeport.testing.search_convergence import SearchConvergence
    from homeport.testing.search_index import CATALOG, SearchIndexContract
    from homeport.testing.search_semantics import SearchSemantics

_HOMES: Final = {
    "CATALOG": "homeport.testing.search_index",
    "ChangeFeedContract": "homeport.testing.change_feed",
    "ClockContract": "homeport.testing.machine",
    "Contract": "homeport.testing.contract",
    "IdFactoryContract": "homeport.testing.machine",
    "IdentityProviderContract": "homeport.testing.identity_provider",
    "MessageQueueContract": "homeport.testing.message_queue",
    "PushGatewayContract": "homeport.testing.push_gateway",
    "RecordStoreContract": "homeport.testing.record_store",
    "SchemaValidatorContract": "homeport.testing.schema_validator",
    "SearchConvergence": "homeport.testing.search_convergence",
    "SearchIndexContract": "homeport.testing.search_index",
    "SearchSemantics": "homeport.testing.search_semantics",
    "TestBackend": "homeport.testing.backend",
    "in_memory": "homeport.testing.backend",
}
"""Public name -> its module, imported when first asked for."""

# Before any of them is imported: their asserts then explain themselves when they fail.
pytest.register_assert_rewrite(*(f"{__name__}.{one.name}" for one in iter_modules(__path__)))

__all__ = [
    "CATALOG",
    "ChangeFeedContract",
    "ClockContract",
    "Contract",
    "IdFactoryContract",
    "IdentityProviderContract",
    "MessageQueueContract",
    "PushGatewayContract",
    "RecordStoreContract",
    "SchemaValidatorContract",
    "SearchConvergence",
    "SearchIndexContract",
    "SearchSemantics",
    "TestBackend",
    "in_memory",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
