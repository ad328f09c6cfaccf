"""Runs the operations of one Lambda function: an event goes in, an answer comes out.

Each operation is bound to its service method once, when it is first called; a request then
costs a dictionary look-up by `routeKey`, the parsing of what the operation takes, and one call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

from homeport.domain.errors import HomeportError, NotFound
from homeport.domain.model.data import Data
from homeport.domain.ports.clock import Clock
from homeport.entrypoints import operations
from homeport.entrypoints.inputs import NO_PARAMETERS
from homeport.entrypoints.lambdas import requests
from homeport.entrypoints.lambdas.problems import Internal, MethodNotAllowed, Result, problem
from homeport.entrypoints.lambdas.requests import Event
from homeport.entrypoints.operation import Caller, Document, Header, Operation

Handler: TypeAlias = Callable[[Event, object], Result]
"""What AWS Lambda calls: (event, context) -> answer."""

log = logging.getLogger("homeport.requests")


def handler_for(function: str, backend: Any, clock: Clock) -> Handler:
    """The handler of one function, whose every error is an answer."""
    dispatch = dispatch_for(function, backend, clock)

    def handler(event: Event, context: object = None) -> Result:
        try:
            return dispatch(event)
        except HomeportError as error:
            return problem(error, event["requestContext"]["requestId"], event["rawPath"])
        except Exception:
            request_id = event["requestContext"]["requestId"]
            log.exception("request %s failed", request_id)
            return problem(Internal(), request_id, event["rawPath"])

    return handler


def dispatch_for(
    function: str, backend: Any, clock: Clock, *, at_once: bool = False
) -> Callable[[Event], Result]:
    """All operations of one function, and the catch-all route; raises what they raise.

    With `at_once` their services are built now, not when each is first called.
    """
    calls: Mapping[str, Callable[[Event], Result]] = {
        one.route_key: _bind(one, backend, clock, at_once=at_once)
        for one in operations.OPERATIONS
        if one.function == function
    }

    def dispatch(event: Event) -> Result:
        call = calls.get(event["routeKey"])
        return _no_route(event) if call is None else call(event)

    return dispatch


def _bind(
    operation: Operation, backend: Any, clock: Clock, *, at_once: bool
) -> Callable[[Event], Result]:
    find = _finder(operation.calls)
    method: Callable[..., Any] | None = find(backend) if at_once else None
    answer = operation.answer
    known_caller = operation.caller is Caller.IDENTITY
    path = tuple(operation.path_parameters)
    takes_expectation = Header.EXPECTATION in operation.headers
    takes_key = Header.IDEMPOTENCY_KEY in operation.headers
    query, body, around = operation.query, operation.body, operation.around
    transform, pointers = operation.transform, operation.pointers

    def call(event: Event) -> Result:
        nonlocal method
        bound = method
        if bound is None:
            # Builds the service, and loads its module, when first needed.
            bound = method = find(backend)
        arguments: dict[str, Any] = {}
        if known_caller:
            arguments["principal"] = requests.principal_of(event, clock.now() // 1_000_000)
        if path:
            arguments.update(event["pathParameters"])
        raw = event["rawQueryString"]
        if raw or query is not None:
            arguments.update(requests.parameters(raw, query or NO_PARAMETERS))
        headers = event["headers"]
        if takes_expectation and ("if-match" in headers or "if-none-match" in headers):
            arguments["expect"] = requests.expectation(headers)
        if takes_key and "idempotency-key" in headers:
            arguments["idempotency_key"] = headers["idempotency-key"]
        if isinstance(body, Document):
            arguments["data"] = Data.parse(requests.body_text(event, body.value), around)
        elif body is not None:
            arguments.update(requests.body_fields(event, body))
        if transform is not None:
            arguments = transform(arguments)
        try:
            result = bound(**arguments)
        except HomeportError as error:
            if pointers:
                error.faults = requests.pointed(error.faults, pointers)
            raise
        return answer(result, headers) if operation.conditional else answer(result)

    return call


def _finder(calls: str | Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """What finds, in a backend, the method that an operation calls."""
    return attrgetter(calls) if isinstance(calls, str) else lambda _: calls


def _no_route(event: Event) -> Result:
    allow = operations.methods_at(event["rawPath"])
    if allow:
        raise MethodNotAllowed(allow)
    raise NotFound("There is no such path.")
