"""``reorder-kit run``: train a recipe and the controls beside it."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit import hookimpl
from reorder_kit.cli._output import console, is_main_process, print_json, print_to_stderr
from reorder_kit.cli._parameters import JsonOption, RecipeArgument, SetOption, as_path

if TYPE_CHECKING:
    from reorder_kit.interfaces.run_events import RunInfo


def run(
    recipe: RecipeArgument,
    sets: SetOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="The run folder; the next free runs/NAME if not given.", parser=as_path
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, or with the last one of this name.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress, only what came out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe and the controls beside it.

    Progress goes to standard error, what came out to standard output and into the run folder. With --json standard
    output is the content of result.json. A run that was stopped goes on with --resume as if it had not been stopped.

    \b
    Example:
      reorder-kit run quickstart
      reorder-kit run recipes/quickstart.yaml --set train.epochs=30 --set order.start=hilbert --out runs/try
      reorder-kit run quickstart --resume
      torchrun --nproc-per-node 2 -m reorder_kit run quickstart
    """
    from reorder_kit.cli._lookup import load_host, recipe_content
    from reorder_kit.cli._run_progress import ConsoleProgress
    from reorder_kit.cli._run_summary import print_summary
    from reorder_kit.experiment.compose import compose
    from reorder_kit.experiment.doubts import doubts
    from reorder_kit.training.run import run_experiment

    host = load_host()
    experiment = compose(recipe_content(recipe, sets), host, recipe)
    shows_progress = is_main_process() and not (quiet or as_json)
    first_folder = _FirstFolder()
    host.add(first_folder, "first-folder")
    with ExitStack() as stack:
        if shows_progress:
            for doubt in doubts(experiment):
                print_to_stderr(f"warning: {doubt}")
            host.add(stack.enter_context(ConsoleProgress(console(stderr=True))), "console")
        try:
            folder, result = run_experiment(experiment, host, out, resume)
        except KeyboardInterrupt:
            if first_folder.path is not None:
                print_to_stderr(f"go on with: {_resume_command(recipe, sets, first_folder.path)}")
            raise
    if is_main_process():
        if as_json:
            print_json(result.as_dict())
        else:
            learner = experiment.learner
            is_rule = learner is not None and learner.is_rule
            print_summary(folder, result, has_learner=experiment.learns, is_rule=is_rule)


class _FirstFolder:
    """Listens for where the run writes.

    Runs that start later are the controls beside it; a search and its trials, which come before, lie inside its folder.
    """

    path: Path | None = None

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        inside = run.name.count("/")  # as in NAME/search, NAME/trials/start-0
        self.path = self.path or [run.directory, *run.directory.parents][inside]


def _resume_command(recipe: str, sets: list[str] | None, folder: Path) -> str:
    assignments = [word for assignment in sets or () for word in ("--set", assignment)]
    return shlex.join(["reorder-kit", "run", recipe, *assignments, "--out", str(folder), "--resume"])
