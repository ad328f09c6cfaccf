"""The API's description: an OpenAPI 3.1 document, made from the table of operations.

Loaded when somebody asks for it: a server's start does not wait for what is said here.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

import homeport
from homeport.entrypoints import openapi_problems as problems
from homeport.entrypoints import openapi_schemas as schemas
from homeport.entrypoints.forms import Form, Schema
from homeport.entrypoints.lambdas import answers
from homeport.entrypoints.openapi_examples import ANSWERED, LINKS, PARAMETERS, SENT
from homeport.entrypoints.operation import PREFIX, Caller, Document, Header, Operation
from homeport.entrypoints.operations import OPERATIONS

VERSION: Final = "3.1.0"
SCHEME: Final = "accessToken"

_DESCRIPTION: Final = """\
A mobile backend: records, search and messages.

Every answer of status 400 and above is a problem document (RFC 9457). A path that does not exist \
answers 404, a method that a path does not have 405 with `Allow`. `HEAD` works wherever `GET` \
does. A body is at most 1,000,000 bytes of UTF-8; a parameter, header value or field that is not \
described is refused or, for headers, ignored."""
_TAGS: Final = {
    "records": "What users keep.",
    "search": "Find it again.",
    "messages": "Users write to each other, and to each other's devices.",
    "identity": "Who somebody is.",
    "service": "The backend itself.",
}
_TAG_OF: Final = {
    "changes": "records",
    "suggest": "search",
    "devices": "messages",
    "blocks": "messages",
    "health": "service",
    "openapi.json": "service",
}
"""By the first segment of a path, where it is not the tag itself."""

_ANSWERS: Final = {
    answers.created: "Record",
    answers.read: "Record",
    answers.stored: "Record",
    answers.changed: "Record",
    answers.page: "RecordPage",
    answers.batch: "WriteResults",
    answers.changes: "Changes",
    answers.found: "SearchResult",
    answers.suggestions: "Suggestions",
    answers.message_accepted: "Message",
    answers.message: "Message",
    answers.devices: "Devices",
    answers.device: "Device",
    answers.blocks: "Blocks",
    answers.session: "Session",
    answers.session_created: "Session",
    answers.accepted: "Accepted",
    answers.identity: "Identity",
    answers.health: "Health",
    answers.described: "Description",
}
"""What each kind of answer looks like; those that are missing have no body."""
_TAGGED: Final = frozenset({"Record", "Message", "Description"})
"""Answers with an ETag."""
_LOCATED: Final = frozenset({answers.created, answers.stored, answers.message_accepted})
_SAID: Final = {
    200: "Done.",
    201: "It was created.",
    202: "It was accepted.",
    204: "Done; there is nothing to say.",
    304: "It is what the caller has already.",
}


@cache
def text() -> str:
    """The document as JSON."""
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":"))


def document() -> dict[str, Any]:
    """The document. Each call makes a new one."""
    paths: dict[str, dict[str, Any]] = {}
    shared: dict[str, Schema] = {}
    used: list[Form] = []
    for one in OPERATIONS:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one, shared)
        if isinstance(one.body, Form) and one.body not in used:
            used.append(one.body)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Homeport",
            "version": homeport.__version__,
            "summary": "The HTTP API of a mobile backend.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this document came from."}],
        "security": [{SCHEME: []}],
        "tags": [{"name": name, "description": told} for name, told in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {
                **schemas.ANSWERS,
                "Description": {"type": "object", "description": "This document."},
                **schemas.bodies(used),
                **problems.schemas(),
            },
            "responses": shared,
            "headers": problems.HEADERS,
            "securitySchemes": {
                SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The access token of a session: `create_guest` gives one.",
                }
            },
        },
    }


def _operation(one: Operation, shared: dict[str, Schema]) -> Schema:
    made: Schema = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [_tag(one)],
        "parameters": _parameters(one),
        "responses": _responses(one, shared),
    }
    if one.body is not None:
        made["requestBody"] = _body(one)
    if one.caller is Caller.ANYBODY:
        made["security"] = []
    return made


def _tag(one: Operation) -> str:
    segment = one.path.split("/")[1]
    return _TAG_OF.get(segment, segment)


def _parameters(one: Operation) -> list[Schema]:
    made: list[Schema] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas.COLLECTION if name == "collection" else schemas.ID,
            **PARAMETERS[name],
        }
        for name in one.path_parameters
    ]
    if one.query is not None:
        asked = schemas.of_form(one.query)
        for name, schema in asked["properties"].items():
            bare = schemas.not_null(schema)
            told = bare.pop("description", "")
            required = name in asked.get("required", ())
            parameter = {"name": name, "in": "query", "required": required, "schema": bare}
            made.append({**parameter, "description": told})
    if Header.EXPECTATION in one.headers:
        made += [PARAMETERS["If-Match"], PARAMETERS["If-None-Match"]]
    if Header.IDEMPOTENCY_KEY in one.headers:
        made.append(PARAMETERS["Idempotency-Key"])
    if one.conditional:
        made.append(PARAMETERS["known"])
    return made


def _body(one: Operation) -> Schema:
    kind, name = Document.JSON, "RecordData"
    if isinstance(one.body, Document):
        kind = one.body
        if kind is Document.MERGE_PATCH:
            name = "MessagePatch" if one.function == "messages" else "RecordPatch"
    elif one.body is not None:
        name = one.body.name
    content: Schema = {"schema": schemas.reference(name)}
    if one.name in SENT:
        content["examples"] = {"usual": {"value": SENT[one.name]}}
    return {"required": True, "content": {kind.value: content}}


def _responses(one: Operation, shared: dict[str, Schema]) -> Schema:
    made: Schema = {str(status): _success(one, status) for status in one.statuses}
    for status, kinds in problems.statuses(problems.kinds_of(one)).items():
        name = problems.component_of(kinds)
        shared.setdefault(name, problems.response(status, kinds))
        made[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return made


def _success(one: Operation, status: int) -> Schema:
    shape = _ANSWERS.get(one.answer)
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in problems.ALWAYS}
    if shape in _TAGGED:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    if one.answer in _LOCATED and status in (201, 202):
        headers["Location"] = {"$ref": "#/components/headers/Location"}
    made: Schema = {"description": _SAID[status], "headers": headers}
    if shape is not None and status != 304:
        content: Schema = {"schema": schemas.reference(shape)}
        if shape in ANSWERED:
            content["examples"] = {"usual": {"value": ANSWERED[shape]}}
        made["content"] = {answers.JSON: content}
        if one.name in LINKS:
            made["links"] = LINKS[one.name]
    return made
