"""Tables of a report: the same cells on the page and in a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reorder_kit.reports.decimals import decimal

Tone = Literal["", "good", "neutral", "open", "warning"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: the text on the page.
        value: the value for sorting and for the CSV, with all digits; the text itself if not given.
        tone: how the cell is marked.
        series: number of the color of the run that the cell names, from 1; 0 for no mark.
    """

    text: str
    value: float | int | str | None = None
    tone: Tone = ""
    series: int = 0

    @property
    def key(self) -> str:
        """The value as text; empty for an empty cell."""
        return self.text if self.value is None else str(self.value)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        heading: heading on the page.
        key: heading in the CSV.
        is_number: whether it is sorted numerically and right-aligned.
    """

    heading: str
    key: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """A sortable table with its CSV.

    Args:
        name: of the CSV file, without its suffix; unique on the page.
        caption: what the table shows.
        columns: at least one; the first names the row.
        rows: a cell for each column.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    kind = "table"

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of table {self.name!r} does not have {len(self.columns)} cells")

    def csv(self) -> str:
        """The values of the cells, below a line of keys."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows([cell.key for cell in row] for row in self.rows)
        return out.getvalue()


def number(value: float | None, digits: int = 3, sign: bool = False) -> Cell:
    """A number cell, rounded on the page and with all digits in the CSV; an empty cell for None.

    >>> number(0.12345).text, number(0.12345).key
    ('0.123', '0.12345')
    """
    if value is None:
        return Cell("")
    return Cell(decimal(value, digits, sign), value)


def p_value(value: float) -> Cell:
    """A cell with a p-value.

    >>> p_value(0.0004).text
    '< 0.001'
    """
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value)
