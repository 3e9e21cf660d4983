"""Requests answered and refused over time, as an SVG that can be read on a light and a dark page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from .servers import Exchange

#: Points, of a picture that is as wide as a page; the height is that of a panel.
WIDTH, HEIGHT, LEFT, RIGHT, GAP = 760, 150, 52, 8, 46

#: Text has a contrast of 4 or more to white as well as to nearly black, the others of 3.
TEXT, ANSWERED, REFUSED = "#717c88", "#2f81d6", "#d9622b"

#: Bars of a minute.
BARS = 15


class Counts(NamedTuple):
    """Requests in each bar's time."""

    answered: Counter[int]
    refused: Counter[int]

    @classmethod
    def of(cls, exchanges: Sequence[Exchange], seconds: float) -> Counts:
        """Counted from the first request on; a bar stands for so many seconds."""
        start = min((one.at for one in exchanges), default=0.0)
        counts = cls(Counter(), Counter())
        for one in exchanges:
            kind = counts.refused if one.status == 429 else counts.answered
            kind[int((one.at - start) / seconds)] += 1
        return counts


class Axes(NamedTuple):
    """What all panels have in common."""

    bars: int
    #: The most requests of a bar that were answered, and that were refused.
    up: int
    down: int

    @property
    def unit(self) -> float:
        """Points for each request."""
        return HEIGHT / (self.up + self.down)

    @property
    def step(self) -> float:
        """Points for each bar."""
        return (WIDTH - LEFT - RIGHT) / self.bars


def drawn(shown: Mapping[str, Sequence[Exchange]], limit: int, window: float) -> str:
    """A panel for each, one below the other and on one scale; what was refused points down.

    :param limit: Requests that a token may make in a window.
    :param window: Seconds that stand for a minute.
    """
    panels = {who: Counts.of(exchanges, window / BARS) for who, exchanges in shown.items()}
    bars = 1 + max(bar for counts in panels.values() for kind in counts for bar in (0, *kind))
    up = max(most for counts in panels.values() for most in (1, *counts.answered.values()))
    down = max(most for counts in panels.values() for most in (1, *counts.refused.values()))
    axes = Axes(bars, up, max(down, up // 8))
    lines: list[str] = []
    for number, (who, counts) in enumerate(panels.items()):
        told = f"{who}: {counts.answered.total():,} answered, {counts.refused.total():,} refused"
        lines += _panel(told, GAP + number * (HEIGHT + GAP), counts, axes)
    bottom = len(panels) * (HEIGHT + GAP)
    for minute in range(bars // BARS + 1):
        x = LEFT + minute * BARS * axes.step
        lines.append(_text(x, bottom + 18, f"{minute} min", anchor="middle"))
    said = f"Requests in each {60 / BARS:g} seconds of a minute of {limit}, played in {window:g} s."
    lines += _legend(said, bottom + 48)
    height = bottom + 84
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    font = 'font-family="sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font}>'
    title = "<title>Requests answered and refused over time</title>"
    return "\n".join([head, title, *lines, "</svg>", ""])


def _panel(told: str, top: float, counts: Counts, axes: Axes) -> list[str]:
    base = top + axes.up * axes.unit
    lines = [_text(LEFT, top - 12, told, weight="600")]
    for bar, count in sorted(counts.answered.items()):
        lines.append(_bar(bar, base - count * axes.unit, count, axes, ANSWERED))
    for bar, count in sorted(counts.refused.items()):
        lines.append(_bar(bar, base, count, axes, REFUSED))
    lines.append(_line(LEFT, base, WIDTH - RIGHT, base))
    for minute in range(axes.bars // BARS + 1):
        x = LEFT + minute * BARS * axes.step
        lines.append(_line(x, base - 3, x, base + 3))
    for y, count in ((top + 10, axes.up), (base + 4, 0), (top + HEIGHT + 2, axes.down)):
        lines.append(_text(LEFT - 8, y, f"{count:,}", anchor="end"))
    return lines


def _legend(said: str, y: float) -> list[str]:
    lines = [_text(LEFT, y, said)]
    kinds = (LEFT, ANSWERED, "answered (up)"), (LEFT + 140, REFUSED, "refused with a 429 (down)")
    for x, colour, what in kinds:
        lines += [_rect(x, y + 12, 11, 11, colour), _text(x + 18, y + 22, what)]
    return lines


def _bar(bar: int, y: float, count: int, axes: Axes, colour: str) -> str:
    width = max(axes.step - 0.6, 0.6)
    return _rect(LEFT + bar * axes.step, y, width, count * axes.unit, colour)


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}"/>'


def _text(x: float, y: float, said: str, *, anchor: str = "start", weight: str = "400") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{TEXT}" font-weight="{weight}">{escape(said)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{TEXT}"/>'
