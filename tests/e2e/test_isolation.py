"""Every operation, asked by everybody, of somebody's private space: a server, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.system import SystemClock
from homeport.container import build
from homeport.definition import load
from homeport.domain.identity import ACCESS_SECONDS
from tests.clients import Api, Client, new_guest
from tests.isolation import DEFINITION, WORDS, Cast, Matrix, World, make_cast
from tests.processes import client_of_worker, needs_workers
from tests.servers import Server, serving


class LateClock:
    """The machine's clock, set back until it is advanced."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._behind = float(ACCESS_SECONDS + 1)

    def now(self) -> int:
        return self._clock.now() - round(self._behind * 1_000_000)

    def advance(self, seconds: float) -> None:
        self._behind -= seconds


class TestOverHttp(Matrix):
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("isolation")
        (folder / "homeport.toml").write_text(DEFINITION)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def cast(cls, folder: Path) -> Cast:
        clock = LateClock()
        definition = load(folder, {"HOMEPORT_DATA_FOLDER": str(folder / "data")})
        backend = build(definition, clock=clock)
        try:
            return make_cast(backend.identity_provider, backend.store, clock.advance)
        finally:
            backend.close()

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder: Path, cast: Cast) -> Iterator[Server]:
        # After the cast: a data folder is one process's at a time.
        with serving(folder / "data") as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, server: Server) -> Iterator[Api]:
        with Client(server.address) as client:
            yield client

    def test_the_local_server_shows_pushes_to_their_own_identity_alone(self, world: World) -> None:
        guest = new_guest(world.api)
        own = world.api.ask("GET", "/local/pushes", token=world.owner.token)
        assert WORDS["received"] in own.text
        other = world.api.ask("GET", "/local/pushes", token=guest.token)
        assert other.json == {"items": []}
        assert world.api.ask("GET", "/local/pushes").status == 401
        status = world.api.ask("GET", "/local/status", token=guest.token)
        assert not any(secret in status.text for secret in world.secrets)

    def test_the_log_tells_nothing_that_was_stored(self, world: World, server: Server) -> None:
        log = server.log.read_text()
        bodies = (WORDS["body"], WORDS["sent"], WORDS["received"], world.owner.token)
        assert not any(secret in log for secret in bodies)


@needs_workers
class TestThroughAWorker(TestOverHttp):
    """The same, of the process that serves beside the first."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, server: Server) -> Iterator[Api]:
        with client_of_worker(server) as client:
            yield client
