"""What AWS Lambda calls: builds a backend, watches each event, and answers what went wrong.

The local gateway calls what a function's `build` makes; AWS Lambda calls its `handler`, which is
the same with all this around it. Importing a function's module does nothing: its backend is
built by `start`, in Lambda's init phase, or else when the first event comes.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from homeport.domain.errors import HomeportError, OutcomeUnknown, Unavailable
from homeport.entrypoints.lambdas import observing
from homeport.entrypoints.lambdas.deadline import OutOfTime, deadline
from homeport.entrypoints.lambdas.functions import UnknownEvent
from homeport.entrypoints.lambdas.observing import JsonLines, Observed
from homeport.entrypoints.lambdas.problems import Internal, Result, problem, status_of

Work: TypeAlias = Callable[[Any, Any], Any]
"""(event, context) -> answer."""

ANSWER_BYTES: Final = 6 * 1024 * 1024
"""What Lambda sends at most, the JSON around the body included."""
_ENVELOPE: Final = 32 * 1024
"""Room for status and headers."""
_ESCAPED: Final = 12
"""Bytes that one character of a body becomes at most, where the runtime writes JSON."""
_REQUEST_TEXTS: Final = ("rawPath", "rawQueryString", "routeKey")


class FunctionFailed(Exception):
    """What the runtime, and so whoever called, is told of an error. The log has more."""


class AnswerTooLarge(HomeportError):
    """More than Lambda can send."""

    def __init__(self) -> None:
        super().__init__("The answer is over 6 MB, more than can be sent. Ask for fewer at once.")


class Function:
    """A function that a stream, a queue or API Gateway's authorizer calls.

    An error is logged and goes on to the runtime, so that whoever called tries again.
    """

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._work: Work | None = None
        self._calls: list[str] = []
        self._request_id = ""
        self._is_cold = True
        self._has_logging = False

    def start(self) -> None:
        """Build everything now. What goes wrong is logged, and tried again by each event."""
        self._take_over_logging()
        try:
            self._built()
        except Exception as error:  # noqa: BLE001 - whatever it is, events get to know it
            observing.write(observing.start_failed(self._name, error))
        else:
            self._after_restore()

    def __call__(self, event: Any, context: Any = None) -> Any:
        observed = Observed(self._name, event, context, cold=self._is_cold)
        self._is_cold = False
        self._request_id = str(getattr(context, "aws_request_id", ""))
        self._calls.clear()
        result = None
        try:
            with deadline(context):
                result = self._answer(event, context)
        except (Exception, OutOfTime) as error:  # noqa: BLE001 - each becomes an answer, or goes on
            observed.failed(error)
            if isinstance(error, OutOfTime):
                self._work = None  # it was interrupted anywhere: nothing of it is used again
            result = self._answer_to(error, event)
        finally:
            observing.write(observed.line(result, self._calls))
        return result

    def _answer(self, event: Any, context: Any) -> Any:
        return self._built()(event, context)

    def _answer_to(self, error: BaseException, event: Any) -> Any:
        """What to answer where there was an error; raises where the runtime is to have it.

        The runtime logs the text of what it gets, which of errors that are not ours may quote
        a record: those it gets by their name.
        """
        if isinstance(error, HomeportError | UnknownEvent):
            raise error
        what = "ran out of time" if isinstance(error, OutOfTime) else "failed"
        sentence = f"the function {self._name} {what}: {type(error).__name__}"
        raise FunctionFailed(sentence) from None

    def _built(self) -> Work:
        if self._work is None:
            self._take_over_logging()
            from homeport.container import build
            from homeport.definition import load
            from homeport.definition.settled import settled
            from homeport.entrypoints.lambdas.needs import PARTS, services_of

            folder = Path.cwd()
            definition = settled(folder, os.environ) or load(folder, os.environ)
            backend = build(definition, on_aws_call=self._calls.append)
            module = import_module(f"homeport.entrypoints.lambdas.{self._name}")
            work = self._made(module, backend)
            for part in PARTS.get(self._name, ()):
                getattr(backend, part)
            for service, endpoint in services_of(self._name, definition):
                backend.client(service, endpoint)
            self._work = work
        return self._work

    def _made(self, module: Any, backend: Any) -> Work:
        work: Work = module.build(backend)
        return work

    def _take_over_logging(self) -> None:
        if not self._has_logging and "AWS_LAMBDA_RUNTIME_API" in os.environ:
            observing.take_over_logging(JsonLines(self._name, lambda: self._request_id))
        self._has_logging = True

    def _after_restore(self) -> None:
        """Build anew in each copy of a snapshot: connections and positions are not to be shared.

        The modules are loaded by then, which is most of the work.
        """
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
            return
        from snapshot_restore_py import (  # type: ignore[import-untyped]  # part of the runtime
            register_after_restore,
        )

        self._work = None
        register_after_restore(self.start_again)

    def start_again(self) -> None:
        self._built()


class RequestFunction(Function):
    """A function that API Gateway calls with requests: every error becomes an answer of ours.

    Only an event of another kind goes to the runtime as an error.
    """

    def _made(self, module: Any, backend: Any) -> Work:
        from homeport.entrypoints.lambdas.http import dispatch_for

        dispatch = dispatch_for(self._name, backend, backend.clock, at_once=True)
        return lambda event, _: dispatch(event)

    def _answer(self, event: Any, context: Any) -> Result:
        _check_is_request(self._name, event)
        try:
            return sendable(self._built()(event, context))
        except HomeportError as error:
            if status_of(error) >= 500:
                raise
            return _problem(error, event)

    def _answer_to(self, error: BaseException, event: Any) -> Result:
        match error:
            case UnknownEvent():
                raise error
            case OutOfTime() if event["requestContext"]["http"]["method"] == "GET":
                return _problem(Unavailable("This took too long. Try again."), event)
            case OutOfTime():
                late = OutcomeUnknown("This took too long: it may or may not have been done.")
                return _problem(late, event)
            case HomeportError() if self._work is not None:
                return _problem(error, event)
            case _ if self._work is None:
                # What is wrong with the settings is for whoever reads the log.
                return _problem(Unavailable("The backend is not ready."), event)
            case _:
                return _problem(Internal(), event)


def at_first_event(name: str) -> Function:
    """The `handler` of a function that answers a stream, a queue or API Gateway's authorizer."""
    return Function(name)


