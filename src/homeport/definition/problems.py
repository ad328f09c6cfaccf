"""Says what is wrong with a definition, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args, get_type_hints

from homeport.definition.environment import PREFIX
from homeport.definition.forms import Form, Misfit
from homeport.definition.models import Definition
from homeport.definition.toml_lines import Path
from homeport.domain.errors import HomeportError

_RULES: Final = {
    "int_type": "be a whole number",
    "float_type": "be a number",
    "string_type": "be text in quotes",
    "path_type": "be text in quotes",
    "tuple_type": "be an array",
    "too_long": "have fewer entries",
    "string_too_short": "not be empty",
}
"""What pydantic says in Python's words, by its type of error."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `place` is file and line or a variable, `key` is dotted."""

    place: str
    key: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.reason) if part)


class DefinitionError(HomeportError):
    """A definition that cannot be used. The text has a line for each of `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: Final = tuple(problems)


def explain(
    error: Misfit,
    file: str,
    lines: Mapping[Path, int],
    root: Path,
    variables: Mapping[Path, str],
) -> DefinitionError:
    """What pydantic found, told for the person who wrote the file.

    `lines` are those of the file's keys, in which the definition stands under `root`;
    `variables` names the environment variable that set a path, where one did.
    """
    inside = {path[len(root) :]: line for path, line in lines.items() if len(path) > len(root)}
    problems = []
    for detail in error.found:
        path = _path(detail["loc"])
        variable = _variable(path, inside, variables)
        reason = _reason(dict(detail), as_variable=variable is not None)
        if variable is not None:
            problems.append(Problem(variable, "", reason))
            continue
        at = _nearest(path, inside)
        place = file if at is None else f"{file}:{inside[at]}"
        problems.append(Problem(place, dotted(at or path), reason))
    return DefinitionError(problems)


def dotted(path: Path) -> str:
    """`collections.notes.fields."place.city"`, as TOML would write it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("-", "").replace("_", "").isalnum()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


def variable_name(path: Path) -> str:
    """`("server", "port")` -> `HOMEPORT_SERVER__PORT`."""
    return PREFIX + "__".join(str(part) for part in path).upper()


def _path(place: Sequence[str | int]) -> Path:
    """Where pydantic saw the problem, without its mark for a key that is wrong itself."""
    return tuple(part for part in place if part != "[key]")


def _variable(path: Path, lines: Mapping[Path, int], variables: Mapping[Path, str]) -> str | None:
    """The environment variable that is to blame, None where it is the file.

    That is the one that set the place, or, where the file says less about it, one that set
    something within.
    """
    whole = _nearest(path, variables)
    if whole is not None:
        return variables[whole]
    parts = {at[:end]: name for at, name in variables.items() for end in range(1, len(at))}
    part, line = _nearest(path, parts), _nearest(path, lines)
    if part is not None and (part == path or len(part) > len(line or ())):
        return parts[part]
    return None


def _nearest(path: Path, known: Mapping[Path, Any]) -> Path | None:
    """The longest beginning of `path` that is known."""
    return next((path[:end] for end in range(len(path), 0, -1) if path[:end] in known), None)


def _reason(detail: dict[str, Any], *, as_variable: bool) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    path = _path(detail["loc"])
    if kind == "unexpected_keyword_argument":
        return _unknown(path, as_variable=as_variable)
    if kind == "missing":
        return f"`{path[-1]}` is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("dataclass_type", "dict_type"):
        return f"must be a table, not {_shown(value)}"
    if kind in ("enum", "literal_error"):
        allowed = _choices(path, context["expected"])
        return f"{_shown(value)} is not allowed.{_meant(str(value), allowed)} " + _allowed(allowed)
    rule = _RULES.get(kind) or str(detail["msg"]).removeprefix("Input should ")
    return f"{_shown(value)} should {rule.replace('valid ', '')}"


def _unknown(path: Path, *, as_variable: bool) -> str:
    *table, key = path
    model = _model_at(tuple(table))
    allowed = list(_fields(model)) if model else []
    if as_variable:
        settings = {variable_name(one): one for one in _settings(Definition)}
        name = variable_name(path)
        same_end = [one for one, at in settings.items() if at[-1] == str(key)]
        meant = same_end or _close(name, settings, 0.75)
        allowed = [variable_name((*table, one)) for one in allowed]
        hint = f" Did you mean {meant[0]}?" if meant else ""
        return f"there is no such setting.{hint} {_allowed(allowed)}"
    elsewhere = [dotted(one) for one in _settings(Definition) if one[-1] == key]
    hint = _meant(str(key), allowed)
    if not hint and elsewhere:
        hint = f" Did you mean {elsewhere[0]}?"
    if table[2:3] == ["fields"]:
        hint = f' A path with dots is quoted: "{".".join(str(part) for part in path[3:])}".'
    return f"there is no such key.{hint} {_allowed(allowed)}"


def _meant(word: str, allowed: Sequence[str]) -> str:
    close = _close(word, allowed)
    return f" Did you mean {close[0]}?" if close else ""


def _close(word: str, allowed: Iterable[str], cutoff: float = 0.6) -> list[str]:
    import difflib  # only a mistake needs it, and no start should wait for it

    return difflib.get_close_matches(word, list(allowed), 1, cutoff)


def _allowed(values: Sequence[str]) -> str:
    return f"Allowed: {', '.join(values)}."


def _choices(path: Path, expected: str) -> list[str]:
    """The values that pydantic names as `'a', 'b' or 'c'`."""
    found = [one.strip().strip("'") for one in expected.replace(" or ", ", ").split(",")]
    reading = path[:1] == ("collections",) and path[-1] == "read"
    return [one for one in found if not (reading and one == "author")]


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return str(value) if isinstance(value, int | float) else "an array"


def _model_at(path: Path) -> type[Form] | None:
    """The table's model that stands at `path` in a definition."""
    model: type[Form] | None = Definition
    rest = list(path)
    while rest and model is not None:
        found = _fields(model).get(str(rest.pop(0)))
        model = None
        if found is not None:
            inner = _table_of(found)
            if inner is not None:
                model, named = inner
                rest = rest[1:] if named else rest
    return model


def _fields(model: type[Form]) -> Mapping[str, Any]:
    """A table's keys, each with its type."""
    hints = get_type_hints(model)
    return {name: hints[name] for name in model.names()}


def _table_of(annotation: Any) -> tuple[type[Form], bool] | None:
    """The model in an annotation, and whether it is one of a table by name."""
    if isinstance(annotation, type) and issubclass(annotation, Form):
        return annotation, False
    for argument in get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, Form):
            return argument, True
    return None


def _settings(model: type[Form], above: Path = ()) -> Iterator[Path]:
    """The path of every setting that has a fixed name."""
    for name, annotation in _fields(model).items():
        table = _table_of(annotation)
        if table is not None and not table[1] and above == ():
            yield from _settings(table[0], (name,))
        elif table is None or not table[1]:
            yield (*above, name)
