"""What goes wrong in a function: the caller gets a problem, and the log a line.

Under AWS's own runtime client, with parts that fail on purpose.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.lambda_runtime import events
from tests.lambda_runtime.api import RESPONSE_BYTES
from tests.lambda_runtime.conftest import Start
from tests.lambda_runtime.process import Running
from tests.lambda_runtime.sam import needs_sam

ANN = {"id": "ann", "kind": "user", "expires": int(time.time()) + 3600}
SEARCH = "homeport.entrypoints.lambdas.search.handler"
INDEXING = "homeport.entrypoints.lambdas.indexing.handler"
AUTHORIZER = "homeport.entrypoints.lambdas.authorizer.handler"

FAULTY = {
    "faulty.py": """
import time
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Unavailable

class Index(MemorySearchIndex):
    def search(self, query):
        if "slow" in str(query):
            time.sleep(30)
        if "broken" in str(query):
            raise KeyError("a secret of Ann's")
        return super().search(query)

    def apply(self, documents):
        if "down" in str(documents):
            raise Unavailable("The index is down.") from KeyError("a secret")
        time.sleep(30)
"""
}
STARTING = "from homeport.entrypoints.lambdas.{0} import handler\nhandler.start()\n"


def search_for(running: Running, words: str, method: str = "GET", seconds: float = 30.0) -> Any:
    path = "/v1/search" if method == "POST" else f"/v1/search?q={words}"
    body = {"q": words} if method == "POST" else None
    event = events.request(f"{method} /v1/search", path, token=ANN, body=body)
    return running.invoke(event, seconds).json


def problem_in(answer: Any, status: int) -> Any:
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (
        status,
        "application/problem+json",
    )
    return json.loads(answer["body"])


def test_a_fault_of_ours_is_a_problem_and_tells_no_secret(start: Start) -> None:
    search = start(SEARCH, FAULTY, HOMEPORT_ADAPTERS__SEARCH_INDEX="faulty:Index")
    problem = problem_in(search_for(search, "broken"), 500)
    assert problem["type"] == "urn:homeport:problem:internal"
    (line,) = search.lines()
    assert (line["level"], line["errors"], line["request_id"]) == (
        "error",
        1,
        problem["request_id"],
    )
    assert line["error"]["type"] == "KeyError"
    assert line["error"]["stack"][-1].endswith("faulty.py:11 search")
    assert "secret" not in search.text()
    assert search_for(search, "fine")["statusCode"] == 200


@pytest.mark.parametrize(("method", "kind"), [("GET", "unavailable"), ("POST", "outcome-unknown")])
def test_before_the_time_is_over_the_caller_has_an_answer(
    method: str, kind: str, start: Start
) -> None:
    search = start(SEARCH, FAULTY, HOMEPORT_ADAPTERS__SEARCH_INDEX="faulty:Index")
    assert search_for(search, "fine")["statusCode"] == 200
    began = time.monotonic()
    problem = problem_in(search_for(search, "slow", method, seconds=1.5), 503)
    assert time.monotonic() - began < 1.5
    assert problem["type"] == f"urn:homeport:problem:{kind}"
    _, line = search.lines()
    assert (line["status"], line["error"]["type"]) == (503, "OutOfTime")
    assert "faulty.py:9 search" in " ".join(line["error"]["stack"])
    assert search_for(search, "fine")["statusCode"] == 200


def test_a_batch_that_runs_out_of_time_comes_again(start: Start) -> None:
    indexing = start(INDEXING, FAULTY, HOMEPORT_ADAPTERS__SEARCH_INDEX="faulty:Index")
    outcome = indexing.invoke(events.change("soup", 1 << 40), 1.5)
    assert outcome.error is not None
    assert outcome.error["errorType"] == "FunctionFailed"
    assert "the function indexing ran out of time" in outcome.error["errorMessage"]
    line = indexing.json_lines()[-1]
    assert (line["errors"], line["error"]["type"]) == (1, "OutOfTime")


def test_a_queue_of_sqs_that_the_settings_do_not_know_is_told(start: Start) -> None:
    needs_sam()
    delivery = start("homeport.entrypoints.lambdas.delivery.handler")
    outcome = delivery.invoke(events.sample("sqs/Sqs"))
    assert outcome.error is not None
    assert outcome.error["errorType"] == "Unavailable"
    assert 'adapters.message_queue = "sqs"' in outcome.error["errorMessage"]


def test_what_is_logged_on_the_way_is_a_line_of_json_too(start: Start) -> None:
    indexing = start(INDEXING, FAULTY, HOMEPORT_ADAPTERS__SEARCH_INDEX="faulty:Index")
    again = indexing.invoke(events.change("down", 1 << 40))
    assert again.json == {"batchItemFailures": [{"itemIdentifier": "100"}]}
    warned, line = indexing.lines()
    assert (warned["level"], warned["logger"]) == ("warning", "homeport.indexing")
    assert warned["message"] == "1 of 1 changes come again: The index is down."
    assert (line["failed_records"], line["errors"]) == (1, 0)
    assert "secret" not in indexing.text()


def test_what_cannot_start_says_so_at_init_and_to_every_caller(start: Start) -> None:
    entry = {"entry.py": STARTING.format("search")}
    search = start("entry.handler", entry, HOMEPORT_SERVER__PROT="1")
    problem = problem_in(search_for(search, "soup"), 503)
    assert problem["detail"] == "The backend is not ready."
    started, asked = search.lines()
    assert started["message"] == "the function could not start"
    assert "HOMEPORT_SERVER__PORT" in started["error"]["detail"]
    assert asked["error"]["type"] == started["error"]["type"] == "DefinitionError"


def test_an_authorizer_that_cannot_start_is_an_error_which_nobody_remembers(start: Start) -> None:
    authorizer = start(AUTHORIZER, HOMEPORT_PROFILE="nonsense")
    outcome = authorizer.invoke(events.question("Bearer x"))
    assert outcome.error is not None and outcome.error["errorType"] == "DefinitionError"


def test_a_function_is_built_in_the_init_phase(start: Start) -> None:
    """Before any event comes: its definition may be gone by then."""
    entry = {"entry.py": STARTING.format("health") + "import os\nos.unlink('homeport.toml')\n"}
    definition = {"homeport.toml": 'undeclared_collections = "refuse"\n'}
    health = start("entry.handler", {**entry, **definition})
    asked = events.request("GET /v1/health")
    assert health.invoke(asked).json["statusCode"] == 200
    assert health.invoke(asked).json["statusCode"] == 200


def test_after_a_snapshot_is_restored_the_backend_is_a_new_one(start: Start) -> None:
    entry = STARTING.format("identity") + "print('{\"made\": %s}' % (handler._work is not None))\n"
    files = {"entry.py": entry.replace("%s", '"%s"')}
    identity = start("entry.handler", files, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    guest = identity.invoke(events.request("POST /v1/identity/guest")).json
    assert guest["statusCode"] == 201
    made, _ = identity.lines()
    assert made == {"made": "False"}


ODD = {
    "odd.py": """
