"""How the examples in the documents are run, each by its language.

python     runs, with the names of the document's earlier examples; tests run under pytest
toml       is a definition that loads
json       parses, `...` allowed
sh         what calls the server on 127.0.0.1:8090 runs against one that is started for it
console, text   are shown, not run
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from sybil.evaluators.python import PythonEvaluator
from sybil.example import Example
from sybil.parsers.markdown import CodeBlockParser

from homeport.definition import load
from tests.servers import serving
from tests.tools import needs

_TEST = re.compile(r"^(def test_|class Test)", re.MULTILINE)
_ADDRESS = "127.0.0.1:8090"
_python = PythonEvaluator()


def python(example: Example) -> str | None:
    source = str(example.parsed)
    earlier: list[str] = example.namespace.setdefault("earlier", [])
    if _TEST.search(source) is None:
        earlier.append(source)
        _python(example)
        return None
    folder: Path = example.namespace["tmp_path"]
    (folder / "conftest.py").write_text('pytest_plugins = ["homeport.testing.backend"]\n')
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_example.py").write_text("\n".join([*earlier, source]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else done.stdout + done.stderr


def toml(example: Example) -> None:
    folder: Path = example.namespace["tmp_path"]
    source = str(example.parsed)
    name = "pyproject.toml" if "[tool.homeport" in source else "homeport.toml"
    (folder / name).write_text(source)
    load(folder / name, {})


def json_text(example: Example) -> None:
    shown = str(example.parsed)
    whole = re.sub(r"\{\s*\.\.\.\s*\}", "{}", shown)
    json.loads(re.sub(r"\[\s*\.\.\.\s*\]", "[]", whole))


def shell(example: Example) -> str | None:
    script = str(example.parsed)
    if _ADDRESS not in script:
        return None
    needs("the examples for curl", "curl")
    folder: Path = example.namespace["tmp_path"]
    with serving(folder / "data") as server:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(_ADDRESS, server.address)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0 or "urn:homeport:problem" in done.stdout:
        return f"{done.stdout}\n{done.stderr}"
    example.namespace["output"] = done.stdout
    return None


def output(example: Example) -> str | None:
    printed: str | None = example.namespace.pop("output", None)
    if printed is None:
        return None
    shown = "".join(str(example.parsed).splitlines())
    expected = re.escape(shown).replace(re.escape("..."), ".*")
    return None if re.search(expected, printed, re.DOTALL) else f"it prints:\n{printed}"


PARSERS = [
    CodeBlockParser("python", python),
    CodeBlockParser("toml", toml),
    CodeBlockParser("json", json_text),
    CodeBlockParser("sh", shell),
    CodeBlockParser("text", output),
]
