"""Prints each mutant, what it breaks, and the suite's test that caught it.

Run it from the checkout: `.venv/bin/python -m tests.contract`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.contract.herds import HERDS
from tests.contract.mutants import broken_by, every_port, without_mutant
from tests.contract.teeth import check_teeth


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Print the table as Markdown. Fails where a suite lets a mutant through."""
    count = 0
    _say("| port | mutant | breaks | caught by |\n|---|---|---|---|")
    for herd in HERDS:
        with tempfile.TemporaryDirectory() as folder:
            caught = check_teeth(Path(folder), herd.suite(herd.sound), herd.suites())
        for name, mutant in herd.mutants.items():
            broken = ", ".join(sorted(broken_by(mutant, herd.sound, herd.port)))
            _say(f"| {herd.name} | {name} | {broken} | {caught[name]} |")
            count += 1
    missing = without_mutant(every_port(), HERDS)
    _say(f"\n{count} mutants, all caught; methods of ports without one: {missing or 'none'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
