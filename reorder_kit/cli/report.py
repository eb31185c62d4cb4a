"""``reorder-kit report``: a page to view and share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_run_or_study
from reorder_kit.cli._output import print_to_stderr
from reorder_kit.cli._parameters import PlaceOption, as_path


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_STUDY",
            help="Folder of a finished run or of a study.",
            parser=as_path,
            autocompletion=complete_run_or_study,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder to write to; the folder report of the run or study if not given.",
            parser=as_path,
        ),
    ] = None,
    sets: PlaceOption = None,
) -> None:
    """Write report.html: a single self-contained file that you can send to anyone.

    It opens from disk and shows the verdict, figures with their intervals and controls, the order epoch by epoch over
    an image of the data, and how it was made. Its pictures are written to the same folder as PNG, its tables as CSV.
    Empty sections are omitted.

    \b
    Example:
      reorder-kit report runs/quickstart
      reorder-kit report studies/quick --out page
      reorder-kit report copied/photos --set data.root=/data/photos
    """
    from reorder_kit.cli._lookup import load_host, places_of
    from reorder_kit.reports.write import write_report

    written = write_report(source, out, load_host(), places_of(sets))
    typer.echo(written[0])
    print_to_stderr(f"with {len(written) - 1} pictures and tables in the same folder")
