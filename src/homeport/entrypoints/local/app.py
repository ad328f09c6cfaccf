"""A gateway for a definition: the backend, its Lambda handlers, the operations table's routes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

from homeport.entrypoints import operations
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.exchange import Handler
from homeport.entrypoints.local.limits import ADDRESS, IDENTITY
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import GatewaySettings, LogFormat, Rate

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.definition import Definition


def gateway_for(
    backend: Backend,
    *,
    settings: GatewaySettings | None = None,
    on_listening: Callable[[str], None] | None = None,
    stream: TextIO | None = None,
    workers: int = 0,
) -> Gateway:
    """A gateway that serves every operation of `backend`, with up to `workers` further processes.

    Build the backend with `container.build(definition, offload=greenlets.offload,
    pause=pauses.pause)`, so that slow work leaves the loop free, and searches that come
    together are served together. It stays the caller's to close, after `run`.
    """
    backend.health.needs(backend.index)
    return Gateway(
        backend,
        handlers_of(backend),
        operations.routes(),
        settings_of(backend.definition) if settings is None else settings,
        on_listening=on_listening,
        stream=stream,
        workers=workers,
    )


def number_of_workers(definition: Definition) -> int:
    """As many as the definition says, and there are processors for; none where one process has to
    see all that comes, or what it keeps is where no other sees it."""
    adapters, limits = definition.adapters, definition.limits
    used = {getattr(adapters, port).use for port in adapters.names()}
    if used != {"embedded"} or definition.search.shadow is not None or sys.platform != "linux":
        return 0
    if limits.requests_per_minute_per_address or limits.requests_per_minute_per_identity:
        return 0
    return min(definition.server.workers, len(os.sched_getaffinity(0)) - 1)


def handlers_of(backend: Backend) -> Mapping[str, Handler]:
    """Every Lambda function's handler, by the function's name. Where a service is asked over the
    network, a handler waits in a thread of its own and leaves the loop to others."""
    modules = {
        name: import_module(f"homeport.entrypoints.lambdas.{name}") for name in operations.FUNCTIONS
    }
    handlers = {name: module.build(backend) for name, module in modules.items()}
    if not backend.definition.adapters.distant:
        return handlers
    return {name: partial(greenlets.offload, handler) for name, handler in handlers.items()}


def settings_of(definition: Definition) -> GatewaySettings:
    """What a definition says about the gateway."""
    server = definition.server
    return GatewaySettings(
        host=server.host,
        port=server.port,
        origins=server.cors_origins,
        proxies=server.trusted_proxies,
        log=LogFormat(server.access_log),
        rates=rates_of(definition),
        compress=server.compression,
        metrics=server.metrics,
        concurrent_requests=server.max_requests,
        connections=8 * server.max_requests,
        head_seconds=server.head_seconds,
        body_seconds=server.body_seconds,
        answer_seconds=server.answer_seconds,
    )


def rates_of(definition: Definition) -> Mapping[str, Rate]:
    """How often one address may make guests, sign up, sign in and refresh; and how often an
    address or an identity may ask for anything at all."""
    limits = definition.limits
    own = {"create_guest": limits.guests_per_minute, "sign_up": limits.sign_ups_per_minute}
    rates: dict[str, Rate] = {}
    for one in operations.OPERATIONS:
        times = own.get(one.name, limits.sign_ins_per_minute) if one.limited else 0
        if times:
            rates[one.route_key] = Rate.per_minute(times)
    for name, times in (
        (ADDRESS, limits.requests_per_minute_per_address),
        (IDENTITY, limits.requests_per_minute_per_identity),
    ):
        if times:
            rates[name] = Rate.per_minute(times)
    return rates