def at_first_request(name: str) -> RequestFunction:
    """The `handler` of a function that answers HTTP."""
    return RequestFunction(name)


def sendable(result: Any) -> Result:
    """The answer as the runtime can send it: a large body is base64, which takes a third more,
    where JSON's escapes may take twelve times as much.

    Raises AnswerTooLarge, and TypeError for what API Gateway would not take.
    """
    if not isinstance(result, dict) or type(result.get("statusCode")) is not int:
        raise TypeError("an answer without a status")
    body, headers = result.get("body", ""), result.get("headers", {})
    if not isinstance(body, str) or not isinstance(headers, dict):
        raise TypeError("an answer whose body is no text, or whose headers are no table")
    if not all(isinstance(one, str) for pair in headers.items() for one in pair):
        raise TypeError("an answer with a header that is no text")
    if not body.isascii():
        body.encode()  # half of a surrogate pair would end the runtime itself
    if len(body) * _ESCAPED <= ANSWER_BYTES - _ENVELOPE or result.get("isBase64Encoded"):
        return result
    packed = b64encode(body.encode())
    if len(packed) > ANSWER_BYTES - _ENVELOPE:
        raise AnswerTooLarge
    return {**result, "body": packed.decode("ascii"), "isBase64Encoded": True}


def _check_is_request(function: str, event: Any) -> None:
    known = event if isinstance(event, Mapping) else {}
    request = _table(known, "requestContext")
    texts = [
        *(known.get(name) for name in _REQUEST_TEXTS),
        request.get("requestId"),
        _table(request, "http").get("method"),
    ]
    if (
        known.get("version") != "2.0"
        or not isinstance(known.get("headers"), Mapping)
        or not all(isinstance(one, str) for one in texts)
    ):
        raise UnknownEvent(
            f"the function {function} takes requests of an HTTP API in payload format 2.0, "
            "and this event is none"
        )


def _table(known: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = known.get(name)
    return found if isinstance(found, Mapping) else {}


def _problem(error: HomeportError, event: Mapping[str, Any]) -> Result:
    return problem(error, event["requestContext"]["requestId"], event["rawPath"])
