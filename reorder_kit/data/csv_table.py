"""Tables with a heading, as people and spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from reorder_kit.errors import ReorderKitError


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

    Args:
        file: the table, in UTF-8.
        field: the recipe's field that leads to the table, for messages.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    try:
        # utf-8-sig, since spreadsheets write a byte-order mark.
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened)
            for values in reader:
                if values:
                    yield reader.line_num, [value.strip() for value in values]
    except OSError as error:
        raise ReorderKitError(f"{field}: {file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReorderKitError(f"{field}: {file} is no CSV table in UTF-8: {error}") from error
