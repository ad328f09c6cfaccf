"""The documents name what exists: operations, commands, targets, files and exit codes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from homeport.definition import BUILT_IN, STARTER, Definition, Search
from homeport.definition.models import PROFILES
from homeport.domain import errors
from homeport.entrypoints.cli.arguments import parser
from homeport.entrypoints.cli.exits import MEANINGS
from homeport.entrypoints.lambdas import problems
from homeport.entrypoints.local.bodies import BodyIncomplete
from homeport.entrypoints.operation import PREFIX
from homeport.entrypoints.operations import OPERATIONS
from tests import commands
from tests.documents import PATTERNS

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]


_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(\$ |(homeport|make|pip|curl|git|python3?|\S*/python) )", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """The language and the text of every block of every document."""
    return [block for document in DOCUMENTS for block in _BLOCK.findall(document.read_text())]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in blocks()} == {
        "python", "toml", "json", "sh", "console", "text",
    }  # fmt: skip
    commands_as_text = [
        text for language, text in blocks() if language == "text" and _COMMAND.search(text)
    ]
    assert commands_as_text == []


def test_every_document_with_blocks_is_collected() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    chosen = settings["tool"]["pytest"]["ini_options"]["testpaths"]
    for document in DOCUMENTS:
        path = document.relative_to(REPOSITORY)
        if not _BLOCK.search(document.read_text()):
            continue
        assert {path.parts[0], str(path)} & set(chosen), path
        assert any(path.match(pattern) for pattern in PATTERNS), path


def test_commands_that_do_not_run_are_in_the_documents() -> None:
    lines = {line for language, text in blocks() if language == "sh" for line in text.splitlines()}
    assert set(commands.NOT_RUN) - lines == set()
    assert all(reason for reason, _ in commands.NOT_RUN.values())


@pytest.mark.parametrize(
    "script",
    [
        "homeport no-such-command",
        "homeport index status --no-such-option",
        "homeport records get public recipes nothing",
        "homeport identity show nobody | cat\nhomeport version",
        "homeport serve --no-such-option",
        "make no-such-target",
    ],
)
def test_a_command_that_fails_is_noticed(script: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        commands.run(script, tmp_path / "folder")


@pytest.mark.parametrize(
    "line", ["make mutated ARGS=src/homeport/domain/access.py", "make bench", "homeport version"]
)
def test_what_is_not_listed_runs(line: str) -> None:
    assert not commands.not_run([line, *commands.NOT_RUN])


def test_the_api_page_has_every_operation_and_no_other() -> None:
    page = (REPOSITORY / "docs" / "http-api.md").read_text()
    written = set(re.findall(r"^\| `([A-Z]+ /v1/[^`]*)` \|", page, re.MULTILINE))
    assert written == {f"{one.method} {PREFIX}{one.path}" for one in OPERATIONS}


def test_the_api_page_has_every_problem_with_its_status() -> None:
    page = (REPOSITORY / "docs" / "http-api.md").read_text()
    written = {
        (int(status), name)
        for status, names in re.findall(r"^\| (\d{3}) \| ([^|]*) \|", page, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert written == {
        (int(problems.status_of(kind.__new__(kind))), _hyphenated(kind.__name__))
        for kind in _kinds(errors.HomeportError)
        # Others, such as a port that is taken, end the program instead.
        if kind is BodyIncomplete or kind.__module__ in (errors.__name__, problems.__name__)
    }


def _kinds(root: type[errors.HomeportError]) -> list[type[errors.HomeportError]]:
    """Every error under `root`."""
    direct = root.__subclasses__()
    return [*direct, *(one for kind in direct for one in _kinds(kind))]


def _hyphenated(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def test_the_definition_page_has_every_key_with_its_default() -> None:
    page = (REPOSITORY / "docs" / "definition-file.md").read_text()
    rows = dict(
        re.findall(r"^\| `(?:server|limits)\.(\w+)` \| `?([^|`]*)`? \|", page, re.MULTILINE)
    )
    definition = Definition()
    for table in (definition.server, definition.limits):
        for name, value in vars(table).items():
            if name not in ("host", "port", "cors_origins", "trusted_proxies"):
                shown = str(value).lower() if isinstance(value, bool) else str(value)
                assert rows[name].strip() == shown


def test_the_definition_page_has_every_language() -> None:
    page = (REPOSITORY / "docs" / "definition-file.md").read_text()
    (row,) = re.findall(r"^\| `search\.language` \| `en` \| (.+) \|$", page, re.MULTILINE)
    listed = re.findall(r"`(\w+)`", row.partition("One of ")[2].partition(":")[0])
    assert tuple(listed) == get_args(get_type_hints(Search)["language"])


def test_the_definition_page_has_every_adapter_and_every_key_of_aws() -> None:
    page = (REPOSITORY / "docs" / "definition-file.md").read_text()
    for port, adapters in BUILT_IN.items():
        names = ", ".join(f"`{one}`" for one in adapters)
        chosen = PROFILES["aws"][port]
        assert f"| `{port}` | {names} | `{chosen}` |" in page
    rows = dict(re.findall(r"^\| `aws\.([\w.]+)` \| `?([^|`]*?)`? \|", page, re.MULTILINE))
    aws = Definition().aws
    keys = {name: value for name, value in vars(aws).items() if name != "push_applications"}
    push = vars(aws.push_applications)
    keys |= {f"push_applications.{name}": value for name, value in push.items()}
    assert set(rows) == set(keys)
    for name, value in keys.items():
        if value is not None:
            assert rows[name] == value
    for name in (*keys, *BUILT_IN):
        assert name.partition(".")[0] in STARTER


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    text = document.read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", text)) <= targets
    for command in re.findall(r"^homeport (.+?)(?: *#.*)?$", text, re.MULTILINE):
        parser().parse_args(command.partition(" < ")[0].split())
    for command in re.findall(r"`homeport ([a-z]+)", text):
        assert command in parser().format_help()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"`(homeport/[\w/]+(?:\.py|/))`", document.read_text())
    assert [name for name in named if not (REPOSITORY / "src" / name).exists()] == []


def test_exit_codes_are_as_written() -> None:
    page = (REPOSITORY / "docs" / "operating.md").read_text()
    written = dict(re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE))
    assert {int(code) for code in written} == set(MEANINGS)
    for code, meaning in MEANINGS.items():
        assert meaning[:12] in written[str(int(code))]
