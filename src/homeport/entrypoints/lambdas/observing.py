"""What a function tells of each event: one JSON object on a line, which is a metric as well.

The line is in CloudWatch's embedded metric format: from it come the metrics `requests`,
`errors`, `duration` and `aws_calls`, by function and operation, and nobody has to call
CloudWatch. It never holds a token, a body or a record: of errors that are not ours it has the
type and the stack, not the text, which may quote anything.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final

from homeport.domain.errors import HomeportError
from homeport.entrypoints.lambdas.functions import UnknownEvent

NAMESPACE: Final = "Homeport"
"""Of the metrics, in CloudWatch."""
UNKNOWN: Final = "unknown"

_METRICS: Final = [
    {
        "Namespace": NAMESPACE,
        "Dimensions": [["function"], ["function", "operation"]],
        "Metrics": [
            {"Name": "requests", "Unit": "Count"},
            {"Name": "errors", "Unit": "Count"},
            {"Name": "duration", "Unit": "Milliseconds"},
            {"Name": "aws_calls", "Unit": "Count"},
        ],
    }
]
_FRAMES: Final = 30
_CAUSES: Final = 5


def write(line: Mapping[str, Any]) -> None:
    """One line on stdout, in one piece: threads must not write into each other's."""
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


class Observed:
    """One event, from when it came to when it was answered."""

    def __init__(self, function: str, event: Any, context: Any, *, cold: bool = False) -> None:
        self._began = time.perf_counter()
        self._function = function
        self._event = event if isinstance(event, Mapping) else {}
        self._context = context
        self._cold = cold
        self._error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """Why the event cannot be answered as it should be."""
        self._error = error

    def line(self, result: Any, calls: Iterable[str]) -> dict[str, Any]:
        """What there is to tell. `result` is the answer, None where the runtime gets an error;
        `calls` names each request that went to AWS, as `dynamodb.GetItem`."""
        milliseconds = (time.perf_counter() - self._began) * 1000
        answer = result if isinstance(result, Mapping) else {}
        status = answer.get("statusCode")
        at_fault = status is not None and status >= 500
        failed = at_fault or (self._error is not None and status is None)
        counted = Counter(calls)
        line: dict[str, Any] = {
            "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": _METRICS},
            "time": time_text(time.time()),
            "level": "error" if failed else "info",
            "request_id": self._request_id(),
            "function": self._function,
            "operation": self._operation(),
            "requests": 1,
            "errors": int(failed),
            "duration": round(milliseconds, 3),
            "aws_calls": counted.total(),
        }
        if counted:
            line["calls"] = counted
        if self._cold:
            line["cold"] = True
        if status is not None:
            line["status"] = status
        identity = self._identity(answer)
        if identity is not None:
            line["identity"] = identity
        records = self._event.get("Records")
        if isinstance(records, list):
            line["records"] = len(records)
            line["failed_records"] = len(answer.get("batchItemFailures", ()))
        if self._error is not None:
            line["error"] = told(self._error)
        return line

    def _request_id(self) -> str:
        """API Gateway's, which the caller sees in a problem; the invocation's elsewhere."""
        request = self._event.get("requestContext")
        found = request.get("requestId") if isinstance(request, Mapping) else None
        return str(found or getattr(self._context, "aws_request_id", ""))

    def _operation(self) -> str:
        """The route's key, or where an event's records come from."""
        route = self._event.get("routeKey")
        if isinstance(route, str):
            return route
        records = self._event.get("Records")
        first = records[0] if isinstance(records, list) and records else None
        return str(first.get("eventSource", UNKNOWN)) if isinstance(first, Mapping) else UNKNOWN

    def _identity(self, answer: Mapping[str, Any]) -> str | None:
        """Who is calling, as the authorizer has found out: before this function, or in it."""
        found = answer.get("context")
        if found is None:
            request = self._event.get("requestContext")
            known = request.get("authorizer") if isinstance(request, Mapping) else None
            found = known.get("lambda") if isinstance(known, Mapping) else None
        identity = found.get("id") if isinstance(found, Mapping) else None
        return identity if isinstance(identity, str) else None


def count(function: str, name: str, number: int) -> dict[str, Any]:
    """A metric of its own: a number of something that should not happen."""
    metrics = [
        {
            "Namespace": NAMESPACE,
            "Dimensions": [["function"]],
            "Metrics": [{"Name": name, "Unit": "Count"}],
        }
    ]
    return {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": metrics},
        "time": time_text(time.time()),
        "level": "error",
        "function": function,
        name: number,
    }


def start_failed(function: str, error: BaseException) -> dict[str, Any]:
    """What there is to tell where a function cannot be built."""
    return {
        "time": time_text(time.time()),
        "level": "error",
        "function": function,
        "message": "the function could not start",
        "error": told(error),
    }


def told(error: BaseException) -> dict[str, Any]:
    """An error as a log may have it: its type, its stack, what led to it, and its text only
    where that is certain to quote nothing that was stored or sent."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(chain) < _CAUSES:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    line: dict[str, Any] = {}
    for found in reversed(chain):
        line = _alone(found) | ({"cause": line} if line else {})
    return line


def _alone(error: BaseException) -> dict[str, Any]:
    line: dict[str, Any] = {"type": type(error).__name__}
    detail = _detail(error)
    if detail:
        line["detail"] = detail
    stack = _stack(error.__traceback__)
    if stack:
        line["stack"] = stack
    return line


def _detail(error: BaseException) -> str:
    match error:
        case HomeportError():
            return error.detail
        case ImportError() | UnknownEvent():
            return str(error)
        case OSError():
            return error.strerror or ""
        case _:
            # What AWS refuses, it tells in a text that may quote a key: its code is enough.
            response, operation = (getattr(error, name, None) for name in _OF_AWS)
            code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
            return f"{operation}: {code}" if code else ""


_OF_AWS: Final = ("response", "operation_name")


def _stack(trace: TracebackType | None) -> list[str]:
    """The frames, the outermost first, without their sources."""
    walked = traceback.walk_tb(trace)
    frames = traceback.StackSummary.extract(walked, limit=-_FRAMES, lookup_lines=False)
    return [f"{one.filename}:{one.lineno} {one.name}" for one in frames]


class JsonLines(logging.Handler):
    """What the program and its libraries log, a JSON object a line like everything else."""

    def __init__(self, function: str, request_id: Callable[[], str]) -> None:
        super().__init__(logging.INFO)
        self._function = function
        self._request_id = request_id

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = {
            "time": time_text(record.created),
            "level": record.levelname.lower(),
            "request_id": self._request_id(),
            "function": self._function,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = told(record.exc_info[1])
        write(line)


def take_over_logging(handler: logging.Handler) -> None:
    """Have everything logged through `handler` alone: the runtime's own writes several lines
    for one error."""
    logging.getLogger().handlers[:] = [handler]


def time_text(seconds: float) -> str:
    """RFC 3339 with milliseconds, UTC."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{at}.{int(seconds % 1 * 1000):03d}Z"
