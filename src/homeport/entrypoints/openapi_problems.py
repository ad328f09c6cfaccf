"""The problem documents in the API's description, with examples that `problem` itself makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from homeport.domain import errors
from homeport.domain.errors import Fault
from homeport.domain.model.data import Data, parse_json
from homeport.domain.model.record import Key, Record
from homeport.entrypoints.forms import Schema
from homeport.entrypoints.lambdas import problems
from homeport.entrypoints.openapi_schemas import fields, reference, text
from homeport.entrypoints.operation import PREFIX, Caller, Header, Operation

EXAMPLE_VERSION: Final = 0x000B1F2C4D5E6A7B
REQUEST_ID: Final = "8c6f1f0b5d2e4a90000001a4"
_INSTANCE: Final = f"{PREFIX}/records/me/notes/bread"
_RECORD: Final = Record(
    Key("4kq7m2x5", "notes", "bread"), "4kq7m2x5", EXAMPLE_VERSION, EXAMPLE_VERSION, Data.of({}), ""
)
_INCOMPLETE: Final = "BodyIncomplete"
"""The gateway's own kind of Invalid: its module needs what only a server has installed."""

_EXAMPLES: Final[dict[str, errors.HomeportError]] = {
    "Invalid": errors.Invalid(
        "The query string is not as it should be.", (Fault("limit", "1 to 100"),)
    ),
    _INCOMPLETE: type(_INCOMPLETE, (errors.Invalid,), {})("The body did not arrive in time."),
    "Unauthenticated": errors.Unauthenticated("The access token has expired.", "invalid_token"),
    "Forbidden": errors.Forbidden("Only the backend itself creates in inbox."),
    "NotFound": errors.NotFound(),
    "MethodNotAllowed": problems.MethodNotAllowed(("GET", "HEAD")),
    "Conflict": errors.Conflict("This id is taken."),
    "Gone": errors.Gone("This record has been deleted."),
    "VersionMismatch": errors.VersionMismatch(
        "The record is not as you expect: it is at another version.", _RECORD
    ),
    "TooLarge": errors.TooLarge("The body is over 1,000,000 bytes."),
    "UnsupportedMediaType": problems.UnsupportedMediaType("application/merge-patch+json"),
    "UnsupportedContentCoding": problems.UnsupportedContentCoding("gzip"),
    "Mismatched": errors.Mismatched("This Idempotency-Key came before with another body."),
    "RateLimited": errors.RateLimited("Too many of these requests from your address.", 12),
    "Internal": problems.Internal(),
    "Unavailable": errors.Unavailable("The search index does not answer."),
    "Overloaded": errors.Overloaded("Too many requests are waiting. Try again in a moment."),
    "OutcomeUnknown": errors.OutcomeUnknown("The store's answer was lost."),
}
"""One of each kind, by the name of its class."""

_WHEN: Final = {
    400: "The request breaks a rule; nothing was written.",
    401: "There is no token, or it is bad or expired.",
    403: "The caller can see it, but not do this to it.",
    404: "It is not there, or not for this caller.",
    405: "The path does not have this method.",
    409: "It is there already, or another's, or there are too many.",
    410: "It was deleted, or changes since the checkpoint may be missing: start over.",
    412: "The record is not at the version that was expected.",
    413: "The body, or the record that it would make, is too large.",
    415: "The body is of another content type than this operation takes.",
    422: "The Idempotency-Key came before with another body.",
    429: "Too many requests from one address or identity.",
    500: "A fault of ours: the request's id leads to it in the log.",
    503: "Not now: the same request may succeed later. After `outcome-unknown`, read before "
    "trying again: the write may have happened.",
}

HEADERS: Final[dict[str, Schema]] = {
    "ETag": {"description": "The version, in quotes.", "schema": {"type": "string"}},
    "Location": {
        "description": "The path of what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Cache-Control": {
        "description": "Whether the answer may be kept.",
        "schema": {"type": "string"},
    },
    "X-Request-Id": {"description": "Leads to the log.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "When to try again, in seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "What is wrong with the token (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
    },
    "Allow": {
        "description": "The methods that the path has.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Accept-Patch": {
        "description": "The content type that this takes.",
        "schema": {"type": "string"},
    },
}
ALWAYS: Final = ("Cache-Control", "X-Request-Id")
_OWN_HEADERS: Final = {
    401: "WWW-Authenticate",
    405: "Allow",
    412: "ETag",
    415: "Accept-Patch",
    429: "Retry-After",
    503: "Retry-After",
}


def kinds_of(operation: Operation) -> tuple[str, ...]:
    """The problems that an operation can answer, as keys of the examples."""
    names = [one.__name__ for one in operation.raises]
    # The gateway reads any body, whether or not the operation takes one.
    names += ["Invalid", _INCOMPLETE, "TooLarge", "RateLimited", "Internal"]
    names += ["Unavailable", "Overloaded"]
    if operation.method != "GET":
        names.append("OutcomeUnknown")
    if operation.caller is Caller.IDENTITY:
        names.append("Unauthenticated")
    if operation.body is not None:
        names += ["UnsupportedMediaType", "UnsupportedContentCoding"]
    if operation.path_parameters:
        # A slash inside a parameter makes another path.
        names += ["NotFound", "MethodNotAllowed"]
    if Header.EXPECTATION in operation.headers:
        names.append("VersionMismatch")
    return tuple(name for name in _EXAMPLES if name in names)


def statuses(kinds: Iterable[str]) -> dict[int, tuple[str, ...]]:
    """Kinds by their status, in order."""
    found: dict[int, tuple[str, ...]] = {}
    for name in kinds:
        status = int(problems.status_of(_EXAMPLES[name]))
        found[status] = (*found.get(status, ()), name)
    return dict(sorted(found.items()))


def component_of(kinds: tuple[str, ...]) -> str:
    """The name of the response that several operations share."""
    return "Or".join(kinds)


def response(status: int, kinds: tuple[str, ...]) -> Schema:
    """A response component for problems of one status."""
    names = [*ALWAYS, *((_OWN_HEADERS[status],) if status in _OWN_HEADERS else ())]
    examples = {name: {"value": example(name)} for name in kinds}
    return {
        "description": _WHEN[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            problems.CONTENT_TYPE: {"schema": reference("Problem"), "examples": examples},
        },
    }


def example(kind: str) -> Any:
    """A problem document as clients get it."""
    return parse_json(_result(kind)["body"])


def example_headers(kind: str) -> dict[str, str]:
    """The headers that it comes with."""
    headers: dict[str, str] = _result(kind)["headers"]
    return headers


def _result(kind: str) -> problems.Result:
    return problems.problem(_EXAMPLES[kind], REQUEST_ID, _INSTANCE)


def types() -> Iterator[str]:
    """The `type` of each kind."""
    return (example(kind)["type"] for kind in _EXAMPLES)


def schemas() -> dict[str, Schema]:
    fault = fields(
        {
            "pointer": text("A JSON pointer into the body, or a parameter's or header's name."),
            "detail": text("What is wrong there."),
        }
    )
    problem = fields(
        {
            "type": text("Which problem it is.", format="uri", enum=list(types())),
            "title": text("The status in words."),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": text("A sentence for people."),
            "instance": text("The request's path.", format="uri-reference"),
            "request_id": text("Leads to the log."),
            "errors": {"type": "array", "items": reference("Fault")},
        },
        "errors",
    )
    described = {**problem, "description": "A problem document (RFC 9457)."}
    return {"Fault": fault, "Problem": described}
