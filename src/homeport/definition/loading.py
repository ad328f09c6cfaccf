"""Reads a definition: the file, then the environment over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from homeport.definition.environment import PREFIX, EnvironmentText
from homeport.definition.forms import Misfit
from homeport.definition.models import Definition
from homeport.definition.problems import (
    DefinitionError,
    Problem,
    dotted,
    explain,
)
from homeport.definition.starter import STARTER
from homeport.definition.toml_lines import Path as KeyPath
from homeport.definition.toml_lines import key_lines
from homeport.domain import limits
from homeport.domain.errors import Invalid
from homeport.domain.model.data import parse_json

FILE_NAME: Final = "homeport.toml"
_PROJECT_FILE: Final = "pyproject.toml"
_PROJECT_TABLE: Final = ("tool", "homeport")
_SHORT_FOR: Final = {"adapters": "use", "collections": "role"}
"""The key that a text stands for where a table is wanted, by the first key of its path."""


def locate(folder: Path) -> Path | None:
    """The file in `folder` that holds a definition, None where there is none.

    Raises DefinitionError where both files have one.
    """
    own, project = folder / FILE_NAME, folder / _PROJECT_FILE
    if own.is_file():
        if project.is_file() and "[tool.homeport" in _read(project):
            reason = f"{_PROJECT_FILE} has [tool.homeport] as well: keep one of the two"
            raise DefinitionError([Problem(str(own), "", reason)])
        return own
    if project.is_file() and _table(_parse(_read(project), project), _PROJECT_TABLE) is not None:
        return project
    return None


def load(folder_or_file: Path, environ: Mapping[str, str]) -> Definition:
    """The definition in a folder or file, with the HOMEPORT_* variables of `environ` over it.

    A folder without one gets the starter's. HOMEPORT_SERVER__PORT is `server.port`: two
    underscores stand for a dot; where no text is wanted, the value is read as TOML. The data
    folder and the schemas' files count from the file's folder, those from the environment from
    the working folder.
    Raises DefinitionError with every problem that it found.
    """
    folder_or_file = Path(folder_or_file)
    file = locate(folder_or_file) if folder_or_file.is_dir() else folder_or_file
    root: KeyPath = ()
    if file is None:
        folder, label, text = folder_or_file, FILE_NAME, STARTER
        data = _parse(text, folder / FILE_NAME)
    else:
        folder, label, text = file.parent, str(file), _read(file)
        data = _parse(text, file)
        if file.name == _PROJECT_FILE:
            root = _PROJECT_TABLE
            found = _table(data, root)
            if found is None:
                raise DefinitionError([Problem(label, "", "there is no table [tool.homeport]")])
            data = found
    variables: dict[KeyPath, str] = {}
    for name, path, value in sorted(_settings(environ), key=lambda one: len(one[1])):
        branch: Any = value
        for key in reversed(path):
            branch = {key: branch}
        data = _over(data, branch)
        variables.update(dict.fromkeys(_leaves(branch), name))
    try:
        definition = Definition.of(data)
    except Misfit as error:
        lines = {
            path: line
            for path, line in key_lines(text).items()
            if not any(path[: len(root) + len(one)] == root + one for one in variables)
        }
        raise explain(error, label, lines, root, variables) from None
    base = Path.cwd() if ("data_folder",) in variables else folder.absolute()
    definition = _with_schemas(definition, folder, variables)
    return replace(definition, data_folder=base / definition.data_folder.expanduser())


def read_schema(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises DefinitionError where there is none."""
    text = _read(file)
    try:
        value = parse_json(text, limits.SCHEMA_LEVELS - limits.NESTING)
    except Invalid as error:
        problems = [
            Problem(str(file), one.pointer, f"this is not JSON: {one.detail}")
            for one in error.faults
        ]
        raise DefinitionError(problems) from None
    if not isinstance(value, dict):
        raise DefinitionError([Problem(str(file), "", "a schema is a JSON object")])
    return value


def _with_schemas(
    definition: Definition, folder: Path, variables: Mapping[KeyPath, str]
) -> Definition:
    """The definition with the schemas that stand in files of their own."""
    collections = dict(definition.collections)
    problems: list[Problem] = []
    for name, one in definition.collections.items():
        if isinstance(one.schema, Path):
            key = ("collections", name, "schema")
            base = Path.cwd() if key in variables else folder.absolute()
            try:
                schema = read_schema(base / one.schema.expanduser())
            except DefinitionError as error:
                for found in error.problems:
                    reason = ": ".join(filter(None, (found.key, found.reason)))
                    problems.append(Problem(found.place, dotted(key), reason))
            else:
                collections[name] = replace(one, schema=schema)
    if problems:
        raise DefinitionError(problems)
    return replace(definition, collections=collections)


def _settings(environ: Mapping[str, str]) -> list[tuple[str, KeyPath, Any]]:
    """Each variable that is meant for this program: its name, the key's path, the value."""
    found: list[tuple[str, KeyPath, Any]] = []
    for name, text in environ.items():
        if name.upper().startswith(PREFIX):
            path = tuple(name[len(PREFIX) :].lower().split("__"))
            found.append((name, path, _table_text(text)))
    return found


def _table_text(text: str) -> Any:
    """A variable's value: an inline table as one, everything else as text for now."""
    if text.lstrip().startswith("{"):
        import tomllib  # functions have their definition settled, and no use for it

        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            pass
    return EnvironmentText(text)


def _over(below: Any, above: Any, path: KeyPath = ()) -> Any:
    """`above` merged over `below`, table by table; a text in the way is the short form."""
    if not isinstance(above, dict):
        return above
    if isinstance(below, str) and path and path[0] in _SHORT_FOR and path[-1] != "schema":
        below = {_SHORT_FOR[str(path[0])]: below}
    if not isinstance(below, dict):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _over(below[key], value, (*path, key)) if key in below else value
    return merged


def _leaves(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    if not isinstance(value, dict) or not value:
        return [path]
    return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DefinitionError([Problem(str(file), "", "this file is not UTF-8 text")]) from None
    except OSError as error:
        reason = f"this file cannot be read: {error.strerror}"
        raise DefinitionError([Problem(str(file), "", reason)]) from error


def _parse(text: str, file: Path) -> dict[str, Any]:
    import tomllib  # see `_table_text`

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        line = place.removeprefix("line ").partition(",")[0]
        where = f"{file}:{line}" if line.isdigit() else f"{file}:{text.count(chr(10)) + 1}"
        problem = Problem(where, "", f"this is not TOML: {reason[:1].lower()}{reason[1:]}")
        raise DefinitionError([problem]) from None


def _table(data: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    found: Any = data
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
