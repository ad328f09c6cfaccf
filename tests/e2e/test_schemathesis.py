"""Schemathesis asks the running server whatever its document allows, and what it does not.

All checks, all phases, its stateful one too, as a guest. SCHEMATHESIS_EXAMPLES=200 makes a longer
run, and SCHEMATHESIS_SEED=7 another one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from homeport.entrypoints.operations import OPERATIONS
from tests.clients import Client, new_guest
from tests.servers import serving

_ROOT = Path(__file__).parents[2]
_SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
_EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "10"))
_SEED = os.environ.get("SCHEMATHESIS_SEED", "1")
_SECONDS = 150 + 30 * _EXAMPLES
_CONFIGURATION = """\
hooks = "tests.e2e.description_checks"

# What fits the document may still meet the state of things: a record at another version (412),
# deleted (410), or created by this key with another body (422); a wrong password (401). A 400 is
# looked into by a check of our own, which knows what no schema can say.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 410, 412, 422]
"""


def test_no_answer_differs_from_the_document(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    # From a file: Schemathesis leaves out the operation that it has read a document with.
    document = tmp_path / "openapi.json"
    with serving(tmp_path / "data") as server:
        with Client(server.address) as client:
            token = new_guest(client).token
            document.write_text(client.ask("GET", "/v1/openapi.json").text)
        done = subprocess.run(
            [
                _SCHEMATHESIS,
                "run",
                document,
                *("--url", server.url),
                *("--header", f"Authorization: Bearer {token}"),
                *("--checks", "all"),
                *("--phases", "examples,coverage,fuzzing,stateful"),
                *("--max-examples", str(_EXAMPLES)),
                *("--seed", _SEED),
                *("--generation-database", "none"),
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == 0, told
        with Client(server.address) as client:
            assert client.ask("GET", "/v1/health").status == 200
    operations = len(OPERATIONS)
    assert f"Tested: {operations}\n" in told, told
    cases = re.search(r"Test cases:\n\s*(.+)", told)
    assert cases is not None, told
    figures(f"{operations} operations, {_EXAMPLES} examples each at most: {cases[1]}")
