"""Image files with any number of classes, listed in a CSV table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.csv_table import read_lines
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.multi_label import Labels, MultiLabelOptions, open_multi_label
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.split_names import KNOWN_NAMES, Split, split_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import MULTI_LABEL, DataSource, DataSplits, PathFromRoot
from reorder_kit.interfaces.path_lengths import shortened

LABELS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_OF_THE_TABLE = ("path", "split")
# Columns that tables often have, and their likely meaning.
_SPLIT_COLUMNS = frozenset(
    {
        "is_train", "is_training", "is_val", "is_valid", "is_validation", "is_dev", "is_test", "is_testing",
        "val", "valid", "validation", "fold", "folds", "kfold", "subset", "partition", "set",
    }
)  # fmt: skip
_NAME_COLUMNS = frozenset(
    {
        "id", "index", "idx", "image_id", "img_id", "image", "img", "file", "filename", "file_name", "filepath",
        "file_path", "image_path", "name", "image_name", "url",
    }
)  # fmt: skip


class MultiLabelCsv(AnnotatedSource):
    """Images with any number of classes, listed in a table.

    The table has a column ``path``, relative to ``root``, and a column of 0 and 1, or False and True, for every class.
    An optional column ``split`` says ``train`` (or ``training``), ``val`` (``valid``, ``validation``, ``dev``) or
    ``test`` (``testing``), in any case. A column of row numbers, as written by pandas, is left out; columns whose names
    do not look like classes, such as ``is_valid`` or ``filename``, are refused. If there is val but no test, val is the
    test split, and validation is set aside from train; other missing splits are also set aside by ``split_seed``, test
    first. No class loses its last training image.

    Classes are numbered in the sequence of their columns. A class without training images cannot be learned and is left
    out of all splits. An image may have no class.

    Whole images are scaled into ``image_size`` with their proportions kept. Training images are also randomly flipped
    from left to right; transforms named in the recipe replace the flip.
    """

    name = "multi-label-csv"
    target_kinds = (MULTI_LABEL,)

    class Options(MultiLabelOptions):
        file: PathFromRoot = Field(Path("labels.csv"), description="the table, relative to root")

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the table, check that the files exist, and split them."""
        root = self.options.root
        if not is_folder(root, "data.root"):
            raise ReorderKitError(f"data.root: the folder {root} does not exist")
        findings = Findings()
        table, listing = _Table(root / self.options.file, findings), FolderListing(root, findings)
        images: dict[Split, list[Labels]] = {"train": [], "validation": [], "test": []}
        lines: dict[Path, int] = {}
        for row in table.rows():
            path = listing.find(root, row.path, f"data.file: {table.file}, line {row.line}")
            if path is None:
                hint = listing.why_missing(root, row.path) or "paths are relative to data.root"
                raise table.mistake(row.line, f"the image {shortened(root / row.path)} does not exist", hint)
            if path in lines:
                raise table.mistake(row.line, f"{row.path} is also in line {lines[path]}", "list each image once")
            lines[path] = row.line
            images[row.split].append(Labels(str(path), row.present))
        if not images["train"]:
            raise ReorderKitError(f"data.file: {table.file} has no image for training")
        validation, test = images["validation"] or None, images["test"] or None
        if test is None:
            validation, test = None, validation
        return open_multi_label(
            self.options, table.classes, images["train"], validation, test, seed, self.recorded, findings
        )


class _Row(NamedTuple):
    line: int
    path: str
    split: Split
    present: tuple[int, ...]


class _Table:
    """The table, with checks for common mistakes."""

    def __init__(self, file: Path, findings: Findings) -> None:
        self.file = file
        _, heading = next(read_lines(file, "data.file"), (0, []))
        self._columns = [name.casefold() if name.casefold() in _OF_THE_TABLE else name for name in heading]
        self._counters = self._row_numbers()
        self.classes = [
            name
            for place, name in enumerate(self._columns)
            if name not in _OF_THE_TABLE and place not in self._counters
        ]
        self._check_heading()
        for place in self._counters:
            findings.add("columns of row numbers are left out", self._columns[place] or f"column {place + 1}")

    def _check_heading(self) -> None:
        file = self.file
        told = f"its columns are {', '.join(map(repr, self._columns))}" if self._columns else "it is empty"
        if "path" not in self._columns:
            raise ReorderKitError(f"data.file: {file} has no column 'path'", f"{told}; separate columns by commas")
        if not self.classes:
            raise ReorderKitError(f"data.file: {file} has no class column", told)
        for number, name in enumerate(self._columns):
            if number not in self._counters and (not name or name in self._columns[:number]):
                what = f"has two columns {name!r}" if name else f"has no name for column {number + 1}"
                raise ReorderKitError(f"data.file: {file} {what}", "give every class one column, with its name on top")
        for name in self.classes:
            if name.casefold() in _SPLIT_COLUMNS:
                raise ReorderKitError(
                    f"data.file: {file} has a column {name!r}, which looks like a split, not like a class",
                    "give the split of each image in a column 'split' (train, val or test), or rename the class",
                )
            if name.casefold() in _NAME_COLUMNS or _is_unnamed(name):
                raise ReorderKitError(
                    f"data.file: {file} has a column {name!r}, which looks like the name of an image, not like a class",
                    "remove it, or rename it to 'path' if it gives the image's path",
                )

    def _row_numbers(self) -> frozenset[int]:
        """Positions of unnamed columns of distinct whole numbers, which is how pandas writes its index."""
        places = [place for place, name in enumerate(self._columns) if _is_unnamed(name)]
        if not places:
            return frozenset()
        _, *rows = [cells for _, cells in read_lines(self.file, "data.file")]
        columns = {place: ["".join(cells[place : place + 1]) for cells in rows] for place in places}
        return frozenset(
            place
            for place, cells in columns.items()
            if all(map(str.isdecimal, cells)) and len(set(cells)) == len(cells)
        )

    def mistake(self, line: int, what: str, hint: str) -> ReorderKitError:
        """An error that names the line."""
        return ReorderKitError(f"data.file: {self.file}, line {line}: {what}", hint)

    def rows(self) -> Iterator[_Row]:
        """The rows below the header; empty lines are skipped."""
        lines = read_lines(self.file, "data.file")
        next(lines)
        for line, cells in lines:
            if len(cells) != len(self._columns):
                what = f"{len(cells)} values for {len(self._columns)} columns"
                raise self.mistake(line, what, "put names that contain a comma in quotes")
            values = {
                name: value
                for place, (name, value) in enumerate(zip(self._columns, cells, strict=True))
                if place not in self._counters
            }
            path = values.pop("path")
            if not path:
                raise self.mistake(line, "column 'path' is empty", "every line must name an image")
            split = split_of(values.pop("split", "train"))
            if split is None:
                raise self.mistake(line, "column 'split' does not name a split", f"use {KNOWN_NAMES}")
            yield _Row(line, path, split, self._present(line, values))

    def _present(self, line: int, values: dict[str, str]) -> tuple[int, ...]:
        labels = [LABELS.get(value.casefold()) for value in values.values()]
        if None in labels:
            name, value = list(values.items())[labels.index(None)]
            raise self.mistake(
                line,
                f"column {name!r} has {value!r}, which is not one of 0, 1, False and True",
                "every column except 'path' and 'split' is a class, without unknown labels (empty, -1)",
            )
        return tuple(number for number, is_present in enumerate(labels) if is_present)


def _is_unnamed(name: str) -> bool:
    return not name or re.fullmatch(r"Unnamed: \d+(\.\d+)?", name) is not None


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [MultiLabelCsv]
