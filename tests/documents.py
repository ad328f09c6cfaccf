"""How the examples in the documents are run, each by its language.

python     runs, with the names of the document's earlier examples; tests run under pytest
toml       is a definition that loads
json       parses, `...` allowed
sh         runs: what calls the server on 127.0.0.1:8090 against one that is started for it, all
           else in a folder of its own (see commands.py, which lists the few that do not run)
console    the same, for the lines after `$ `; what stands between them is what they print
text       is shown; right below `sh` it is what that prints, `...` allowed
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
from tests import commands
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
    return _run(example, str(example.parsed))


def console(example: Example) -> str | None:
    lines = str(example.parsed).splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    shown = "".join(line for line in lines if not line.startswith("$ "))
    if not typed:
        return "no line is a command: those begin with `$ `"
    return _run(example, "\n".join(typed)) or _compare(shown, example.namespace["printed"][1])


def _run(example: Example, script: str) -> str | None:
    """Run a block's commands, and keep what they print with the place where the block ends."""
    folder: Path = example.namespace["tmp_path"]
    printed = ""
    if _ADDRESS in script:
        needs("the examples for curl", "curl")
        with serving(folder / "data") as server:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script.replace(_ADDRESS, server.address)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        printed = done.stdout
        if done.returncode != 0 or "urn:homeport:problem" in printed:
            return f"{printed}\n{done.stderr}"
    elif not commands.not_run(script.splitlines()):
        printed = commands.run(script, folder / "commands")
    example.namespace["printed"] = (example.region.end, printed)
    return None


def output(example: Example) -> str | None:
    end, printed = example.namespace.get("printed", (0, ""))
    between = example.document.text[end : example.region.start]
    if not end or between.strip():
        return None
    return _compare("".join(str(example.parsed).splitlines()), printed)


def _compare(shown: str, printed: str) -> str | None:
    expected = re.escape(shown).replace(re.escape("..."), ".*")
    return None if re.search(expected, printed, re.DOTALL) else f"it prints:\n{printed}"


PATTERNS = ["README.md", "CONTRIBUTING.md", "docs/*.md", "docs/decisions/*.md"]
PARSERS = [
    CodeBlockParser("python", python),
    CodeBlockParser("toml", toml),
    CodeBlockParser("json", json_text),
    CodeBlockParser("sh", shell),
    CodeBlockParser("console", console),
    CodeBlockParser("text", output),
]
