"""Tests the domain's tests: mutmut changes the domain in small ways, and each change that no
test notices survives.

Run it from the checkout: `make mutate`, or `make mutate ARGS=src/homeport/domain/access.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_MUTMUT = Path(sys.executable).with_name("mutmut")
_WORK = Path("mutants")
_CAUGHT = frozenset({"killed", "timeout", "segfault"})


def pattern_of(path: str) -> str:
    """The names of the mutants of a module or a package, as mutmut takes them."""
    parts = Path(path).with_suffix("").parts
    if parts[:2] != ("src", "homeport") or not Path(path).exists():
        raise SystemExit(f"{path}: no module of the product. Name one as src/homeport/domain/X.py")
    return ".".join(parts[1:]) + ".*"


def parse_results(text: str) -> dict[str, str]:
    """Each mutant's name and state, from what `mutmut results` prints."""
    pairs = (line.strip().rpartition(": ") for line in text.splitlines())
    return {name: state for name, _, state in pairs if "__mutmut_" in name and state}


def table(states: Mapping[str, str]) -> list[str]:
    """The score of each module and of all, as lines of Markdown."""
    modules: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for name, state in states.items():
        modules[name.rpartition(".")[0]][state in _CAUGHT] += 1
    rows = [*sorted(modules.items()), ("total", sum(modules.values(), Counter()))]
    return ["| module | mutants | caught | score |", "|---|---|---|---|"] + [
        f"| {name} | {caught.total()} | {caught[True]} | {_percent(caught)} |"
        for name, caught in rows
    ]


def _percent(caught: Counter[bool]) -> str:
    # Rounded down: 100% is said only of a module without a survivor.
    return f"{caught[True] * 1000 // max(caught.total(), 1) / 10:.1f}%"


def _changes(name: str) -> Iterable[str]:
    shown = subprocess.run([_MUTMUT, "show", name], capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---")):
            yield f"    {line}"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants, print the scores and the survivors. Fails only where mutmut fails."""
    given = parsed(arguments)
    patterns = [pattern_of(path) for path in given.modules]
    # What an earlier run knew of the tests and the code may no longer be true.
    shutil.rmtree(_WORK, ignore_errors=True)
    run = subprocess.run(
        [_MUTMUT, "run", "--max-children", str(given.jobs), *patterns], check=False
    )
    if run.returncode:
        return run.returncode
    results = subprocess.run(
        [_MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True
    )
    states = {
        name: state
        for name, state in parse_results(results.stdout).items()
        if state != "not checked"
    }
    lines = table(states)
    survivors = [name for name, state in states.items() if state not in _CAUGHT]
    for name in survivors:
        lines += ["", f"{name}: {states[name]}", *_changes(name)]
    sys.stdout.write("\n".join(["", *lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
