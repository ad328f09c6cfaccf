"""Plots as SVG, by hand: bars against a mark, and lines over a logarithmic axis.

matplotlib and what it needs take 150 MB for this; the SVG here is as small as what it shows, and
the PNG is drawn from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 760
_COLORS: Final = (
    "#2563eb",
    "#d97706",
    "#059669",
    "#be123c",
    "#7c3aed",
    "#475569",
    "#0891b2",
    "#65a30d",
)
_INK, _FAINT, _PAPER = "#1f2937", "#d1d5db", "#ffffff"
_FONT: Final = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""


@dataclass(frozen=True, slots=True)
class Bar:
    """`low` and `high` are its spread, `mark` where it should reach."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    mark: float | None = None


def bars(title: str, unit: str, items: Sequence[Bar], *, logarithmic: bool = False) -> str:
    """Horizontal bars, with their values."""
    left, top, step = 250, 64, 34
    height = top + step * len(items) + 40
    most = max(max(one.value, one.high or 0, one.mark or 0) for one in items)
    room = _WIDTH - left - 90

    def x(value: float) -> float:
        if logarithmic:
            return left + room * math.log10(max(1.0, value)) / math.log10(max(10.0, most))
        return left + room * value / most

    parts = [_text(24, 32, title, size=17, weight="bold"), _text(24, 52, unit, size=12)]
    for place, one in enumerate(items):
        y = top + step * place
        parts.append(_text(left - 10, y + 17, one.label, size=13, anchor="end"))
        parts.append(
            f'<rect x="{left}" y="{y + 3}" width="{max(1.0, x(one.value) - left):.1f}" '
            f'height="20" rx="2" fill="{_COLORS[0]}"/>'
        )
        end = x(one.value)
        if one.low is not None and one.high is not None and one.high > one.low:
            parts.append(_line(x(one.low), y + 13, x(one.high), y + 13, _INK, 2))
            end = x(one.high)
        if one.mark is not None:
            parts.append(_line(x(one.mark), y - 1, x(one.mark), y + 27, _COLORS[1], 3))
            end = max(end, x(one.mark))
        parts.append(_text(end + 8, y + 18, _number(one.value), size=13, weight="bold"))
    if any(one.mark is not None for one in items):
        y = height - 16
        parts += [
            _line(left, y - 10, left, y + 2, _COLORS[1], 3),
            _text(left + 8, y, "target", size=12),
        ]
    return _svg(height, parts)


def lines(
    title: str,
    across: str,
    up: str,
    xs: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    logarithmic: bool = False,
) -> str:
    """One line for each of the series over logarithmic `xs`; `logarithmic`: upwards too."""
    left, right, top, bottom = 76, _WIDTH - 246, 70, 330
    values = [value for some in series.values() for value in some if value > 0]
    most = max(values) if logarithmic else max(values) * 1.1
    least = min(values) if logarithmic else 0.0
    first, last = math.log10(xs[0]), math.log10(xs[-1])

    def x(value: float) -> float:
        return left + (right - left) * (math.log10(value) - first) / ((last - first) or 1)

    def y(value: float) -> float:
        if logarithmic:
            low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
            share = (math.log10(max(value, 10.0**low)) - low) / ((high - low) or 1)
        else:
            share = value / most
        return bottom - (bottom - top) * share

    parts = [_text(24, 32, title, size=17, weight="bold"), _text(24, 54, up, size=12)]
    for value in _ticks(least, most, logarithmic=logarithmic):
        parts.append(_line(left, y(value), right, y(value), _FAINT, 1))
        parts.append(_text(left - 8, y(value) + 4, _number(value), size=11, anchor="end"))
    for value in xs:
        parts.append(_text(x(value), bottom + 20, _number(value), size=11, anchor="middle"))
    parts.append(_text((left + right) / 2, bottom + 42, across, size=12, anchor="middle"))
    for place, (name, some) in enumerate(series.items()):
        color = _COLORS[place % len(_COLORS)]
        points = [(x(at), y(value)) for at, value in zip(xs, some, strict=True)]
        path = " ".join(f"{one:.1f},{other:.1f}" for one, other in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        parts += [
            f'<circle cx="{one:.1f}" cy="{other:.1f}" r="3.5" fill="{color}"/>'
            for one, other in points
        ]
        key = top + 12 + 22 * place
        parts += [_line(right + 20, key - 4, right + 40, key - 4, color, 3)]
        parts.append(_text(right + 48, key, name, size=12))
    return _svg(bottom + 60, parts)


def _ticks(least: float, most: float, *, logarithmic: bool) -> list[float]:
    if logarithmic:
        low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
        return [10.0**power for power in range(low, high + 1)]
    step = 10.0 ** math.floor(math.log10(most))
    if most / step < 2:
        step /= 5
    elif most / step < 5:
        step /= 2
    return [step * count for count in range(int(most / step) + 1)]


def _number(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 10 or (value >= size and (size > 1e3 or value % size == 0)):
            return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(
    x: float, y: float, text: str, *, size: int, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{_INK}" {_FONT}>{escape(text)}</text>'
    )


def _line(x: float, y: float, x2: float, y2: float, color: str, width: int) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{color}" stroke-width="{width}"/>'
    )


def _svg(height: int, parts: Sequence[str]) -> str:
    # Its own paper: the page that shows it may be dark.
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}">'
    )
    paper = f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="{_PAPER}"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])