from homeport.entrypoints.lambdas.runtime import RequestFunction

ANSWERS = {
    "object": lambda: object(),
    "body": lambda: {"statusCode": 200, "body": object()},
    "status": lambda: {"statusCode": float("nan"), "body": ""},
    "header": lambda: {"statusCode": 200, "headers": {"etag": 7}, "body": ""},
    "surrogate": lambda: {"statusCode": 200, "headers": {}, "body": "\\ud800"},
    "huge": lambda: {"statusCode": 200, "headers": {}, "body": "x" * 6_000_000},
    "quotes": lambda: {"statusCode": 200, "headers": {}, "body": '"' * 4_000_000},
    "letters": lambda: {"statusCode": 200, "headers": {}, "body": "\u0436" * 2_000_000},
}

class Odd(RequestFunction):
    def _made(self, module, backend):
        return lambda event, _: ANSWERS[event["rawQueryString"]]()

handler = Odd("search")
"""
}


@pytest.fixture
def odd(start: Start) -> Running:
    return start("odd.handler", ODD)


def test_what_the_runtime_cannot_send_becomes_a_problem(odd: Running) -> None:
    for kind in ("object", "body", "status", "header", "surrogate"):
        answer = odd.invoke(events.request("GET /v1/search", f"/v1/search?{kind}")).json
        assert problem_in(answer, 500)["type"] == "urn:homeport:problem:internal", kind
        (line,) = odd.lines()
        assert (line["status"], line["errors"]) == (500, 1)
        assert line["error"]["type"] in ("TypeError", "UnicodeEncodeError")


def test_an_answer_over_6_mb_becomes_a_problem(odd: Running) -> None:
    answer = odd.invoke(events.request("GET /v1/search", "/v1/search?huge")).json
    problem = problem_in(answer, 500)
    assert problem["type"] == "urn:homeport:problem:answer-too-large"
    assert "over 6 MB" in problem["detail"]
    assert odd.lines()[0]["error"]["type"] == "AnswerTooLarge"


@pytest.mark.parametrize(("kind", "size"), [("quotes", 4_000_000), ("letters", 4_000_000)])
def test_a_large_answer_is_sent_whatever_its_characters(kind: str, size: int, odd: Running) -> None:
    """A page of 4 MB, which JSON's escapes would make two or three times as large."""
    from base64 import b64decode

    outcome = odd.invoke(events.request("GET /v1/search", f"/v1/search?{kind}"))
    assert outcome.response is not None and len(outcome.response) < RESPONSE_BYTES
    assert outcome.json["isBase64Encoded"] is True
    assert len(b64decode(outcome.json["body"])) == size
