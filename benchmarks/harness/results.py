"""What a benchmark found: tables on the terminal, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.harness import machine
from benchmarks.harness.rounds import Spread

Cell: TypeAlias = str | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have a cell for each of the `columns`; None is nothing measured. `rounds` are what
    each round found, for each of the rows by the columns that tell of it."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    rounds: list[dict[str, Sequence[float]]] = field(default_factory=list)

    def add(self, *cells: Cell | Spread, **rounds: Sequence[float]) -> None:
        """A spread is shown by its ends, and its rounds are kept; `rounds` are those of other
        columns, by their names."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns: {cells}")
        self.rows.append([str(one) if isinstance(one, Spread) else one for one in cells])
        spreads = {
            column: cell.values
            for column, cell in zip(self.columns, cells, strict=True)
            if isinstance(cell, Spread)
        }
        self.rounds.append(spreads | rounds)

    def text(self) -> str:
        shown = [list(self.columns), *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[place]) for row in shown) for place in range(len(self.columns))]
        lines = [self.title]
        for row in shown:
            first, *others = (
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(["", first, *others]).rstrip())
        return "\n".join(lines)


@dataclass(slots=True)
class Report:
    """A benchmark's whole result. What is `left_out` says why; `notes` say how to read it."""

    question: str
    settings: dict[str, Any]
    head: dict[str, Any] = field(default_factory=machine.described)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Wrong answers: the figures beside them mean nothing."""

    def table(self, title: str, *columns: str) -> Table:
        table = Table(title, columns)
        self.tables.append(table)
        return table

    def leave_out(self, why: str) -> None:
        if why not in self.left_out:
            self.left_out.append(why)

    def text(self) -> str:
        parts = [table.text() for table in self.tables if table.rows]
        parts += [f"Note: {one}" for one in self.notes]
        parts += [f"LEFT OUT: {one}" for one in self.left_out]
        parts += [f"WRONG: {one}" for one in self.faults]
        return "\n\n".join(parts)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "question": self.question,
            **self.head,
            "settings": self.settings,
            "tables": [asdict(one) for one in self.tables],
            "notes": self.notes,
            "left_out": self.left_out,
            "faults": self.faults,
        }
        path.write_text(json.dumps(content, indent=2) + "\n")


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "NO"
        case str():
            return cell
        case int():
            return f"{cell:,}"
        case _ if abs(cell) >= 100:
            return f"{cell:,.0f}"
        case _:
            return f"{cell:.3g}"
