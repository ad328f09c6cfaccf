"""What a handler reads out of an API Gateway event (HTTP API, payload 2.0)."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid, TooLarge, Unauthenticated
from homeport.domain.model import versions
from homeport.domain.model.data import parse_json
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.writes import Expect, Expectation
from homeport.entrypoints.forms import Form, Several
from homeport.entrypoints.lambdas.problems import UnsupportedContentCoding, UnsupportedMediaType

Event = dict[str, Any]

_REASONS = {
    "missing": Unauthenticated("Send an access token: Authorization: Bearer ..."),
    "invalid": Unauthenticated("The access token is not valid.", "invalid_token"),
    "expired": Unauthenticated("The access token has expired.", "invalid_token"),
}


def principal_of(event: Event, now: int) -> Principal:
    """Who is calling, as the authorizer found out; `now` is in seconds since 1970.

    Raises Unauthenticated, also for a token that expired since the authorizer's answer was
    cached.
    """
    context = event["requestContext"].get("authorizer", {}).get("lambda") or {}
    problem = context.get("problem")
    if problem is None and "id" in context:
        if int(context["expires"]) > now:
            return _principal(context["id"], context["kind"], context.get("groups") or "[]")
        problem = "expired"
    reason = _REASONS.get(problem or "missing", _REASONS["missing"])
    raise Unauthenticated(reason.detail, reason.reason)


@lru_cache(1024)
def _principal(id: str, kind: str, groups: str) -> Principal:
    """Who calls once does so again."""
    return Principal(id, Kind(kind), tuple(json.loads(groups)))


def body_text(event: Event, media_type: str) -> str:
    """The body as text. Raises Invalid for a missing one or one that is not UTF-8, TooLarge,
    or UnsupportedMediaType where the content type is not `media_type`."""
    coding = event["headers"].get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedContentCoding(coding)
    declared = event["headers"].get("content-type", "")
    if declared != media_type:
        _check_media_type(declared, media_type)
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            body = b64decode(body, validate=True).decode()
        except (Base64Error, UnicodeDecodeError):
            raise Invalid("The body is not UTF-8.", (Fault("", "not UTF-8"),)) from None
    if not body:
        raise Invalid("The body is missing.", (Fault("", "missing"),))
    if len(body) * 4 > limits.BODY_BYTES and len(body.encode()) > limits.BODY_BYTES:
        raise TooLarge(f"The body is over {limits.BODY_BYTES:,} bytes.")
    return body


def _check_media_type(declared: str, expected: str) -> None:
    name, _, parameters = declared.partition(";")
    if name.strip().lower() != expected:
        raise UnsupportedMediaType(expected)
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "charset" and value.strip('"').lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(expected)


def body_fields(event: Event, form: Form) -> dict[str, Any]:
    """The fields of a JSON body. What it wraps a record's data in does not count as depth: there
    is room for it, and the data is held to its own limit where it is read."""
    value = parse_json(body_text(event, "application/json"), around=limits.NESTING)
    return form.of(value, pointers=True)


def pointed(faults: tuple[Fault, ...], pointers: Mapping[str, str]) -> tuple[Fault, ...]:
    """The faults of parameters where `pointers` say that these stand. One of several values
    (`filter/2`) has a place of its own in a body; in a query string only its name."""
    told = []
    for one in faults:
        name, _, item = one.pointer.partition("/")
        place = pointers.get(name, one.pointer)
        several = item and name in pointers and place.startswith("/")
        told.append(Fault(f"{place}/{item}" if several else place, one.detail))
    return tuple(told)


def parameters(raw: str, form: Form) -> Mapping[str, Any]:
    """The parameters of a query string; one stands twice only where it may.

    Clients repeat themselves: the last short ones are kept, and so what is read is not to be
    changed.
    """
    return _kept_parameters(raw, form) if len(raw) <= _KEPT else _parameters(raw, form)


def _parameters(raw: str, form: Form) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=100)
    except UnicodeDecodeError:
        raise Invalid("The query string is not UTF-8.", (Fault("", "not UTF-8"),)) from None
    except ValueError:
        raise Invalid("The query string holds over 100 parameters.") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        kind = form.fields.get(name)
        if isinstance(kind, Several):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise Invalid("A parameter stands twice.", (Fault(name, "stands twice"),))
        else:
            values[name] = value if kind is None else kind.of_text(value)
    return form.of(values, pointers=False)


_KEPT: Final = 2048
"""Characters of a query string that is kept."""
_kept_parameters = lru_cache(1024)(_parameters)


def expectation(headers: dict[str, str]) -> Expectation | None:
    """What If-Match and If-None-Match ask for; None where neither is there."""
    match = headers.get("if-match")
    none_match = headers.get("if-none-match")
    if match is not None and none_match is not None:
        raise Invalid(
            "If-Match and If-None-Match exclude each other.", (Fault("If-None-Match", "conflict"),)
        )
    if none_match is not None:
        return expect_absent(none_match)
    return None if match is None else expect_match(match)


def expect_absent(none_match: str) -> Expectation:
    if none_match.strip() != "*":
        raise Invalid("A write takes If-None-Match only as *.", (Fault("If-None-Match", "not *"),))
    return Expect.ABSENT


def expect_match(match: str) -> Expectation:
    """The version in an entity tag. A weak one never matches (RFC 9110, 13.1.1)."""
    tag = match.strip()
    if tag == "*":
        return Expect.PRESENT
    weak = tag.startswith("W/")
    quoted = tag.removeprefix("W/")
    if len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"' or '"' in quoted[1:-1]:
        raise Invalid(
            "If-Match is not one entity tag.", (Fault("If-Match", 'one "..." as in ETag, or *'),)
        )
    version = None if weak else versions.from_text(quoted[1:-1])
    return _NO_VERSION if version is None else version


_NO_VERSION: Final = 0
"""Before any that a record has."""
