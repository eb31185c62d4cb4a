"""``reorder-kit study``: train a grid of runs with controls and compare them over seeds."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._completion import complete_study
from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import MOST_JOBS, DeviceOption, JsonOption, as_name, as_path
from reorder_kit.cli._stopping import command_line, stoppable
from reorder_kit.cli._tables import TextTable, plan_table, size_of_plan, study_table, words_of_unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table

    from reorder_kit.studies.plan import Plan
    from reorder_kit.studies.results import StudyResult
    from reorder_kit.studies.run_study import CellReport, StudyRun
    from reorder_kit.studies.study_folder import StudyFolder

SOME_FAILED = 1


def study(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A study file, or the name of a shipped study.",
            show_default=False,
            parser=as_name,
            autocompletion=complete_study,
        ),
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Replace a field of the study; the value is YAML. Repeatable."
        ),
    ] = None,
    device: DeviceOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", min=1, max=1_000, help="Seeds of each row, counted from 0: the same as --set seeds=SEEDS."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the study; runs/NAME if not given.", parser=as_path),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            max=MOST_JOBS,
            help="Runs at a time, in processes of one thread each; if not given, one per GPU, or one without a GPU.",
            show_default=False,
        ),
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Train each run as a cluster job, and wait for them.")
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
        bool, typer.Option("--smoke", help="First train a few steps of every row, to check that it runs at all.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained and compared, without training.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only the results, without progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a grid of runs with their controls, and compare them over seeds.

    Run the same command again to continue a study that was stopped: finished runs are not trained again, others
    continue from their last checkpoint, and those that failed are tried again. The exit code is 1 if some runs failed,
    and 130 or 143 if Ctrl-C or SIGTERM stopped the study and its workers.

    \b
    Example:
      reorder-kit study quick --jobs 2
      reorder-kit study studies/quick.yaml --set seeds=3 --out runs/try --dry-run
      reorder-kit study my_study.yaml --submit --submit-option slurm_partition=gpu --submit-option gpus_per_node=1
    """
    from reorder_kit.cli._lookup import assigned, load_host
    from reorder_kit.jobs.place import Place
    from reorder_kit.recipe.overrides import parse_assignment
    from reorder_kit.studies.run_study import StudyRun

    options = {"--seeds": ("seeds", seeds), "--device": ("recipe.train.device", device)}
    assigned(sets, options)  # refuses a field that is given twice
    given = [*(sets or ()), *([] if seeds is None else [f"seeds={seeds}"])]
    with stoppable():
        run = StudyRun.open(study, map(parse_assignment, given), out, load_host(), command_line(), device)
        if not as_json:
            _print_plan(run)
        if smoke and not (quiet or as_json):
            print_to_stderr(f"first training a few steps of {len(run.plan.rows)} rows, to be discarded")
        progress = _no_progress if quiet or as_json else _progress
        done = run.perform(Place(jobs, submit, submit_options or ()), progress, smoke, dry_run)
    if as_json:
        print_json(done.as_dict())
    elif done.results is not None:
        _print_results(done.results, run.folder)
    elif dry_run:
        _print_rows(done.plan)
    for failure in done.failures:
        print_to_stderr(f"failed: {failure.run}: {failure.reason}")
    if done.failures:
        raise typer.Exit(SOME_FAILED)


@contextmanager
def _no_progress(runs: int, finished: int) -> Iterator[Callable[[CellReport], None]]:
    yield lambda report: None


@contextmanager
def _progress(runs: int, finished: int) -> Iterator[Callable[[CellReport], None]]:
    from reorder_kit.cli._study_progress import StudyProgress

    with StudyProgress(console(stderr=True), runs, finished) as progress:
        yield progress.tell


def _print_plan(run: StudyRun) -> None:
    plan, finished = run.plan, len(run.cells) - len(run.missing())
    print_to_stderr(f"{run.folder.path}: {size_of_plan(plan, finished)}")
    for line in [*plan.questions, *plan.left_out]:
        print_to_stderr(f"  {line}")
    for warning in plan.warnings:
        print_to_stderr(f"warning: {warning}")


def _print_rows(plan: Plan) -> None:
    console().print(_shown(plan_table(plan)))


def _shown(content: TextTable) -> Table:
    header, rows = content
    shown = table(*header)
    for row in rows:
        shown.add_row(*row)
    return shown


def _print_results(results: StudyResult, folder: StudyFolder) -> None:
    out = console()
    out.print()
    out.print(_shown(study_table(results)))
    out.print()
    for sentence in results.verdict:
        out.print(sentence, soft_wrap=True)
    for line in words_of_unfinished(results):
        out.print(line)
    out.print(f"wrote {folder.results}; view it with: reorder-kit report {folder.path}", soft_wrap=True)
