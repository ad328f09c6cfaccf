"""The demo's notes: the docstrings of this machine's own Python standard library.

Sources are parsed, never imported, so nothing of theirs runs.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

_LEFT_OUT: Final = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "_pyrepl"}
)
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")

_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Note:
    """A docstring. `title` is the full name of what it describes, `lines` the length of that."""

    title: str
    body: str
    module: str
    kind: str
    lines: int

    @property
    def data(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def id(self) -> str:
        """The title where that is an id, else a digest: the same at each run."""
        if _ID.fullmatch(self.title):
            return self.title
        return hashlib.sha256(self.title.encode()).hexdigest()[:32]


def standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def sources(root: Path) -> list[Path]:
    """Every module's source below `root`, without tests and installed packages."""
    found: list[Path] = []
    folders = [root]
    while folders:
        for entry in sorted(folders.pop().iterdir()):
            if entry.name in _LEFT_OUT or entry.is_symlink():
                continue
            if entry.is_dir():
                folders.append(entry)
            elif entry.suffix == ".py":
                found.append(entry)
    return sorted(found)


def notes(root: Path, source: Path) -> Iterator[Note]:
    """A note for each docstring of one source; none where Python cannot parse it.

    Where a name is defined twice, the first definition with a docstring counts.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = source.read_bytes()
            tree = ast.parse(text)
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    parts = source.relative_to(root).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    body = ast.get_docstring(tree)
    if body:
        yield Note(module, body, module, "module", text.count(b"\n"))
    seen: set[str] = set()
    for name, node, in_class in _definitions(tree.body, module, in_class=False):
        body = ast.get_docstring(node)
        if not body or name in seen:
            continue
        seen.add(name)
        kind = "class" if isinstance(node, ast.ClassDef) else "method" if in_class else "function"
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        yield Note(name, body, module, kind, lines)


def _definitions(
    body: list[ast.stmt], above: str, *, in_class: bool
) -> Iterator[tuple[str, _Definition, bool]]:
    """Classes, functions and methods, without those inside functions."""
    for node in body:
        if isinstance(node, _Definition):
            name = f"{above}.{node.name}"
            yield name, node, in_class
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, name, in_class=True)
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse], above, in_class=in_class)
