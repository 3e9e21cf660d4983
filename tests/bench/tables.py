"""What a section brings: a table of figures with their spread, footnotes and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .rounds import Spread

#: Stands where there is nothing to measure; a lone hyphen would be a list in reStructuredText.
NOTHING = "--"


class Cell(NamedTuple):
    """A figure; without one, what is done instead."""

    figure: Spread | None = None
    note: str = ""


class Column(NamedTuple):
    """What is measured."""

    key: str
    #: With line breaks, where it would be too wide.
    head: str
    digits: int = 0

    def text(self, figure: Spread | None) -> str:
        """The figure as people read it: the median, and the quartiles where they differ from it."""
        if figure is None:
            return NOTHING
        low, median, high = (f"{one:,.{self.digits}f}" for one in figure[:3])
        return median if low == high else f"{median} ({low}..{high})"


class Target(NamedTuple):
    """What this library set out to reach."""

    column: str
    who: str
    at_most: float | None = None
    at_least: float | None = None
    #: Of a ratio that is to be 1 within noise: no further off than the median may be by chance.
    within_noise: bool = False

    @property
    def said(self) -> str:
        """In words."""
        limit = self.at_most if self.at_most is not None else self.at_least
        words = "at most" if self.at_most is not None else "at least"
        return f"{words} {limit:g}" + (" within noise" if self.within_noise else "")

    def met(self, figure: Spread) -> bool:
        """Whether the median is within it."""
        leeway = figure.noise if self.within_noise else 0.0
        if self.at_most is not None:
            return figure.median - leeway <= self.at_most
        assert self.at_least is not None
        return figure.median + leeway >= self.at_least


@dataclass
class Table:
    """The figures of a section."""

    title: str
    #: How it was measured.
    about: str
    columns: list[Column]
    #: By who and by the key of a column.
    rows: dict[str, dict[str, Cell]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    #: An SVG that shows some of it, where there is one.
    drawing: str = ""

    def put(self, who: str, column: str, figure: Spread | float | None, note: str = "") -> None:
        """Fill in a cell."""
        if figure is not None and not isinstance(figure, Spread):
            figure = Spread(figure, figure, figure)
        self.rows.setdefault(who, {})[column] = Cell(figure, note)

    def cell(self, who: str, column: str) -> Cell:
        """What there is, if anything."""
        return self.rows.get(who, {}).get(column, Cell())

    def column(self, key: str) -> Column:
        """The column of that key."""
        return next(one for one in self.columns if one.key == key)


class Scale(NamedTuple):
    """How much is measured."""

    #: So little that it says nothing, but runs every line.
    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """This many."""
        return quick if self.quick else full


class Section(NamedTuple):
    """One of the things that are measured."""

    name: str
    run: Callable[[Scale], Table]
