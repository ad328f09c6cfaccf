"""`POST /2013-01-01/documents/batch`: what is refused before a batch is read, and the replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homeport.testing.cloudsearch import batches
from homeport.testing.cloudsearch.errors import BatchRefused
from homeport.testing.cloudsearch.index import Change
from homeport.testing.cloudsearch.schema import Schema
from homeport.testing.cloudsearch.wire import Reply, Request, front_refusal, reply

_CHARSETS: Final = {
    "utf-8": "utf-8",
    "ascii": "ascii",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
}
_FORMATS: Final = ("application/json", "application/xml")


def refused_by_front(request: Request) -> Reply | None:
    """A reply to a request that no document service would even read."""
    if request.method != "POST":
        return front_refusal(405, "InvalidHttpMethod", "Batches are posted")
    if request.body is None:
        return front_refusal(411, "NoContentLength", "The Content-Length header is missing")
    if len(request.body) > batches.MAX_BATCH:
        return front_refusal(413, "RequestTooLarge", f"More than {batches.MAX_BATCH} bytes")
    if "Content-Type" not in request.headers:
        return front_refusal(400, "NoContentType", "The Content-Type header is missing")
    kind = request.headers.get_content_type()
    if kind not in _FORMATS:
        return front_refusal(415, "InvalidContentType", f"{kind} is neither JSON nor XML")
    if _charset(request) not in _CHARSETS:
        return front_refusal(415, "InvalidCharacterSet", f"Not in {_charset(request)}")
    accept = request.headers.get("Accept", "*/*").split(",")
    accepted = [one.partition(";")[0].strip() for one in accept]
    if not {*_FORMATS, "*/*", "application/*"}.intersection(accepted):
        return front_refusal(406, "InvalidAcceptType", "Replies are JSON or XML")
    return None


def read(request: Request, schema: Schema) -> list[Change]:
    """The changes of a batch that the front let through. Raises `BatchRefused`."""
    if request.headers.get_content_type() == "application/xml":
        raise BatchRefused("The emulator does not speak this: batches in XML")
    if request.headers.get("Accept", "").strip() == "application/xml":
        raise BatchRefused("The emulator does not speak this: replies in XML")
    assert request.body is not None
    try:
        text = request.body.decode(_CHARSETS[_charset(request)])
    except UnicodeDecodeError as exc:
        raise BatchRefused(f"The batch is not in {_charset(request)}: {exc}") from exc
    return batches.read(text, schema)


def accepted(changes: Sequence[Change]) -> Reply:
    adds = sum(change.document is not None for change in changes)
    return reply(200, {"status": "success", "adds": adds, "deletes": len(changes) - adds})


def refused(exc: BatchRefused) -> Reply:
    messages = [{"message": message} for message in exc.messages]
    return reply(
        400,
        {
            "status": "error",
            "adds": 0,
            "deletes": 0,
            "errors": messages,
            "message": str(exc),
            "__type": "#DocumentServiceException",
        },
    )


def _charset(request: Request) -> str:
    return str(request.headers.get_content_charset("utf-8"))
