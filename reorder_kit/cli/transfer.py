"""``reorder-kit transfer``: whether a learned order helps another model or other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._completion import complete_recipe
from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import (
    LAST_SEED,
    MOST_JOBS,
    MOST_SEEDS,
    MOST_STEPS,
    DownloadOption,
    JsonOption,
    SetOption,
    as_name,
    as_path,
)
from reorder_kit.cli._stopping import stoppable
from reorder_kit.errors import writing
from reorder_kit.writable import require_writable_folder

if TYPE_CHECKING:
    from reorder_kit.transfer.results import TransferResult


def transfer(
    recipes: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE...",
            help="Two or more recipes, each with a learner: files, or names of shipped ones.",
            show_default=False,
            parser=as_name,
            autocompletion=complete_recipe,
        ),
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Number of seeds.")] = 3,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, max=LAST_SEED, help="The first seed.")] = 0,
    tune_epochs: Annotated[
        int | None,
        typer.Option(
            "--tune-epochs",
            min=1,
            max=MOST_STEPS,
            help="Epochs of fine-tuning; a fifth of the recipe's epochs if not given.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the run folders; finished runs in it are reused.", parser=as_path
        ),
    ] = Path("runs/transfer"),
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=MOST_JOBS, help="Number of processes, with one thread each.")
    ] = 2,
    sets: SetOption = None,
    allow_download: DownloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Transfer learned orders between recipes: the generalization matrix.

    Every recipe learns its order. Each learned order is then tried on every recipe in three ways: its trained model is
    evaluated in that order without training, its weights are fine-tuned in it, and new weights are trained in it from
    scratch. The recipe's start and its own learned order are treated the same, for comparison. All recipes must read
    the same grid of patches. Every training has a run folder; finished runs are not trained again. Writes
    transfer.json, transfer.md and transfer.png.

    \b
    Example:
      reorder-kit transfer recurrent_softsort mamba_softsort --seeds 3 --set order.learner.search=while-training
      reorder-kit transfer digits.yaml photos.yaml --out runs/digits-photos --tune-epochs 2 --jobs 4
    """
    from reorder_kit.cli._lookup import load_host
    from reorder_kit.jobs.local_processes import LocalProcesses
    from reorder_kit.jobs.slots import slots_of_one_thread
    from reorder_kit.recipe.library import read_recipe
    from reorder_kit.transfer.files import write_results
    from reorder_kit.transfer.run_transfer import Work, plan_transfer, run_transfer

    with stoppable():
        require_writable_folder(out)
        host, all_seeds = load_host(), range(first_seed, first_seed + seeds)
        read = [read_recipe(recipe, sets or ()) for recipe in recipes]
        plan = plan_transfer(read, all_seeds, out, tune_epochs, host, allow_download)
        for words in plan.warnings:
            print_to_stderr(f"warning: {words}")
        processes = LocalProcesses[Work](slots_of_one_thread(jobs))
        with writing(out):
            results = run_transfer(plan, host, processes, print_to_stderr)
            write_results(results, out)
    if as_json:
        print_json(results.as_dict())
    else:
        _print(results, out)


def _print(results: TransferResult, out: Path) -> None:
    from reorder_kit.transfer.files import FILES
    from reorder_kit.transfer.results import HEADINGS

    printed = console()
    over = "of 1 seed" if len(results.seeds) == 1 else f"means over {len(results.seeds)} seeds; 95% intervals"
    printed.print(f"Scores on test images, and gains over the target's start, {over}.")
    for how, heading in HEADINGS.items():
        columns, lines = results.table(how)
        rows = table(*columns)
        for line in lines:
            rows.add_row(*line)
        printed.print()
        printed.print(heading)
        printed.print(rows)
    printed.print()
    for sentence in [*results.verdict, "", *(f"wrote {out / name}" for name in FILES)]:
        printed.print(sentence, soft_wrap=True)
