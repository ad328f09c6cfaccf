"""Puts together a folder that can be deployed as a function."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import homeport
from homeport.definition import Definition, DefinitionError, load, locate
from homeport.definition.settled import FILE_NAME as SETTLED
from homeport.definition.settled import settle
from homeport.entrypoints.bundling import bytecode, fetching, service_data
from homeport.entrypoints.bundling.contents import Contents, contents_of, own_code
from homeport.entrypoints.bundling.distributions import (
    Target,
    files_of,
    needed,
    providers_of,
    too_new,
)
from homeport.entrypoints.bundling.faults import BundleFault

ENTRY: Final = "homeport_function"
HANDLER: Final = f"{ENTRY}.handler"
"""What Lambda is told to call."""
LIMIT_BYTES: Final = 250 * 1024 * 1024
"""What Lambda takes, unpacked."""

_ENTRY: Final = '''\
"""The function `{function}`, as `homeport bundle` made it."""

import gc
import os
{standing_in}
gc.disable()  # starting makes many objects and frees few
for name, value in {chosen!r}.items():
    os.environ.setdefault(name, value)

from homeport.entrypoints.lambdas.{function} import handler  # noqa: E402

handler.start()
gc.enable()
gc.freeze()
'''
_LEAN: Final = """
from homeport.entrypoints import lean

lean.load()
"""
_CHOOSING: Final = ("HOMEPORT_PROFILE", "HOMEPORT_ADAPTERS__")
_OPTIONS: Final = "__OPTIONS"
_NOWHERE: Final = Path("homeport-data")
"""A function has no data folder, and a bundle is the same wherever it was made."""
_MOMENT: Final = 315_532_800
"""1980-01-01, the first that an archive can name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make. `source` is the definition's file or folder; `locked` a requirements file
    with hashes; `include` are top-level packages of the app's own."""

    function: str
    definition: Definition
    source: Path
    target: Target
    environ: Mapping[str, str]
    include: tuple[str, ...] = ()
    locked: Path | None = None
    keep_sources: bool = True


@dataclass(slots=True)
class Bundle:
    """What was made. `parts` are bytes by top-level name."""

    folder: Path
    function: str
    files: int = 0
    size: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def make(plan: Plan, folder: Path, compiled: Path) -> Bundle:
    """Make the bundle at `folder`, which is new, or was a bundle: then it is replaced. In the
    folder `compiled` is what plans for the same target have compiled already.

    Raises BundleFault where that cannot be, and leaves what was there.
    """
    if folder.exists() and any(folder.iterdir()) and not any(folder.glob(f"{ENTRY}.*")):
        raise BundleFault(f"{folder} holds something else than a bundle. Name a new folder.")
    contents = contents_of(plan.function, plan.definition)
    program = bytecode.interpreter_of(plan.target)
    names = tuple(dict.fromkeys((*plan.include, *own_code(plan.definition, plan.function))))
    local = [name for name in names if not providers_of(name)]
    installed = [one for name in names for one in providers_of(name)]
    packages = needed((*contents.distributions, *installed), plan.target)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        whole, wheels = Path(made, "bundle"), None
        if not _is_here(plan.target):
            wheels = Path(made, "wheels")
            fetching.fetch(packages, plan.target, plan.locked, wheels)
        files = dict(_files(plan, contents, packages, wheels, local))
        for path, content in sorted(files.items()):
            _write(whole / path, content)
        modules = [path for path in files if path.suffix == ".py"]
        bytecode.compile_all(program, whole, modules, compiled, keep_sources=plan.keep_sources)
        bundle = _measured(whole, plan.function)
        bundle.packages = packages
        bundle.warnings = too_new(packages, plan.target, wheels)
        if _has_password(plan):
            bundle.warnings.append(
                "opensearch.password stands in the definition's file, and so in each bundle. Set "
                "HOMEPORT_OPENSEARCH__PASSWORD where the function runs instead."
            )
        if bundle.size > LIMIT_BYTES:
            bundle.warnings.append("It is over 250 MB, more than Lambda takes.")
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)
        os.utime(folder, (_MOMENT, _MOMENT))
    bundle.folder = folder
    return bundle


def _is_here(target: Target) -> bool:
    return target == _here()


def _here() -> Target | None:
    """This machine and Python, where what is installed can be copied as it is."""
    import platform
    import sys

    if sys.platform != "linux":
        return None
    major, minor = sys.version_info[:2]
    return Target((major, minor), platform.machine())


