"""What came back, for people to read: the demo's words, and tables."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

from homeport.entrypoints.cli.printing import printable

_MARK: Final = re.compile(r"<em>(.*?)</em>", re.DOTALL)
_WIDTH: Final = 88


class Report:
    """Writes to `stream` (stdout), with bold on a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._bold = self._stream.isatty()

    def heading(self, text: str) -> None:
        self._print(f"\n{self._strong(text)}")

    def line(self, text: str = "") -> None:
        self._print(f"  {text}".rstrip())

    def search(self, who: str, query: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """The hits with their highlights, and the facets, of one search."""
        asked = " ".join(
            f"{name}={value}" for name, value in query.items() if name in ("q", "filter", "sort")
        )
        self.line(f"{who} searches {asked}: {answer['total']:,} found")
        for hit in answer["hits"]:
            data = hit["record"]["data"]
            score = f", score {hit['score']:.2f}" if hit["score"] else ""
            self.line(f"  {data['title']}  ({data['kind']}, {data['lines']} lines{score})")
            for fragments in hit["highlights"].values():
                for fragment in fragments[:1]:
                    self.line(f"      {self.marked(fragment)}")
        for field, counts in answer["facets"].items():
            listed = ", ".join(f"{one['value']} {one['count']:,}" for one in counts[:5])
            self.line(f"  {field}: {listed}")
        self._print("")

    def json(self, title: str, value: Any) -> None:
        self.line(title)
        for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines():
            self.line(f"  {line}")

    def marked(self, fragment: str) -> str:
        """A highlight's fragment as one line: what matched is bold, or between asterisks."""
        one_line = " ".join(fragment.split())
        shown = _MARK.sub(lambda found: self._strong(found[1], plain="*"), _cut(one_line))
        return html.unescape(shown)

    def _strong(self, text: str, plain: str = "") -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._bold else f"{plain}{text}{plain}"

    def _print(self, text: str) -> None:
        print(text, file=self._stream)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose columns stand below each other, and which show what users wrote."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def print_page(
    heading: Sequence[str], rows: Sequence[Sequence[str]], cursor: str | None, nothing: str
) -> None:
    """A page as a table, and how to get the next one; `nothing` where there is none."""
    if rows:
        for line in table([heading, *rows]):
            print(line)
    elif cursor is None:
        print(nothing)
    if cursor is not None:
        print(f"There are more: --cursor {cursor}")


def _cut(fragment: str) -> str:
    """The fragment's beginning, never cut inside a mark."""
    if len(fragment) <= _WIDTH:
        return fragment
    end = fragment.rfind(" ", 0, _WIDTH)
    kept = fragment[: end if end > 0 else _WIDTH]
    if kept.count("<em>") > kept.count("</em>"):
        kept = kept[: kept.rfind("<em>")]
    return kept.rstrip() + " ..."
