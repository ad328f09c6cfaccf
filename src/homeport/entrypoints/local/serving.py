"""What stands between connections and handlers, as each of the server's processes has it."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from homeport.entrypoints.lambdas.authorizer import authorize
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.access_log import (
    AccessLog,
    LogWriter,
    StructuredHandler,
    is_human,
)
from homeport.entrypoints.local.admission import Admission
from homeport.entrypoints.local.authorizer import Authorizer
from homeport.entrypoints.local.bodies import BodyReader
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.connections import Connections
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.exchange import COMMON, Exchanges, Handler
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.limits import RateLimiter
from homeport.entrypoints.local.memory import QuietTrim, give_back
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.proxies import Proxies
from homeport.entrypoints.local.routes import Router
from homeport.entrypoints.local.settings import GatewaySettings, LogFormat, Rate

if TYPE_CHECKING:
    from homeport.container import Backend

SWITCH_INTERVAL: Final = 0.0005
"""How long a pump may hold up requests; Python's own 5 ms is ten requests' time."""


class Serving:
    """One loop's way from a connection to `handlers` (function name -> handler) at `routes`
    (route key -> function name). Make it on the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        backend: Backend,
        handlers: Mapping[str, Handler],
        routes: Mapping[str, str],
        settings: GatewaySettings,
        rates: Mapping[str, Rate],
        counts: Counts,
        log: AccessLog | None,
        on_leaving: Callable[[], None],
    ) -> None:
        cors = Cors(settings.origins)
        exchanges = Exchanges(
            handlers=handlers,
            router=Router(routes),
            authorizer=Authorizer(partial(authorize, backend.identity_provider)),
            limiter=RateLimiter(rates, time.monotonic),
            cors=cors,
            bodies=BodyReader(loop, settings.body_bytes, settings.body_seconds),
            log=log,
            concurrent=settings.concurrent_requests,
            counts=counts,
            proxies=Proxies(settings.proxies) if settings.proxies else None,
            compress=settings.compress,
        )

        def serve(job: Incoming | Call) -> None:
            if isinstance(job, Call):
                exchanges.handle(job)
            else:
                exchanges.serve(job)

        pool = greenlets.Pool[Incoming | Call](
            loop,
            serve,
            settings.offload_threads,
            min(greenlets.COHORT, max(1, settings.concurrent_requests // 4)),
        )
        self.exchanges: Final = exchanges
        self._pool: Final = pool
        self.admission: Final = Admission(
            pool.submit,
            lambda: pool.waiting + exchanges.active,
            settings.concurrent_requests,
            cors,
            counts,
            loop.time,
        )
        self.connections: Final = Connections(
            loop,
            self.admission.receive,
            exchanges.refusal,
            settings.head_seconds,
            COMMON,
            on_leaving,
            counts.cut_off,
        )
        self._trim: Final = QuietTrim(
            loop, pool.threads, partial(_release, backend), give_back, time.process_time
        )

    def close(self) -> None:
        """Once all connections are closed."""
        self._trim.stop()
        self._pool.close()


def _release(backend: Backend) -> None:
    database = backend.database
    if database is not None:
        database.release_memory()


@contextmanager
def loop_of_its_own(
    settings: GatewaySettings, stream: TextIO | None
) -> Iterator[tuple[asyncio.AbstractEventLoop, AccessLog | None]]:
    """An event loop for this thread, and the log of requests where there is one. What is logged
    meanwhile goes to `stream`, or to the standard error."""
    import uvloop  # not sooner: only a served backend needs it

    where = sys.stderr if stream is None else stream
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    human = is_human(settings.log, where)
    writer = LogWriter(where)
    handler = StructuredHandler(writer.add, human=human)
    logger = logging.getLogger("homeport")
    logger.addHandler(handler)
    level = logger.level
    if level == logging.NOTSET:  # else Python keeps all but warnings
        logger.setLevel(handler.level)
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    try:
        yield (
            loop,
            None if settings.log is LogFormat.OFF else AccessLog(writer.add, human=human),
        )
    finally:
        loop.close()
        logger.setLevel(level)
        logger.removeHandler(handler)
        writer.close()
        sys.setswitchinterval(before)


def allow_open_files(connections: int) -> int:
    """Let there be an open file for each connection, where the usual limit is 1,024 for all.
    Returns how many connections leave the others their files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(soft // 2, soft - _OTHER_FILES))


_OTHER_FILES: Final = 512
