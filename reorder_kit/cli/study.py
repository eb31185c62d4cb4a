"""``reorder-kit study``: a grid of runs with controls, compared over seeds."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import JsonOption
from reorder_kit.errors import ReorderKitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from reorder_kit.study.checking import CheckedStudy
    from reorder_kit.study.plan import Plan
    from reorder_kit.study.results import Failure, StudyResult
    from reorder_kit.study.run_study import CellReport, StudyRun, Trainers
    from reorder_kit.study.study_folder import StudyFolder

SOME_FAILED = 1


def study(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped study.", show_default=False)
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Replace a field of the study; the value is YAML. Repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder of the study; runs/NAME if not given.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            help="Runs at a time, in processes of one thread each; if not given, one for each GPU, or one.",
            show_default=False,
        ),
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Train each run as a job of the cluster, and wait for them.")
    ] = False,
    submit_options: Annotated[
        list[str] | None,
        typer.Option(
            "--submit-option",
            metavar="NAME=VALUE",
            help="A parameter of submitit, such as slurm_partition=gpu or timeout_min=120. Repeatable.",
        ),
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="First take a few steps of every row, to see whether it runs at all.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and compared.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only what came out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a grid of runs with their controls, and compare them over seeds.

    The same command again goes on where a study was stopped: finished runs are not trained again, others go on from
    their last checkpoint, and those that failed are tried once more. Ends with 1 if some runs failed.

    \b
    Example:
      reorder-kit study quick --jobs 2
      reorder-kit study studies/quick.yaml --set seeds=3 --out runs/try --dry-run
      reorder-kit study my_study.yaml --submit --submit-option slurm_partition=gpu --submit-option gpus_per_node=1
    """
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.recipe.overrides import override, parse_assignment
    from reorder_kit.study.checking import check_study
    from reorder_kit.study.library import find_study
    from reorder_kit.study.plan import plan_of
    from reorder_kit.study.run_study import StudyRun
    from reorder_kit.study.study_folder import StudyFolder

    # Whatever plugins and libraries print is no part of the result.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        host = load_host()
        content, place = find_study(study)
        checked = check_study(override(content, map(parse_assignment, sets or ())), host, study, place)
        folder = StudyFolder(out or Path("runs") / checked.study.name)
        folder.check(checked.study)
        run = StudyRun(checked, folder, host, _command())
        plan = plan_of(checked.study, host)
        finished = plan.runs - len(run.missing())
        shows = not (quiet or as_json)
        if not as_json:
            _print_plan(plan, folder.path, finished)
        failures: Sequence[Failure] = ()
        results = None
        if smoke or not dry_run:
            with _trainers(checked, folder, jobs, submit, submit_options) as trainers:
                if smoke:
                    failures = _smoke(run, trainers, len(plan.rows), shows)
                if not (dry_run or failures):
                    results = _train(run, trainers, finished, shows)
                    failures = results.failures
    if as_json:
        print_json(_as_json(plan, finished, failures, results))
    elif results is not None:
        _print_results(results, folder)
    elif dry_run:
        _print_rows(plan)
    for failure in failures:
        print_to_stderr(f"failed: {failure.run}: {failure.reason}")
    if failures:
        raise typer.Exit(SOME_FAILED)


def _trainers(
    checked: CheckedStudy, folder: StudyFolder, jobs: int | None, submit: bool, submit_options: list[str] | None
) -> AbstractContextManager[Trainers]:
    """Where runs are trained."""
    from reorder_kit.jobs.cluster import ClusterTrainers
    from reorder_kit.jobs.local_trainers import LocalTrainers
    from reorder_kit.jobs.worker_processes import slots_for, visible_gpus
    from reorder_kit.recipe.overrides import parse_assignment

    if submit:
        return ClusterTrainers(folder.jobs, dict(map(parse_assignment, submit_options or ())), jobs)
    if submit_options:
        raise ReorderKitError("--submit-option means nothing without --submit", "add --submit")
    import torch

    gpus = visible_gpus(os.environ, torch.cuda.device_count()) if checked.on_gpu else []
    return LocalTrainers(slots_for(jobs, gpus))


def _smoke(run: StudyRun, trainers: Trainers, rows: int, shows: bool) -> list[Failure]:
    if shows:
        print_to_stderr(f"first a few steps of {rows} rows, thrown away")
    with _progress(rows, 0, shows) as tell:
        return run.smoke(trainers, tell)


def _train(run: StudyRun, trainers: Trainers, finished: int, shows: bool) -> StudyResult:
    runs = len(run.cells)
    try:
        with _progress(runs, finished, shows) as tell:
            return run.train(trainers, tell)
    except KeyboardInterrupt:
        print_to_stderr(f"go on with: {run.command}")
        raise


@contextmanager
def _progress(runs: int, finished: int, shows: bool) -> Iterator[Callable[[CellReport], None]]:
    if not shows:
        yield lambda report: None
        return
    from reorder_kit.cli._study_progress import StudyProgress

    with StudyProgress(console(stderr=True), runs, finished) as progress:
        yield progress.tell


def _print_plan(plan: Plan, folder: Path, finished: int) -> None:
    begun = f", {finished} of them finished" if finished else ""
    rows = f"{len(plan.rows)} rows of {'1 seed' if plan.seeds == 1 else f'{plan.seeds} seeds'}"
    print_to_stderr(f"{folder}: {rows}, {plan.runs} runs{begun}")
    for line in [*plan.questions, *plan.left_out]:
        print_to_stderr(f"  {line}")
    for warning in plan.warnings:
        print_to_stderr(f"warning: {warning}")


def _print_rows(plan: Plan) -> None:
    shown = table("data", "backbone", "start", "learner", "control")
    for row in plan.rows:
        shown.add_row(row.data, row.backbone, row.start, row.learner or "", row.control or "")
    console().print(shown)


def _print_results(results: StudyResult, folder: StudyFolder) -> None:
    out = console()
    shown = table("data", "backbone", "start", "learner", "control", "seeds", f"test {results.metric}")
    for row in results.rows:
        names = (row.data, row.backbone, row.start, row.learner or "", row.control or "")
        shown.add_row(*names, str(len(row.seeds)), str(row.score))
    out.print()
    out.print(shown)
    out.print()
    for sentence in results.verdict:
        out.print(sentence, soft_wrap=True)
    if results.unfinished:
        count = "1 run was" if results.unfinished == 1 else f"{results.unfinished} runs were"
        out.print(f"{count} not trained, since others failed.")
    out.print(f"wrote {folder.results}; see it with: reorder-kit report {folder.path}", soft_wrap=True)


def _as_json(plan: Plan, finished: int, failures: Sequence[Failure], results: StudyResult | None) -> dict[str, Any]:
    if results is not None:
        return results.as_dict()
    return {**plan.as_dict(), "finished": finished, "failures": [asdict(failure) for failure in failures]}


def _command() -> str:
    return shlex.join(["reorder-kit", *sys.argv[1:]])
