"""Holds answers to the API's description."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from homeport.entrypoints import openapi
from homeport.entrypoints.operation import PREFIX, Operation
from homeport.entrypoints.operations import OPERATIONS


@cache
def description() -> dict[str, Any]:
    return openapi.document()


@cache
def _strict() -> dict[str, Any]:
    """The description, in which no object may have a property that is not described."""
    document = openapi.document()
    for schema in document["components"]["schemas"].values():
        _close(schema)
    return document


def _close(schema: dict[str, Any]) -> None:
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = _strict()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with `value`, by a schema of the description."""
    whole = {**schema, "components": _strict()["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def responses(operation: Operation) -> dict[str, Any]:
    path = _strict()["paths"][PREFIX + operation.path]
    found: dict[str, Any] = path[operation.method.lower()]["responses"]
    return found


def operation_at(method: str, path: str) -> Operation | None:
    """The operation that a request is for. `path` may have a query."""
    bare = path.partition("?")[0]
    for one in OPERATIONS:
        pattern = re.sub(r"\{\w+\}", "[^/]+", PREFIX + one.path)
        if one.method == method and re.fullmatch(pattern, bare):
            return one
    return None


def check(method: str, path: str, status: int, headers: Mapping[str, str], text: str) -> None:
    """Fail unless the answer is one that the description has, with its headers and its body."""
    operation = operation_at(method, path)
    if operation is None:
        return
    where = f"{operation.name} {status}"
    described = responses(operation)
    assert str(status) in described, f"{where} is not described"
    response = resolve(described[str(status)])
    for name, header in response["headers"].items():
        shown = resolve(header)
        value = headers.get(name.lower())
        assert value is not None or not shown.get("required"), f"{where} lacks {name}"
        if value is not None and shown["schema"]["type"] == "string":
            assert faults(shown["schema"], value) == []
    if "content" not in response:
        assert text == "", f"{where} has a body"
        return
    (media_type,) = response["content"]
    assert headers["content-type"] == media_type
    assert faults(response["content"][media_type]["schema"], json.loads(text)) == [], where
