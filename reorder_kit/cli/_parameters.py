"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe.", show_default=False)
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, as in runs/quickstart.")]
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
