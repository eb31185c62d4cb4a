"""Tables with a heading, as people and spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened


def read_table(file: Path, columns: Sequence[str], field: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and the values of some columns, for every row.

    Args:
        file: the table, in UTF-8.
        columns: which.
        field: the recipe's field that leads to the table, for messages.

    Raises:
        ReorderKitError: if it cannot be read, or lacks a column.
    """
    lines = read_lines(file, field)
    _, heading = next(lines, (0, []))
    missing = [column for column in columns if column not in heading]
    if missing:
        raise ReorderKitError(f"{field}: {file} has no column {missing[0]!r} in its first line")
    for number, values in lines:
        row = dict(zip(heading, values, strict=False))
        yield number, [row.get(column, "") for column in columns]


def read_lines(file: Path, field: str) -> Iterator[tuple[int, list[str]]]:
    """Number and values, without spaces around them, of the lines that are not empty.

    Empty cells at the end of the heading, and those below them, are left out: spreadsheets write them.

    Args:
        file: the table, in UTF-8.
        field: the recipe's field that leads to the table, for messages.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    columns = None
    try:
        # utf-8-sig, since spreadsheets write a byte-order mark.
        with file.open(encoding="utf-8-sig", newline="") as opened:
            # People write a space after a comma; before a quote it would make the quote a part of the value.
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
        raise ReorderKitError(f"{field}: {file} is no CSV table in UTF-8: {error}") from error


def _without_empty_end(values: list[str], kept: int) -> list[str]:
    """The values without the empty ones at the end, of which the first few are kept."""
    count = len(values)
    while count > kept and not values[count - 1]:
        count -= 1
    return values[:count]
