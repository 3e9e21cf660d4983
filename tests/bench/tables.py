"""What a section brings: a table of figures with their spread, footnotes and targets; and its print.

Tables are printed as reStructuredText, and left as JSON.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .measuring import Spread

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


#: Characters of a line, as in the project's other pages.
WIDTH = 112


class Footnotes:
    """Remarks below a table, in the order in which it refers to them."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def mark(self, text: str, note: str) -> str:
        """The text of a cell, with a letter behind it that refers to the note."""
        if not note:
            return text
        if note not in self._notes:
            self._notes.append(note)
        return f"{text} ({self._letter(note)})"

    def lines(self) -> list[str]:
        """All of them: an enumerated list."""
        return [
            line
            for note in self._notes
            for line in wrapped(f"({self._letter(note)}) {note}.", indent=4)
        ]

    def _letter(self, note: str) -> str:
        return chr(ord("a") + self._notes.index(note))


def simple_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A "simple table" of reStructuredText; line breaks within the heads are kept."""
    rows = list(rows)
    split = [head.split("\n") for head in heads]
    height = max(map(len, split))
    # A line whose first cell is empty goes on with the line above.
    above = [[lines[n] if n < len(lines) else "" for lines in split] for n in range(height)]
    everything = [*above, *rows]
    widths = [max(len(row[n]) for row in everything) for n in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        return "  ".join(padded).rstrip()

    rule = "  ".join("=" * width for width in widths)
    return [rule, *map(line, above), rule, *map(line, rows), rule]


def wrapped(text: str, *, indent: int = 0) -> list[str]:
    """The text in lines that a page can hold; the further ones indented, as a list has them."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def heading(text: str, under: str) -> list[str]:
    return [text, under * len(text), ""]


def section(table: Table) -> list[str]:
    """All a section found, in its own words and figures."""
    notes = Footnotes()
    rows = []
    for who in table.rows:
        cells = [table.cell(who, column.key) for column in table.columns]
        texts = [
            column.text(cell.figure) for column, cell in zip(table.columns, cells, strict=True)
        ]
        marked = [notes.mark(text, cell.note) for text, cell in zip(texts, cells, strict=True)]
        rows.append([who, *marked])
    lines = [*heading(table.title, "-"), *table.about.split("\n"), ""]
    lines += simple_table(["Who", *(column.head for column in table.columns)], rows)
    lines += ["", *_spaced(notes.lines())]
    verdicts = [_verdict(table, target) for target in table.targets]
    return [*lines, *(line for one in verdicts for line in wrapped(f"- {one}", indent=2)), ""]


def _spaced(lines: list[str]) -> list[str]:
    return [*lines, ""] if lines else []


def _verdict(table: Table, target: Any) -> str:
    figure = table.cell(target.who, target.column).figure
    column = table.column(target.column)
    name = f"{target.who}, {' '.join(column.head.split())}: target {target.said}"
    if figure is None:
        return f"{name}; not measured"
    return f"{name}; {'met' if target.met(figure) else 'MISSED'}: {column.text(figure)}"


def summary(
    tables: Mapping[str, Table], heads: Mapping[str, str], lines: Sequence[Line]
) -> list[str]:
    """A line for each of the most telling figures, a column for each library."""
    notes = Footnotes()
    rows = [line.row(tables, heads, notes) for line in lines if line.table in tables]
    below = _spaced(notes.lines())
    return [*simple_table(["what", *heads.values()], rows), "", *below] if rows else []


class Line:
    """A line of the summary: a column of a table, by library.

    :param ours: Who stands for this library.
    :param instead: Who stands for another one, if not itself.
    :param also: Another column of the same table, said in the same cell.
    """

    def __init__(
        self,
        head: str,
        table: str,
        column: str,
        ours: str,
        *,
        instead: Mapping[str, str] = {},
        also: str = "",
        left_out: Sequence[str] = (),
    ) -> None:
        self.table = table
        self._head, self._column, self._ours, self._also = head, column, ours, also
        self._instead, self._left_out = instead, left_out

    def row(
        self, tables: Mapping[str, Table], heads: Mapping[str, str], notes: Footnotes
    ) -> list[str]:
        """Its cells: ours with the spread, others without."""
        table = tables[self.table]
        cells = [self._head]
        for name in heads:
            who = self._instead.get(name, name) or self._ours
            if name in self._left_out:
                cells.append(NOTHING)
                continue
            texts = [
                _plain(table, who, table.column(key), spread=name == "" and not self._also)
                for key in filter(None, (self._column, self._also))
            ]
            note = table.cell(who, self._column).note
            cells.append(notes.mark(", ".join(texts), note))
        return cells


def _plain(table: Table, who: str, column: Column, *, spread: bool) -> str:
    figure = table.cell(who, column.key).figure
    if figure is None or spread:
        return column.text(figure)
    return f"{figure.median:,.{column.digits}f}"


def as_json(tables: Mapping[str, Table]) -> dict[str, Any]:
    """The same for programs: low and high are the quartiles."""
    return {
        name: {
            "title": table.title,
            "figures": {
                who: {
                    column.key: {
                        "what": " ".join(column.head.split()),
                        **(cell.figure._asdict() if cell.figure else {"median": None}),
                        **({"note": cell.note} if cell.note else {}),
                    }
                    for column in table.columns
                    for cell in [table.cell(who, column.key)]
                }
                for who in table.rows
            },
            "targets": [
                {"who": target.who, "column": target.column, "target": target.said, "met": met}
                for target in table.targets
                for figure in [table.cell(target.who, target.column).figure]
                for met in [None if figure is None else target.met(figure)]
            ],
        }
        for name, table in tables.items()
    }
