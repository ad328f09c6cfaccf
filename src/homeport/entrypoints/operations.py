"""The one table of HTTP operations.

From it come the dispatch of every Lambda function, the local gateway's routes, `homeport
routes` and the API's description. Adding an operation is one entry here and one method of a
service. A service method gets, by name: `principal`, the path's and the query's parameters,
`data` or the fields of the body, and `expect` or `idempotency_key` from the headers.
"""

from __future__ import annotations

import re
from typing import Final

from homeport.domain import errors, limits
from homeport.entrypoints import arguments, inputs
from homeport.entrypoints.lambdas import answers
from homeport.entrypoints.operation import PREFIX, Caller, Document, Header, Operation

CATCH_ALL: Final = "$default"
CATCH_ALL_FUNCTION: Final = "health"


def description() -> str:
    """The API's description, made when it is first asked for."""
    from homeport.entrypoints import openapi

    return openapi.text()


_RECORD = "/records/{space}/{collection}/{id}"

OPERATIONS: Final = (
    Operation(
        "create_record",
        "POST",
        "/records/{space}/{collection}",
        "records",
        "records.create",
        answers.created,
        statuses=(201,),
        body=Document.JSON,
        headers=(Header.IDEMPOTENCY_KEY,),
        summary="Create a record",
        raises=(errors.Conflict, errors.Forbidden, errors.Gone, errors.Mismatched, errors.NotFound),
    ),
    Operation(
        "get_record",
        "GET",
        _RECORD,
        "records",
        "records.get",
        answers.read,
        statuses=(200, 304),
        conditional=True,
        summary="Read a record",
        raises=(errors.NotFound,),
    ),
    Operation(
        "put_record",
        "PUT",
        _RECORD,
        "records",
        "records.put",
        answers.stored,
        statuses=(200, 201),
        body=Document.JSON,
        headers=(Header.EXPECTATION,),
        summary="Create or replace a record",
        raises=(errors.Forbidden, errors.NotFound, errors.VersionMismatch),
    ),
    Operation(
        "patch_record",
        "PATCH",
        _RECORD,
        "records",
        "records.patch",
        answers.changed,
        body=Document.MERGE_PATCH,
        headers=(Header.EXPECTATION,),
        summary="Merge changes into a record",
        raises=(errors.Forbidden, errors.NotFound, errors.VersionMismatch),
    ),
    Operation(
        "delete_record",
        "DELETE",
        _RECORD,
        "records",
        "records.delete",
        answers.nothing,
        statuses=(204,),
        headers=(Header.EXPECTATION,),
        summary="Delete a record",
        raises=(errors.Forbidden, errors.NotFound, errors.VersionMismatch),
    ),
    Operation(
        "list_records",
        "GET",
        "/records/{space}/{collection}",
        "records",
        "records.page",
        answers.page,
        query=inputs.PAGE_PARAMETERS,
        transform=arguments.page,
        summary="List a collection",
        raises=(errors.NotFound,),
    ),
    Operation(
        "write_batch",
        "POST",
        "/records/{space}",
        "records",
        "records.batch",
        answers.batch,
        body=inputs.BATCH_BODY,
        transform=arguments.batch,
        summary="Do several writes, all or none",
        raises=(
            errors.Conflict,
            errors.Forbidden,
            errors.Gone,
            errors.NotFound,
            errors.VersionMismatch,
        ),
    ),
    Operation(
        "list_changes",
        "GET",
        "/changes/{space}",
        "records",
        "records.changes",
        answers.changes,
        query=inputs.CHANGES_PARAMETERS,
        summary="Follow what changes in a space",
        raises=(errors.Gone, errors.NotFound),
    ),
    Operation(
        "search",
        "GET",
        "/search",
        "search",
        "search.search",
        answers.found,
        query=inputs.SEARCH_PARAMETERS,
        transform=arguments.search_parameters,
        pointers=arguments.SEARCH_NAMES,
        summary="Search",
        raises=(errors.NotFound,),
    ),
    Operation(
        "search_structured",
        "POST",
        "/search",
        "search",
        "search.search",
        answers.found,
        body=inputs.SEARCH_BODY,
        transform=arguments.search,
        pointers=arguments.SEARCH_POINTERS,
        summary="Search, with a JSON body",
        raises=(errors.NotFound,),
    ),
    Operation(
        "suggest",
        "GET",
        "/suggest",
        "search",
        "search.suggest",
        answers.suggestions,
        query=inputs.SUGGEST_PARAMETERS,
        summary="Complete a word",
        raises=(errors.NotFound,),
    ),
    Operation(
        "send_message",
        "POST",
        "/messages",
        "messages",
        "messages.send",
        answers.message_accepted,
        statuses=(202,),
        body=inputs.MESSAGE_BODY,
        headers=(Header.IDEMPOTENCY_KEY,),
        summary="Send a message",
        raises=(errors.Gone, errors.Mismatched),
    ),
    Operation(
        "get_message",
        "GET",
        "/messages/{id}",
        "messages",
        "messages.get",
        answers.message,
        summary="Read a message that was sent",
        raises=(errors.NotFound,),
    ),
    Operation(
        "patch_message",
        "PATCH",
        "/messages/{id}",
        "messages",
        "messages.patch",
        answers.message,
        body=Document.MERGE_PATCH,
        around=limits.NESTING,
        transform=arguments.message_patch,
        summary="Change a message that was sent",
        raises=(errors.NotFound,),
    ),
    Operation(
        "delete_message",
        "DELETE",
        "/messages/{id}",
        "messages",
        "messages.delete",
        answers.nothing,
        statuses=(204,),
        summary="Take a message back",
        raises=(errors.NotFound,),
    ),
    Operation(
        "list_devices",
        "GET",
        "/devices",
        "messages",
        "devices.list",
        answers.devices,
        summary="List one's devices",
    ),
    Operation(
        "put_device",
        "PUT",
        "/devices/{device}",
        "messages",
        "devices.put",
        answers.device,
        body=inputs.DEVICE_BODY,
        transform=arguments.device,
        summary="Register a device for pushes",
        raises=(errors.Conflict,),
    ),
    Operation(
        "delete_device",
        "DELETE",
        "/devices/{device}",
        "messages",
        "devices.delete",
        answers.nothing,
        statuses=(204,),
        transform=arguments.device_id,
        summary="Forget a device",
        raises=(errors.NotFound,),
    ),
    Operation(
        "list_blocks",
        "GET",
        "/blocks",
        "messages",
        "blocks.list",
        answers.blocks,
        summary="List whom one blocks",
    ),
    Operation(
        "put_block",
        "PUT",
        "/blocks/{identity}",
        "messages",
        "blocks.put",
        answers.nothing,
        statuses=(204,),
        summary="Block an identity",
        raises=(errors.Conflict,),
    ),
    Operation(
        "delete_block",
        "DELETE",
        "/blocks/{identity}",
        "messages",
        "blocks.delete",
        answers.nothing,
        statuses=(204,),
        summary="Unblock an identity",
        raises=(errors.NotFound,),
    ),
    Operation(
        "create_guest",
        "POST",
        "/identity/guest",
        "identity",
        "identities.guest",
        answers.session_created,
        statuses=(201,),
        caller=Caller.ANYBODY,
        limited=True,
        summary="Become a guest",
    ),
    Operation(
        "sign_up",
        "POST",
        "/identity/sign-up",
        "identity",
        "identities.sign_up",
        answers.accepted,
        statuses=(202,),
        caller=Caller.ANYBODY,
        body=inputs.ACCOUNT_BODY,
        limited=True,
        summary="Ask for an account",
    ),
    Operation(
        "sign_in",
        "POST",
        "/identity/sign-in",
        "identity",
        "identities.sign_in",
        answers.session,
        caller=Caller.ANYBODY,
        body=inputs.ACCOUNT_BODY,
        limited=True,
        summary="Sign in",
        raises=(errors.Unauthenticated,),
    ),
    Operation(
        "refresh",
        "POST",
        "/identity/refresh",
        "identity",
        "identities.refresh",
        answers.session,
        caller=Caller.ANYBODY,
        body=inputs.REFRESH_BODY,
        limited=True,
        summary="Renew a session",
        raises=(errors.Unauthenticated,),
    ),
    Operation(
        "who_am_i",
        "GET",
        "/identity",
        "identity",
        "identities.get",
        answers.identity,
        summary="Tell who is calling",
    ),
    Operation(
        "check_health",
        "GET",
        "/health",
        "health",
        "health.check",
        answers.health,
        caller=Caller.ANYBODY,
        query=inputs.HEALTH_PARAMETERS,
        summary="Tell whether the backend works, or is at least there",
    ),
    Operation(
        "describe",
        "GET",
        "/openapi.json",
        "health",
        description,
        answers.described,
        statuses=(200, 304),
        caller=Caller.ANYBODY,
        conditional=True,
        summary="Describe this API",
    ),
)

FUNCTIONS: Final = tuple(dict.fromkeys(one.function for one in OPERATIONS))


def routes() -> dict[str, str]:
    """Every route key and the function that serves it, the catch-all included."""
    table = {one.route_key: one.function for one in OPERATIONS}
    return {**table, CATCH_ALL: CATCH_ALL_FUNCTION}


def limited_routes() -> frozenset[str]:
    """The route keys of all that one address may do only so often."""
    return frozenset(one.route_key for one in OPERATIONS if one.limited)


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path answers to, for 405; empty where there is no such path."""
    methods = [method for method, matches in _patterns if matches(path)]
    if "GET" in methods:
        methods.append("HEAD")
    return tuple(methods)


_patterns = tuple(
    (one.method, re.compile(re.sub(r"\{\w+\}", "[^/]+", PREFIX + one.path)).fullmatch)
    for one in OPERATIONS
)
