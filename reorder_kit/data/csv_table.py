"""CSV tables with a header line, as people and spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened


def read_table(file: Path, columns: Sequence[str], field: str) -> Iterator[tuple[int, list[str]]]:
    """The line number and the values of some columns, for every row.

    Column names match regardless of case if that is unambiguous.

    Args:
        file: the table, in UTF-8.
        columns: names of the columns.
        field: the recipe's field that leads to the table, for messages.

    Raises:
        ReorderKitError: if it cannot be read, or lacks a column.
    """
    lines = read_lines(file, field)
    _, heading = next(lines, (0, []))
    places = [_place(column, heading) for column in columns]
    if None in places:
        raise ReorderKitError(
            f"{field}: {file} has no column {columns[places.index(None)]!r} in its first line",
            f"its columns are {', '.join(map(repr, heading))}; separate columns by commas" if heading else None,
        )
    for number, values in lines:
        yield number, ["".join(values[place : place + 1]) for place in places if place is not None]


def read_lines(file: Path, field: str) -> Iterator[tuple[int, list[str]]]:
    """The line number and the values, stripped of spaces, of each nonempty line.

    Empty cells at the end of the header, and the cells below them, are left out: spreadsheets write them.

    Args:
        file: the table, in UTF-8.
        field: the recipe's field that leads to the table, for messages.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    columns = None
    try:
        # utf-8-sig, because spreadsheets write a byte-order mark.
        with file.open(encoding="utf-8-sig", newline="") as opened:
            # People write a space after a comma; before a quote, it would make the quote part of the value.
            reader = csv.reader(opened, skipinitialspace=True)
            for cells in reader:
                values = [value.strip() for value in cells]
                if any(values):
                    values = _without_empty_end(values, columns or 0)
                    columns = len(values) if columns is None else columns
                    yield reader.line_num, values
    except OSError as error:
        raise ReorderKitError(f"{field}: {shortened(file)} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReorderKitError(f"{field}: {file} is not a CSV table in UTF-8: {error}") from error


def _place(column: str, heading: Sequence[str]) -> int | None:
    """The index of a column; None if it does not exist, or several names differ from it only in case."""
    if column in heading:
        return heading.index(column)
    found = [place for place, name in enumerate(heading) if name.casefold() == column.casefold()]
    return found[0] if len(found) == 1 else None


def _without_empty_end(values: list[str], kept: int) -> list[str]:
    """The values without the empty ones at the end; the first ``kept`` values stay in any case."""
    count = len(values)
    while count > kept and not values[count - 1]:
        count -= 1
    return values[:count]
