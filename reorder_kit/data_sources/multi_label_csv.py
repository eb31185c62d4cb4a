"""Image files with any number of classes, listed in a CSV table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.csv_table import read_lines
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.multi_label import Labels, MultiLabelOptions, open_multi_label
from reorder_kit.data.split_folders import VALIDATION_NAMES
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import MULTI_LABEL, DataSource, DataSplits, PathFromRoot

SPLITS = {"train": "train", **dict.fromkeys(VALIDATION_NAMES, "validation"), "test": "test"}
LABELS = {"0": False, "1": True, "0.0": False, "1.0": True, "False": False, "True": True}


class MultiLabelCsv(AnnotatedSource):
    """Images with any number of classes each, listed in a table.

    The table has a column ``path``, relative to ``root``, and a column of 0 and 1, or False and True, for every class.
    A column ``split`` says ``train``, ``val`` (or ``valid``, ``validation``) or ``test``. Where there is val but no
    test, val is the test split, and validation is set aside from train; what is missing otherwise is set aside, too,
    by ``split_seed``, test first, and no class loses its last training image by that.

    Classes stand in the sequence of their columns. A class that no training image has cannot be learned and is left
    out, in all splits. An image may have no class at all.

    An image is scaled into ``image_size`` as a whole, with its proportions kept. Training images are also flipped from
    left to right by chance. Named transforms replace that.
    """

    name = "multi-label-csv"
    target_kinds = (MULTI_LABEL,)

    class Options(MultiLabelOptions):
        file: PathFromRoot = Field(Path("labels.csv"), description="the table, relative to root")

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the table, look whether the files are there, and split them."""
        root = self.options.root
        if not root.is_dir():
            raise ReorderKitError(f"data.root: there is no folder {root}")
        table, listing = _Table(root / self.options.file), FolderListing()
        images: dict[str, list[Labels]] = {"train": [], "validation": [], "test": []}
        lines: dict[Path, int] = {}
        for row in table.rows():
            path = root / row.path
            if path in lines:
                raise table.mistake(row.line, f"{row.path} stands in line {lines[path]}, too", "one line for an image")
            if not listing.has(path):
                raise table.mistake(row.line, f"there is no image {path}", "paths are relative to data.root")
            lines[path] = row.line
            images[row.split].append(Labels(str(path), row.present))
        if not images["train"]:
            raise ReorderKitError(f"data.file: {table.file} has no image for training")
        validation, test = images["validation"] or None, images["test"] or None
        if test is None:
            validation, test = None, validation
        return open_multi_label(
            self.options, table.classes, images["train"], validation, test, seed, self.recorded, Findings()
        )


class _Row(NamedTuple):
    line: int
    path: str
    split: str
    present: tuple[int, ...]


class _Table:
    """The table as people write it: with the mistakes they make."""

    def __init__(self, file: Path) -> None:
        self.file = file
        _, self._columns = next(read_lines(file, "data.file"), (0, []))
        self.classes = [name for name in self._columns if name not in ("path", "split")]
        told = f"its columns are {', '.join(map(repr, self._columns))}" if self._columns else "it is empty"
        if "path" not in self._columns:
            raise ReorderKitError(f"data.file: {file} has no column 'path'", f"{told}; commas stand between columns")
        if not self.classes:
            raise ReorderKitError(f"data.file: {file} has no column of a class", told)
        for number, name in enumerate(self._columns):
            if not name or name in self._columns[:number]:
                what = f"has two columns {name!r}" if name else f"has no name for column {number + 1}"
                raise ReorderKitError(f"data.file: {file} {what}", "every class has a column with its name on top")

    def mistake(self, line: int, what: str, hint: str) -> ReorderKitError:
        """The error that names a line."""
        return ReorderKitError(f"data.file: {self.file}, line {line}: {what}", hint)

    def rows(self) -> Iterator[_Row]:
        """The rows below the heading; empty lines are passed over."""
        lines = read_lines(self.file, "data.file")
        next(lines)
        for line, cells in lines:
            if len(cells) != len(self._columns):
                what = f"{len(cells)} values for {len(self._columns)} columns"
                raise self.mistake(line, what, "a name with a comma in it stands in quotes")
            values = dict(zip(self._columns, cells, strict=True))
            path = values.pop("path")
            if not path:
                raise self.mistake(line, "column 'path' is empty", "every line names an image")
            split = SPLITS.get(values.pop("split", "train"))
            if split is None:
                known = ", ".join(SPLITS)
                raise self.mistake(line, "column 'split' names no split", f"there are {known}")
            yield _Row(line, path, split, self._present(line, values))

    def _present(self, line: int, values: dict[str, str]) -> tuple[int, ...]:
        for name, value in values.items():
            if value not in LABELS:
                raise self.mistake(
                    line,
                    f"column {name!r} has {value!r}, which is neither 0 nor 1, nor False nor True",
                    "every column beside 'path' and 'split' is a class; an unknown label (empty, -1) is of no use",
                )
        return tuple(number for number, value in enumerate(values.values()) if LABELS[value])


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [MultiLabelCsv]
