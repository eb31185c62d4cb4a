"""Training studies, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from reorder_kit.api.plugins import plugins
from reorder_kit.caller import Caller
from reorder_kit.errors import ReorderKitError

if TYPE_CHECKING:
    from reorder_kit.api.finished_study import FinishedStudy, PlannedStudy
    from reorder_kit.studies.run_study import StudyOutcome

Study = str | Path | Mapping[str, Any]
Overrides = Mapping[str, Any] | None
Folder = str | os.PathLike[str] | None


@overload
def study(
    study: Study,
    overrides: Overrides = None,
    out: Folder = None,
    *,
    dry_run: Literal[True],
    jobs: int | None = None,
    submit: Mapping[str, Any] | None = None,
    smoke: bool = False,
    progress: bool | None = None,
) -> PlannedStudy: ...


@overload
def study(
    study: Study,
    overrides: Overrides = None,
    out: Folder = None,
    *,
    dry_run: Literal[False] = False,
    jobs: int | None = None,
    submit: Mapping[str, Any] | None = None,
    smoke: bool = False,
    progress: bool | None = None,
) -> FinishedStudy: ...


def study(
    study: Study,
    overrides: Overrides = None,
    out: Folder = None,
    *,
    dry_run: bool = False,
    jobs: int | None = None,
    submit: Mapping[str, Any] | None = None,
    smoke: bool = False,
    progress: bool | None = None,
) -> FinishedStudy | PlannedStudy:
    """Train a grid of runs with their controls, and compare them over seeds.

    >>> finished = study("quick", {"seeds": 3}, jobs=2)  # doctest: +SKIP
    >>> print(*finished.verdict, sep="\\n")  # doctest: +SKIP

    Call it again to continue a study that was stopped: finished runs are not trained again. Each run is trained in its
    own process, with the installed plugins.

    Args:
        study: a study file, the name of a shipped study, or a study's content.
        overrides: new values by dotted field path, such as ``{"seeds": 3}``.
        out: the folder of the study; ``runs/<name>`` if not given.
        dry_run: train nothing, and return what would be trained and compared.
        jobs: runs at a time, in processes of one thread each; if not given, one per GPU, or one without a GPU.
        submit: train each run as a cluster job with these submitit parameters, such as ``{"slurm_partition": "gpu"}``;
            on this machine if not given.
        smoke: first train a few steps of every row, to check that it runs at all.
        progress: show progress; if not given, in notebooks and if standard error is a terminal.

    Returns:
        The verdict, the table and the folder. Runs that failed are in ``failures``, with a warning for each.

    Raises:
        ReorderKitError: if the study or its folder is invalid, or a row failed in the ``smoke`` test.
    """
    # Imported on first use, as in run().
    from reorder_kit.api.finished_study import FinishedStudy, PlannedStudy
    from reorder_kit.api.progress import progress_of_cells
    from reorder_kit.jobs.place import Place
    from reorder_kit.studies.run_study import StudyRun

    if jobs is not None and jobs < 1:
        raise ReorderKitError(f"jobs: {jobs} is below 1", "give 1 or more")
    caller = Caller.here()
    with caller.warned_of_logs():
        content = study if isinstance(study, Mapping) else str(study)
        changes = (overrides or {}).items()
        opened = StudyRun.open(
            content, changes, None if out is None else Path(out), plugins(None, caller), _command(study, overrides)
        )
        for warning in opened.plan.warnings:
            caller.warn(warning)
        place = Place(jobs, submit is not None, [f"{name}={value}" for name, value in (submit or {}).items()])
        done = opened.perform(place, progress_of_cells(progress), smoke, dry_run)
        if done.results is None:
            _require_no_failures(done)
            return PlannedStudy(opened.folder.path, done.plan, done.finished, tuple(caller.told))
        for failure in done.failures:
            caller.warn(f"failed: {failure.run}: {failure.reason}")
    return FinishedStudy(opened.folder.path, done.results, tuple(caller.told))


def _command(study: Study, overrides: Overrides) -> str:
    """The call, for the record; content is too long to repeat, and is in the folder."""
    shown = "{...}" if isinstance(study, Mapping) else repr(str(study))
    return f"reorder_kit.study({shown}{f', {dict(overrides)!r}' if overrides else ''})"


def _require_no_failures(done: StudyOutcome) -> None:
    if done.failures:
        reasons = "; ".join(f"{failure.run}: {failure.reason}" for failure in done.failures)
        raise ReorderKitError(f"the smoke test failed, so nothing was trained: {reasons}")
