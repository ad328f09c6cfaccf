"""Every operation, asked by everybody, of somebody's private space: the handlers, in memory.

`tests/e2e/test_isolation.py` asks the same of a server.
"""

from __future__ import annotations

import tomllib

import pytest

from homeport.definition import Definition
from homeport.testing.backend import TestBackend, in_memory
from tests.clients import Api, InProcess
from tests.isolation import DEFINITION, Cast, Matrix, make_cast


class TestInMemory(Matrix):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> TestBackend:
        return in_memory(Definition.of(tomllib.loads(DEFINITION)))

    @pytest.fixture(scope="class")
    @classmethod
    def cast(cls, backend: TestBackend) -> Cast:
        return make_cast(backend.identity_provider, backend.store, backend.clock.advance)

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, backend: TestBackend, cast: Cast) -> Api:
        # After the cast, which moves the clock.
        return InProcess(backend)
