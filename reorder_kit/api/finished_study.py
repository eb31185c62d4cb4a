"""A trained or planned study, in Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.api import notebook
from reorder_kit.cli._tables import plan_table, size_of_plan, study_table, words_of_unfinished
from reorder_kit.studies.plan import Plan
from reorder_kit.studies.results import Comparison, Failure, Row, StudyResult


@dataclass(frozen=True, repr=False, eq=False)
class FinishedStudy(os.PathLike[str]):
    """The result of a study and its folder. It can be used wherever a path to that folder is expected.

    Notebooks show the verdict first, then the table.

    Args:
        folder: of the study.
        result: the content of its ``study.json``.
        warnings: the warnings that were issued.
    """

    folder: Path
    result: StudyResult
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.result.name

    @property
    def verdict(self) -> tuple[str, ...]:
        """The main answers in a few sentences."""
        return self.result.verdict

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the study, with their scores over seeds."""
        return self.result.rows

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons that answer the questions."""
        return self.result.comparisons

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The runs that failed, with the reasons."""
        return self.result.failures

    def as_dict(self) -> dict[str, Any]:
        """The content of ``study.json``."""
        return self.result.as_dict()

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} runs failed" if self.failures else ""
        return f"<{self.name}: {len(self.rows)} rows{failed}; {self.folder}>"

    def __str__(self) -> str:
        return "\n".join([*self.verdict, repr(self)])

    def _repr_html_(self) -> str:
        failures = [f"failed: {failure.run}: {failure.reason}" for failure in self.failures]
        return notebook.together(
            *map(notebook.paragraph, self.verdict),
            notebook.table(*study_table(self.result)),
            notebook.listing([*failures, *words_of_unfinished(self.result)]),
            notebook.warned(self.warnings),
            notebook.folder(self.folder),
        )


@dataclass(frozen=True, repr=False, eq=False)
class PlannedStudy:
    """The plan of a study: what it would train and compare.

    Args:
        folder: the folder of the study, which need not exist.
        plan: its rows and questions.
        finished: the number of finished runs.
        warnings: the warnings that were issued, such as too few seeds for an answer.
    """

    folder: Path
    plan: Plan
    finished: int
    warnings: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """The number of all runs."""
        return self.plan.runs

    @property
    def questions(self) -> Sequence[str]:
        """The questions, each with its number of comparisons."""
        return self.plan.questions

    def as_dict(self) -> dict[str, Any]:
        """The output of ``reorder-kit study --dry-run --json``."""
        return {**self.plan.as_dict(), "finished": self.finished, "failures": []}

    def __repr__(self) -> str:
        return f"<{self.folder}: {size_of_plan(self.plan, self.finished)}>"

    def _repr_html_(self) -> str:
        return notebook.together(
            notebook.paragraph(size_of_plan(self.plan, self.finished)),
            notebook.listing([*self.questions, *self.plan.left_out]),
            notebook.table(*plan_table(self.plan)),
            notebook.warned(self.warnings),
            notebook.folder(self.folder),
        )
