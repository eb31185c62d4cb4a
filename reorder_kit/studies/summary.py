"""The results of a study, complete or so far, from its run folders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.test_scores import Scores
from reorder_kit.statistics.bootstrap import mean_over_seeds_and_images
from reorder_kit.statistics.estimate import within_shares
from reorder_kit.studies.cells import Cell, RowKey
from reorder_kit.studies.checking import CheckedStudy
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.paired_scores import ImageScores
from reorder_kit.studies.results import Failure, Row, StudyResult
from reorder_kit.studies.study_file import unmatched
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.studies.verdict import verdict

SHARE_OF_TIME = 0.05
"""The largest share of time to spend on summaries of an unfinished study."""

SECONDS_AT_A_STOP = 1.5
"""How long a summary may take when a study is stopped; the process may soon be killed."""

_STATISTICS_SEED = 0


class Summary:
    """Writes the results of a study repeatedly.

    Args:
        checked: the study.
        folder: its folder.
        cells: its runs.
        command: the command or call, for the record.
    """

    def __init__(self, checked: CheckedStudy, folder: StudyFolder, cells: Sequence[Cell], command: str) -> None:
        self._checked, self._folder, self._cells = checked, folder, cells
        self._before = _read(folder.results) if folder.results.exists() else None
        commands = self._before.commands if self._before is not None else ()
        self._commands = tuple(dict.fromkeys([*commands, command]))
        self._took = 0.0
        self._written = time.monotonic()

    def write(self) -> StudyResult:
        """Summarize the study and write the results."""
        began = time.monotonic()
        results = self._results()
        results.write(self._folder.results)
        self._written = time.monotonic()
        self._took = self._written - began
        return results

    def write_now_and_then(self) -> None:
        """Write the results if they have not been written for a while."""
        if time.monotonic() - self._written > self._took / SHARE_OF_TIME:
            self.write()

    def write_if_quick(self) -> None:
        """Write new results, unless that would take too long while stopping.

        Before any run has ended, only the command is written.
        """
        if self._took == 0 and self._before is not None:
            self._before.model_copy(update={"commands": self._commands}).write(self._folder.results)
        elif self._took < SECONDS_AT_A_STOP:
            self.write()

    def _results(self) -> StudyResult:
        study, headline, margin = self._checked.study, self._checked.headline, self._checked.margin
        rows, image_scores = self._rows()
        direction = headline.higher_is_better
        terms = (margin, study.alpha, _STATISTICS_SEED, direction)
        comparisons = compare(rows, image_scores, *terms, test=study.test, pool=study.pool)
        failures = self._failures()
        return StudyResult(
            name=study.name,
            headline=headline.name,
            higher_is_better=direction,
            margin=margin,
            alpha=study.alpha,
            rows=tuple(rows),
            comparisons=comparisons,
            verdict=(*verdict(rows, comparisons, direction, study.pool), *map("{}.".format, unmatched(study))),
            failures=failures,
            unfinished=len(self._cells) - sum(len(row.seeds) for row in rows) - len(failures),
            commands=self._commands,
            environment=self._environment(rows),
            test=study.test,
        )

    def _rows(self) -> tuple[list[Row], list[ImageScores | None]]:
        finished: dict[RowKey, list[Cell]] = {}
        for cell in self._cells:
            if self._folder.run(cell).is_finished:
                finished.setdefault(cell.row, []).append(cell)
        keys = [key for key in dict.fromkeys(cell.row for cell in self._cells) if key in finished]
        image_scores = [self._image_scores(finished[key]) for key in keys]
        rows = [self._row(key, finished[key], scores) for key, scores in zip(keys, image_scores, strict=True)]
        return rows, image_scores

    def _row(self, key: RowKey, cells: Sequence[Cell], image_scores: ImageScores | None) -> Row:
        results = [self._folder.run(cell).read_result() for cell in cells]
        headline = self._checked.headline.name
        values = [result.metrics.test.score(headline) for result in results]
        validation = [result.metrics.validation for result in results]
        slots = results[0].order.reach.slots_read
        spreads = [result.order.spread for result in results if result.order.spread is not None]
        score = mean_over_seeds_and_images(values, image_scores, _STATISTICS_SEED)
        return Row(
            data=key.data,
            backbone=key.backbone,
            start=key.start,
            learner=key.learner,
            control=key.control,
            score=within_shares(score) if results[0].metric.are_shares(values) else score,
            seeds=tuple(cell.seed for cell in cells),
            runs=tuple(str(cell.path) for cell in cells),
            reached_slots=slots.reached,
            num_slots=slots.of,
            is_selection=slots.is_selection,
            seconds=float(np.mean([result.seconds for result in results])),
            left_out=slots.left_out,
            spread=float(np.mean(spreads)) if spreads else None,
            validation=tuple(each.score(headline) for each in validation if headline in each),
            origin=key.origin,
            length=key.length,
        )

    def _image_scores(self, cells: Sequence[Cell]) -> ImageScores | None:
        """The score of each test image with each seed; None if it is not known for all."""
        found = [_test_scores(self._folder.run(cell)) for cell in cells]
        scores = [each for each in found if each is not None]
        is_known_of_all = len(scores) == len(found) and len({len(each) for each in scores}) == 1
        return np.stack(scores) if is_known_of_all else None

    def _failures(self) -> tuple[Failure, ...]:
        reasons = ((cell, self._folder.failure(cell)) for cell in self._cells)
        return tuple(Failure(str(cell.path), reason) for cell, reason in reasons if reason is not None)

    def _environment(self, rows: Sequence[Row]) -> Environment | None:
        """The environment of the first run; every run folder has its own."""
        if not rows:
            return None
        first = RunFolder(self._folder.path / rows[0].runs[0])
        return first.read_environment().model_copy(update={"command": ()})


def _read(path: Path) -> StudyResult:
    try:
        return StudyResult.read(path)
    except ReorderKitError as error:
        raise ReorderKitError(error.message, "remove it; it will be rewritten from the run folders") from None


def _test_scores(run: RunFolder) -> Scores | None:
    try:
        return run.read_test_scores()
    except ReorderKitError as error:
        raise ReorderKitError(error.message, f"remove {run.path}, and the run will be trained again") from None