def _files(
    plan: Plan,
    contents: Contents,
    packages: Mapping[str, str],
    wheels: Path | None,
    local: Iterable[str],
) -> Iterator[tuple[PurePosixPath, bytes]]:
    for path, source in files_of(packages, wheels):
        if service_data.is_needed(path, source, contents.services):
            yield service_data.trimmed(path, source.read_bytes(), contents.services)
    own = Path(homeport.__file__).parent
    for module in contents.modules:
        yield PurePosixPath("homeport", module.as_posix()), (own / module).read_bytes()
    for name in local:
        yield from _local(name)
    yield from _definition(plan)
    settled = _settled(plan)
    if settled is not None:
        yield PurePosixPath(SETTLED), settled.encode()
    yield PurePosixPath(f"{ENTRY}.py"), _entry(plan).encode()


def _local(name: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    """A package or module that is no installed distribution, with the data beside its code."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise BundleFault(f"There is no package {name} here to include.")
    if not spec.submodule_search_locations:
        file = Path(str(spec.origin))
        yield PurePosixPath(file.name), file.read_bytes()
        return
    root = Path(next(iter(spec.submodule_search_locations)))
    for file in sorted(root.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield PurePosixPath(name, file.relative_to(root).as_posix()), file.read_bytes()


def _file(plan: Plan) -> Path | None:
    return locate(plan.source) if plan.source.is_dir() else plan.source


def _definition(plan: Plan) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The definition's file, and the schemas that it names."""
    file = _file(plan)
    if file is None:
        return
    name = file.name if file.name == "pyproject.toml" else "homeport.toml"
    yield PurePosixPath(name), file.read_bytes()
    for schema in schema_files(file):
        path = PurePosixPath(schema)
        if path.is_absolute() or ".." in path.parts or path.parts[:1] == ("~",):
            raise BundleFault(f"The schema {schema} is not in the definition's folder.")
        yield path, (file.parent / path).read_bytes()


def schema_files(file: Path) -> Iterator[str]:
    """The files that a definition names for its collections' schemas."""
    import tomllib

    table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    if file.name == "pyproject.toml":
        table = table.get("tool", {}).get("homeport", {})
    for one in table.get("collections", {}).values():
        if isinstance(one.get("schema"), str):
            yield one["schema"]


def _chosen(plan: Plan) -> dict[str, str]:
    """The variables that choose adapters, and so what is in the bundle; not their options, which
    may be secrets, and which a function has from its own environment.

    Raises BundleFault where one holds both.
    """
    chosen = {
        name: plan.environ[name]
        for name in sorted(plan.environ)
        if name.upper().startswith(_CHOOSING) and _OPTIONS not in name.upper()
    }
    for name, value in chosen.items():
        if value.lstrip().startswith("{"):
            raise BundleFault(
                f"{name} holds an adapter with its options, which may be secrets and are not to "
                f"be in a bundle. Set {name}__USE, and the options where the function runs."
            )
    return chosen


def _as_deployed(plan: Plan) -> Definition | None:
    """The definition without what the function's own environment says. None where it is none
    without that."""
    try:
        return replace(load(plan.source, _chosen(plan)), data_folder=_NOWHERE)
    except DefinitionError:
        return None


def _settled(plan: Plan) -> str | None:
    definition = _as_deployed(plan)
    return None if definition is None else settle(definition, _file(plan), _chosen(plan))


def _has_password(plan: Plan) -> bool:
    definition = _as_deployed(plan)
    return definition is not None and definition.opensearch.password is not None


def _entry(plan: Plan) -> str:
    # An app's own code may use the two together.
    standing_in = "" if any(own_code(plan.definition, plan.function)) else _LEAN
    return _ENTRY.format(function=plan.function, chosen=_chosen(plan), standing_in=standing_in)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _measured(whole: Path, function: str) -> Bundle:
    """Count what is there, and give everything the same times and modes."""
    bundle = Bundle(whole, function)
    for file in sorted(whole.rglob("*"), reverse=True):
        file.chmod(0o755 if file.is_dir() or ".so" in file.suffixes else 0o644)
        os.utime(file, (_MOMENT, _MOMENT))
        if file.is_file():
            size = file.stat().st_size
            top = file.relative_to(whole).parts[0]
            bundle.files += 1
            bundle.size += size
            bundle.parts[top] = bundle.parts.get(top, 0) + size
    return bundle
