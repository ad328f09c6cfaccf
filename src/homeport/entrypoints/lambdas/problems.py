"""The errors tree as problem documents (RFC 9457): the only place where an error gets a status."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from homeport.domain import errors
from homeport.domain.model import versions
from homeport.domain.model.data import encode

Result = dict[str, Any]
"""What a handler returns: API Gateway's payload 2.0 answer."""

CONTENT_TYPE: Final = "application/problem+json"
POINTER: Final = 1024
"""Characters of a pointer that an answer has."""


class UnsupportedMediaType(errors.Invalid):
    """The body is of a type that this operation does not take. `accepts` is the one it does."""

    def __init__(self, accepts: str) -> None:
        super().__init__(f"Send the body as {accepts} in UTF-8.")
        self.accepts: Final = accepts


class UnsupportedContentCoding(errors.Invalid):
    """The body is compressed, which no operation takes."""

    def __init__(self, coding: str) -> None:
        super().__init__(f"Send the body as it is, not in the coding {coding[:64]}.")


class MethodNotAllowed(errors.HomeportError):
    """The path exists, but not with this method. `allow` lists the ones it has."""

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"This path answers to {', '.join(allow)}.")
        self.allow: Final = allow


class Malformed(errors.Invalid):
    """What a client sent is no HTTP, or not as it should be."""

    def __init__(self) -> None:
        super().__init__("This is no HTTP request of version 1.0 or 1.1.")


class HeadTooLarge(errors.TooLarge):
    """The request's line and headers are more than anybody needs."""

    def __init__(self) -> None:
        super().__init__("The request's line and headers are too long, or too many.")


class Internal(errors.HomeportError):
    """A fault of ours. What it was is in the log, under the request's id."""

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side; the request's id leads to it.")


_STATUS: Final[dict[type[errors.HomeportError], HTTPStatus]] = {
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Mismatched: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UnsupportedContentCoding: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: errors.HomeportError) -> HTTPStatus:
    """The most specific class that is mapped wins; the root is a fault of ours."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(error: errors.HomeportError, request_id: str, instance: str) -> Result:
    """The answer for an error. `instance` is the request's path, decoded as events have it."""
    status = status_of(error)
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    body: dict[str, Any] = {
        "type": f"urn:homeport:problem:{name}",
        "title": status.phrase,
        "status": int(status),
        "detail": error.detail,
        "instance": quote(instance),
        "request_id": request_id,
    }
    if error.faults:
        body["errors"] = [
            {"pointer": _short(one.pointer), "detail": one.detail} for one in error.faults
        ]
    headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store", **_headers(error)}
    # A pointer or a detail may quote what was sent, and half of a surrogate pair is no UTF-8.
    text = encode(body).encode("utf-8", "replace").decode()
    return {"statusCode": int(status), "headers": headers, "body": text}


def _short(pointer: str) -> str:
    """A pointer quotes names that were sent, which may be as long as a body."""
    return pointer if len(pointer) <= POINTER else f"{pointer[:POINTER]}..."


def _headers(error: errors.HomeportError) -> dict[str, str]:
    match error:
        case errors.Unauthenticated(reason=reason):
            challenge = 'Bearer realm="homeport"'
            if reason:
                challenge += f', error="{reason}", error_description="{error.detail}"'
            return {"www-authenticate": challenge}
        case errors.RateLimited(retry_after=wait) | errors.Unavailable(retry_after=wait):
            return {"retry-after": str(wait)}
        case errors.VersionMismatch(current=current) if current is not None:
            return {"etag": f'"{versions.to_text(current.version)}"'}
        case MethodNotAllowed(allow=allow):
            return {"allow": ", ".join(allow)}
        case UnsupportedMediaType(accepts=accepts) if "merge-patch" in accepts:
            return {"accept-patch": accepts}
        case UnsupportedContentCoding():
            return {"accept-encoding": "identity"}
        case _:
            return {}
