"""The rows of a study in words, and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reorder_kit.reports.chart import file_name
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.table import Cell, Column
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.questions import case_of
from reorder_kit.studies.results import Row, StudyResult


@dataclass(frozen=True)
class Group:
    """The rows of one backbone, data set and training length, which are drawn together.

    Args:
        data: name of the data in the study.
        backbone: name of the backbone in the study.
        rows: the rows in the sequence of the study.
        length: training length as a multiple of the usual one; None if the study has a single length.
    """

    data: str
    backbone: str
    rows: Sequence[Row]
    length: float | None = None

    @property
    def name(self) -> str:
        """The name of the group in headings."""
        plain = f"{self.backbone} on {self.data}"
        return plain if self.length is None else f"{plain}, {words_of(self.length)}"

    @property
    def key(self) -> str:
        """The name of the group in file names."""
        length = [] if self.length is None else [f"length-{self.length:g}"]
        return file_name(self.data, self.backbone, *length)

    @property
    def note(self) -> str:
        """A note if its orders select patches."""
        return next((f"Selection: {selection_of(row)}." for row in self.rows if row.is_selection), "")


def groups_of(results: StudyResult) -> list[Group]:
    """The groups of a study, in the sequence of its rows."""
    found: dict[tuple[str, str, float], list[Row]] = {}
    for row in results.rows:
        found.setdefault(case_of(row), []).append(row)
    return [
        Group(data, backbone, rows, length if results.has_lengths else None)
        for (data, backbone, length), rows in found.items()
    ]


def label_of(row: Row) -> str:
    """The name of a row within its group."""
    if row.learner is None:
        return row.start if row.control is None else row.control
    learned = f"{row.learner} from {row.start}"
    return learned if row.control is None else f"{learned}: {row.control}"


def selection_of(row: Row) -> str:
    """How many slots reach the readout, in words."""
    return row.slots.words


def records_of(row: Row, folder: Path) -> list[RunRecord]:
    """The existing runs of a row, by seed."""
    found = [RunFolder(folder / run) for run in row.runs]
    return [RunRecord.read(run) for run in found if run.is_finished]


def length_column(results: StudyResult) -> list[Column]:
    """The column of training lengths; empty if the study has only one."""
    return [Column("training", "length", is_number=True)] if results.has_lengths else []


def length_cell(results: StudyResult, length: float) -> list[Cell]:
    """A cell of that column; empty if there is none."""
    return [Cell(f"{length:g}x", length)] if results.has_lengths else []
