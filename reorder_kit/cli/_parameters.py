"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_recipe, complete_run

_ZERO_BYTE = "\0"
# Larger numbers are most likely typos and would take forever.
MOST_JOBS, MOST_SEEDS = 1024, 10_000
LAST_SEED = 2**32 - 1 - MOST_SEEDS
"""The largest first seed whose last seed is still valid in a recipe."""
MOST_STEPS = 1_000_000_000
"""The largest number of training steps, and of images of a data set."""


def as_name(value: str) -> str:
    """Check that an argument is not empty.

    Raises:
        BadParameter: if it is empty or contains a null byte.
    """
    if not value:
        raise typer.BadParameter("the value is empty")
    if _ZERO_BYTE in value:
        raise typer.BadParameter("the value contains a null byte")
    return value


def as_path(value: str | Path) -> Path:
    """Convert to a path; an empty text is refused because it would mean the working directory.

    Raises:
        BadParameter: as for :func:`as_name`.
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
        help="Let the run's recipe download missing data and write into the folders it names.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON to standard output, errors included.")]
