"""Asks every question, one after the other: `make bench`, `make bench ARGS=--quick`."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Final

from benchmarks.harness.command import Settings, answer, given, parse, parser, settings_of, used

QUESTIONS: Final = (
    "operations",
    "searching",
    "pulling",
    "starting",
    "stalls",
    "overload",
    "growth",
    "handlers",
    "cold_start",
    "search_adapters",
    "rebuilding",
    "distances",
    "aws_growth",
)


def main() -> int:
    made = parser((__doc__ or "").splitlines()[0])
    made.add_argument("--only", nargs="+", choices=QUESTIONS, default=QUESTIONS, metavar="QUESTION")
    options = parse(made)
    failed = []
    for question in options.only:
        module = import_module(f"benchmarks.{question}")
        settings = settings_of(options, getattr(module, "USUAL", Settings()))
        for name in given(options).keys() - set(used(question)):
            print(f"--{name} makes no difference to {question}", file=sys.stderr)
        try:
            if not answer(question, module.measure, settings, options.results):
                failed.append(question)
        except Exception:  # noqa: BLE001 - the others are still asked
            traceback.print_exc()
            failed.append(question)
    if failed:
        print(f"\nFAILED: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
