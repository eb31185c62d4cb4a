"""``reorder-kit run``: train a recipe and its controls."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit import hookimpl
from reorder_kit.cli._output import console, is_main_process, print_json, print_to_stderr
from reorder_kit.cli._parameters import DeviceOption, JsonOption, RecipeArgument, SeedOption, SetOption, as_path

if TYPE_CHECKING:
    from reorder_kit.interfaces.run_events import RunInfo


def run(
    recipe: RecipeArgument,
    sets: SetOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Run folder; the next free runs/NAME if not given.", parser=as_path),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out, or the last one of this name.")
    ] = False,
    extend: Annotated[
        int | None,
        typer.Option(
            "--extend",
            metavar="EPOCHS",
            min=1,
            max=1_000_000,
            help="Train a finished run for this many more epochs in a new folder; give its folder instead of RECIPE.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only the results, without progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe and its controls.

    Progress goes to standard error, results to standard output and into the run folder. With --json, standard output is
    the content of result.json. --resume continues a run that was stopped as if it had never stopped. --extend trains
    the final weights of a finished run further, in its final order and with a new learning-rate schedule; the finished
    run itself stays unchanged.

    \b
    Example:
      reorder-kit run quickstart
      reorder-kit run recipes/quickstart.yaml --set train.epochs=30 --set order.start=hilbert --device cpu
      reorder-kit run quickstart --resume
      reorder-kit run runs/quickstart --extend 20
      torchrun --nproc-per-node 2 -m reorder_kit run quickstart
    """
    from reorder_kit.cli._lookup import assigned, find_run, load_host, recipe_content
    from reorder_kit.cli._run_progress import ConsoleProgress
    from reorder_kit.cli._run_summary import print_summary
    from reorder_kit.experiment.compose import compose
    from reorder_kit.experiment.doubts import doubts
    from reorder_kit.experiment.extension import controls_left_out, extended_recipe
    from reorder_kit.recipe.overrides import override
    from reorder_kit.training.run import run_experiment

    host = load_host()
    before = None if extend is None else find_run(recipe)
    warnings: list[str] = []
    if extend is None or before is None:
        content = recipe_content(recipe, sets, device, seed)
    else:
        options = {"--device": ("train.device", device), "--seed": ("seed", seed)}
        content = override(extended_recipe(before, extend, host), assigned(sets, options))
        warnings += [words for words in [controls_left_out(before, extend)] if words]
    experiment = compose(content, host, recipe)
    shows_progress = is_main_process() and not (quiet or as_json)
    first_folder = _FirstFolder()
    host.add(first_folder, "first-folder")
    with ExitStack() as stack:
        if shows_progress:
            for doubt in [*warnings, *doubts(experiment)]:
                print_to_stderr(f"warning: {doubt}")
            host.add(stack.enter_context(ConsoleProgress(console(stderr=True))), "console")
        try:
            folder, result = run_experiment(experiment, host, out, resume, before)
        except KeyboardInterrupt:
            if first_folder.path is not None:
                given = {"--device": device, "--seed": seed, "--extend": extend}
                print_to_stderr(f"resume with: {_resume_command(recipe, sets, given, first_folder.path)}")
            raise
    if is_main_process():
        if as_json:
            print_json(result.as_dict())
        else:
            print_summary(folder, result, has_learner=experiment.learns)


class _FirstFolder:
    """Listens for the folder of the run.

    Runs that start later are its controls; a search and its trials, which come earlier, are inside its folder.
    """

    path: Path | None = None

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        inside = run.name.count("/")  # as in NAME/search, NAME/trials/start-0
        self.path = self.path or [run.directory, *run.directory.parents][inside]


def _resume_command(recipe: str, sets: list[str] | None, given: Mapping[str, object], folder: Path) -> str:
    words = [word for assignment in sets or () for word in ("--set", assignment)]
    words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
    return shlex.join(["reorder-kit", "run", recipe, *words, "--out", str(folder), "--resume"])
