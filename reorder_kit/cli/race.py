"""``reorder-kit race``: judge starting orders by short trainings from scratch."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._output import console, print_json, print_to_stderr, table
from reorder_kit.cli._parameters import MOST_JOBS, JsonOption, RecipeArgument, SetOption, as_name, as_path
from reorder_kit.cli._stopping import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reorder_kit.jobs.place import Place
    from reorder_kit.race.race_folder import RaceFolder
    from reorder_kit.race.results import RaceResult
    from reorder_kit.race.setup import RaceSetup
    from reorder_kit.race.standing import Standing
    from reorder_kit.race.worker import Tell

_MOST_ROWS = 8


def race(
    recipe: RecipeArgument,
    budget: Annotated[
        float, typer.Option("--budget", metavar="RUNS", help="Budget of the race, in full training runs.")
    ] = 3.0,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", help="Number of fresh seeds that prove the winner at equal total cost; 0 for no proof."
        ),
    ] = 3,
    orders: Annotated[
        list[Path] | None,
        typer.Option("--order", metavar="FILE", help="An order file to include. Repeatable.", parser=as_path),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="A run whose final order to include, and its order by saliency if that was recorded. Repeatable.",
            parser=as_path,
        ),
    ] = None,
    sets: SetOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the race; runs/NAME-race if not given.", parser=as_path),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="A database for Optuna, such as sqlite:///race.db; a file in the folder of the race if not given.",
            parser=as_name,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            max=MOST_JOBS,
            help="Number of workers, in processes of one thread each; only this process if not given.",
            show_default=False,
        ),
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Run each worker as a cluster job, and wait for them; needs --jobs.")
    ] = False,
    submit_options: Annotated[
        list[str] | None,
        typer.Option(
            "--submit-option",
            metavar="NAME=VALUE",
            help="A parameter of submitit, such as slurm_partition=gpu or timeout_min=120. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the candidates and the cost without training.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only the results, without progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Race starting orders by short trainings from scratch, and prove the winner at equal total cost.

    The candidates are fixed rules, proposals of priors, the recipe's own start, and orders that you add. The winner is
    chosen on validation images; recipes start from it with order.start: {race: FOLDER}. Run the same command again to
    resume a race that was stopped, or run it elsewhere at the same time to share the work.

    \b
    Example:
      reorder-kit race local_informed --budget 3
      reorder-kit race my_recipe.yaml --budget 5 --run runs/my_run --dry-run
      reorder-kit race my_recipe.yaml --jobs 8 --submit --submit-option slurm_partition=gpu
    """
    from reorder_kit.cli._lookup import load_host, recipe_content, warn_of_parts
    from reorder_kit.race.pool import Brought
    from reorder_kit.race.run_race import RaceRun

    place = _place(jobs, submit, submit_options)
    with stoppable():
        brought = Brought(tuple(orders or ()), tuple(runs or ()))
        content = recipe_content(recipe, sets)
        run = RaceRun.open(content, recipe, load_host(), budget, seeds, brought, storage, out)
        warn_of_parts(run.asked.experiment)
        announce = _nothing if quiet or as_json else print_to_stderr
        setup = run.planned(announce) if dry_run else run.begin(announce)
        if not as_json:
            _print_plan(setup, run.folder, run.seeds, typer.echo if dry_run else print_to_stderr)
        result = None if dry_run else run.train(place, _no_progress if quiet or as_json else _progress)
    if as_json:
        print_json(setup.as_dict() if result is None else result.as_dict())
    elif result is not None:
        _print_result(result, run.folder)


def _place(jobs: int | None, submit: bool, submit_options: list[str] | None) -> Place | None:
    from reorder_kit.errors import ReorderKitError
    from reorder_kit.jobs.place import Place

    if submit and jobs is None:
        raise ReorderKitError("--submit needs the number of workers", "give it with --jobs")
    if submit_options and not submit:
        raise ReorderKitError("--submit-option has no effect without --submit", "add --submit")
    return None if jobs is None else Place(jobs, submit, submit_options or ())


def _nothing(what: str) -> None:
    """Discard a message."""


@contextmanager
def _no_progress(standing: Standing) -> Iterator[Tell]:
    yield lambda standing: None


@contextmanager
def _progress(standing: Standing) -> Iterator[Tell]:
    from reorder_kit.cli._race_progress import RaceProgress

    with RaceProgress(console(stderr=True), standing) as progress:
        yield progress.tell


def _print_plan(setup: RaceSetup, folder: RaceFolder, seeds: int, say: Callable[[str], None]) -> None:
    from reorder_kit.race.wording import plan_in_words

    first, *others = plan_in_words(setup, seeds)
    say(f"{folder.path}: {first}")
    for line in others:
        say(f"  {line}")


def _print_result(result: RaceResult, folder: RaceFolder) -> None:
    from reorder_kit.race.wording import trials_in_words

    out = console()
    final = result.rungs[-1]
    shown = table(f"order, {trials_in_words(final)}", "loss", "behind the winner")
    for each in final.candidates[:_MOST_ROWS]:
        shown.add_row(each.name, f"{each.loss:.4f}", "" if each.behind is None else each.behind.written(4))
    out.print()
    out.print(shown)
    if result.equal_cost:
        proof = table("contender", "order", "steps", "cost in runs", f"test {result.metric}", "behind the winner")
        for line in result.equal_cost:
            behind = "" if line.behind is None else line.behind.written(3)
            proof.add_row(
                line.contender, line.order, f"{line.steps:,}", f"{line.cost:.4g}", line.score.written(3), behind
            )
        out.print()
        out.print(proof)
    out.print()
    for sentence in result.conclusion:
        out.print(sentence, soft_wrap=True)
    out.print(f"wrote {folder.order}; start from it with: order.start: {{race: {folder.path}}}", soft_wrap=True)
