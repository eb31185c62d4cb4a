"""``reorder-kit evaluate``: score a trained model in its own order and in others."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._completion import complete_order
from reorder_kit.cli._output import console, is_main_process, print_json, table
from reorder_kit.cli._parameters import DownloadOption, JsonOption, PlaceOption, RunArgument, as_name

if TYPE_CHECKING:
    from reorder_kit.cli._tables import TextTable
    from reorder_kit.training.evaluation_report import EvaluationReport


class Split(StrEnum):
    """The images that a model is evaluated on."""

    test = "test"
    validation = "validation"


def evaluate(
    run: RunArgument,
    orders: Annotated[
        list[str] | None,
        typer.Option(
            "--order",
            metavar="ORDER",
            help="Also evaluate in this order: an ordering or an order file. Repeatable.",
            parser=as_name,
            autocompletion=complete_order,
        ),
    ] = None,
    keep: Annotated[
        list[float] | None,
        typer.Option(
            "--keep",
            metavar="SHARE",
            help="Also read only the first slots of its own order, a share of all patches such as 0.25; 1 for all its "
            "slots. Repeatable.",
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Images to evaluate on.")] = Split.test,
    sets: PlaceOption = None,
    allow_download: DownloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a trained model in its own and in other orders.

    The weights are always the run's final ones. An order that works only with its own weights means something different
    from one that works with any weights. Choose between orders on the validation split: a test split that was used to
    choose no longer measures generalization.

    If the run orders each image by its content, Kendall's tau compares with the consensus of these orders, and the
    run's own tau is the mean over images. If the run orders again before a later block, tau compares with the composed
    order of all blocks, and other orders apply before the first block only.

    With --keep, the model reads only the first patches of its own order. The table shows the score of each share and
    the cost of encoding an image; shares.json in the run folder keeps the curve for the report. Earlier shares are kept
    if they have the same weights, images and device; otherwise they are replaced. Models trained to read less
    (order.keep) are often better at it.

    Nothing is downloaded without --allow-download, because the run may come from somebody else.

    \b
    Example:
      reorder-kit evaluate runs/quickstart
      reorder-kit evaluate runs/quickstart --order row --order hilbert --split validation
      reorder-kit evaluate runs/quickstart --order runs/quickstart/orders/start.json --json
      reorder-kit evaluate runs/quickstart --keep 0.25 --keep 0.5 --keep 1
      reorder-kit evaluate copied/photos --set data.root=/data/photos
    """
    from reorder_kit.cli._lookup import find_run, load_host, places_of
    from reorder_kit.training.evaluate_run import evaluate_run
    from reorder_kit.writable import require_writable_file

    folder, host, places = find_run(run), load_host(), places_of(sets)
    if keep:
        require_writable_file(folder.shares)
    report = evaluate_run(folder, orders or (), split.value, host, places, allow_download, keep or ())
    if not is_main_process():
        return
    if as_json:
        print_json(report.as_dict())
    else:
        _print_report(report)


def _print_report(report: EvaluationReport) -> None:
    from reorder_kit.cli import _evaluation_words as words

    out = console()
    for line in words.introduction(report):
        out.print(line, soft_wrap=True)
    _print_table(words.evaluation_table(report))
    if report.shares:
        _print_table(words.shares_table(report))
    for line in words.notes(report):
        out.print(line, soft_wrap=True)


def _print_table(content: TextTable) -> None:
    header, rows = content
    shown, out = table(*header), console()
    for row in rows:
        shown.add_row(*row)
    out.print()
    out.print(shown)
