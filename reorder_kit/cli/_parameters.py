"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_recipe, complete_run

_ZERO_BYTE = "\0"
# More of these would be a slip of the finger, and take for ever.
MOST_JOBS, MOST_SEEDS = 1024, 10_000
LAST_SEED = 2**32 - 1 - MOST_SEEDS
"""The first of some seeds, so that the last is one that a recipe can have."""
MOST_STEPS = 1_000_000_000
"""Of a training, and images of a data set."""


def as_name(value: str) -> str:
    """What an argument names: something.

    Raises:
        BadParameter: if it is nothing, or has a zero byte.
    """
    if not value:
        raise typer.BadParameter("it is empty")
    if _ZERO_BYTE in value:
        raise typer.BadParameter("it has a zero byte")
    return value


def as_path(value: str | Path) -> Path:
    """A path, which an empty text is not: it would stand for the working directory.

    Raises:
        BadParameter: as :func:`as_name`.
    """
    return Path(as_name(str(value)))


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file, or the name of a shipped recipe.",
        show_default=False,
        parser=as_name,
        autocompletion=complete_recipe,
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run folder, as in runs/quickstart.", parser=as_name, autocompletion=complete_run
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps: the same as --set train.device=DEVICE."),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**32 - 1, help="The same as --set seed=SEED.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Replace a field of the recipe; the value is YAML. Repeatable."),
]
PlaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Where the run's data is now, as in data.root=/data/photos. Repeatable."
    ),
]
DownloadOption = Annotated[
    bool,
    typer.Option(
        "--allow-download",
        help="Let the run's recipe fetch data that is not there, and write into the folders it names.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON and nothing else to standard output, errors included.")
]
