"""``reorder-kit bench``: benchmarks with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.benchmark.planted_cases import CASES
from reorder_kit.cli._completion import complete_learner
from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import LAST_SEED, MOST_JOBS, MOST_SEEDS, JsonOption, as_path
from reorder_kit.cli._stopping import stoppable
from reorder_kit.cli.evaluate import Split
from reorder_kit.errors import writing
from reorder_kit.writable import require_writable_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_kit.benchmark.planted_report import CaseReport


def planted(
    cases: Annotated[
        list[str] | None,
        typer.Option(
            "--case", metavar="NAME", help=f"One of: {', '.join(CASES)}. Repeatable; chain-16 if none is named."
        ),
    ] = None,
    learners: Annotated[
        list[str] | None,
        typer.Option(
            "--learner",
            metavar="NAME",
            help="An order-learner. Repeatable; all if none is named.",
            autocompletion=complete_learner,
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="LEARNER.OPTION=VALUE",
            help="Set an option of a learner; the value is YAML. Repeatable.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Number of seeds.")] = 5,
    first_seed: Annotated[
        int,
        typer.Option(
            "--first-seed", min=0, max=LAST_SEED, help="The first seed; choose options on other seeds than you report."
        ),
    ] = 0,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=MOST_JOBS, help="Number of processes, with one thread each.")
    ] = 2,
    split: Annotated[
        Split, typer.Option("--split", help="Images to score; choose options on validation images.")
    ] = Split.test,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="File of finished runs; they are not trained again.", parser=as_path
        ),
    ] = Path("planted.jsonl"),
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Draw the results into this folder.", parser=as_path)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test order-learners on tasks whose best order is known.

    For each case, seed and learner, one model learns an order from a scrambled start, and another is trained from
    scratch in the learned order. Two more are trained in the scrambled order and in the order that undoes it. The table
    shows means over seeds with 95% intervals, and the share of the accuracy gap between these two orders that was
    recovered.

    \b
    Example:
      reorder-kit bench planted --case chain-16 --learner softsort --seeds 3
      reorder-kit bench planted --case selection --learner reinforce --set reinforce.lr=0.03 --split validation
    """
    from reorder_kit.benchmark.planted import plan_benchmark, run_benchmark
    from reorder_kit.benchmark.planted_pictures import draw_pictures
    from reorder_kit.benchmark.planted_report import report
    from reorder_kit.benchmark.planted_runs import PlantedRun
    from reorder_kit.cli._lookup import load_host, warn_of_deprecated
    from reorder_kit.jobs.ledger import Ledger
    from reorder_kit.jobs.local_processes import LocalProcesses
    from reorder_kit.jobs.slots import slots_of_one_thread
    from reorder_kit.runs.folder_lock import alone_with

    with stoppable():
        host = load_host()
        warn_of_deprecated(host, "order-learner", learners or ())
        runs = plan_benchmark(cases or (), learners or (), sets or (), range(first_seed, first_seed + seeds), host)
        if figures is not None:
            require_writable_folder(figures)
        processes = LocalProcesses[PlantedRun](slots_of_one_thread(jobs))
        with alone_with(out):
            outcomes = run_benchmark(runs, Ledger(out), host, processes, tell=print_to_stderr)
        reports = report(outcomes, split.value)
        if figures is not None:
            with writing(figures):
                for path in draw_pictures(reports, figures):
                    print_to_stderr(f"wrote {path}")
    if as_json:
        print_json(
            {"split": split, "first_seed": first_seed, "seeds": seeds, "cases": [case.as_dict() for case in reports]}
        )
    else:
        _print(reports, split, seeds)


def _print(reports: Sequence[CaseReport], split: Split, seeds: int) -> None:
    out = console()
    over = "of 1 seed" if seeds == 1 else f"means over {seeds} seeds with 95% intervals"
    out.print(f"Accuracy on {split} images, {over}.")
    for case in reports:
        heading, *lines = case.table()
        rows = table(*heading)
        for line in lines:
            rows.add_row(*line)
        out.print()
        out.print(f"{case.case.name}: {case.case.about}", soft_wrap=True)
        if case.is_selection:
            slots, of = case.reach
            out.print(f"{slots} of {of} slots reach the readout: this is selection, not ordering.")
        if case.gap is not None:
            out.print(f"Gap between scrambled and undone: {case.gap}.")
        out.print(rows)
