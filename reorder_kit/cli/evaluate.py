"""``reorder-kit evaluate``: how good a trained model is, in its own order and in others."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._completion import complete_order
from reorder_kit.cli._output import console, is_main_process, print_json, table
from reorder_kit.cli._parameters import DownloadOption, JsonOption, PlaceOption, RunArgument, as_name
from reorder_kit.cli._worst_class import describe_worst_class
from reorder_kit.statistics.headline import Headline, signed

if TYPE_CHECKING:
    from reorder_kit.training.evaluation_report import EvaluationReport


class Split(StrEnum):
    """Which images a model is judged on."""

    test = "test"
    validation = "validation"


def evaluate(
    run: RunArgument,
    orders: Annotated[
        list[str] | None,
        typer.Option(
            "--order",
            metavar="ORDER",
            help="Evaluate in this order, too: an ordering or an order file. Repeatable.",
            parser=as_name,
            autocompletion=complete_order,
        ),
    ] = None,
    keep: Annotated[
        list[float] | None,
        typer.Option(
            "--keep",
            metavar="SHARE",
            help="Read the first slots of its own order alone, too, a share of all patches, as 0.25; 1 for all slots "
            "of its own order. Repeatable.",
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Which images.")] = Split.test,
    sets: PlaceOption = None,
    allow_download: DownloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a trained model in its own and in other orders.

    The weights are the run's final ones, whatever the order. An order that is good only with its own weights says
    something else than one that is good with any. Choose between orders on the validation split; a test split that was
    used to choose is no longer one.

    Where the run orders each image by what it shows, Kendall's tau is to the consensus of these orders; of the run
    itself, the mean over images. Where it orders again before a later block, tau is to the composed order of all
    blocks, and another order is used before the first block alone.

    With --keep, the model reads the first patches of its own order alone: the score of each share stands beside what it
    costs to encode an image, and shares.json in the run folder has the curve for the report. Shares that were found
    earlier stay in it where they are of the same weights, images and device; else they are replaced. A model that was
    trained to read less (order.keep) is often better at it.

    Nothing is downloaded unless --allow-download is given: the run may be somebody else's.

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
    from reorder_kit.orders.order_file import words_of_spread
    from reorder_kit.training.evaluation_report import OWN

    out = console()
    headline = Headline(report.headline, report.higher_is_better)
    scores = [row.metrics.score(headline.name) for row in report.orders]
    are_shares = headline.are_shares(scores)
    measured = (f"{report.split} {headline}", headline.difference, "loss")
    compared = "consensus" if report.spread is not None else "own order"
    rows = table("order", *measured, f"Kendall tau to {compared}")
    for row, score in zip(report.orders, scores, strict=True):
        difference = "" if row.order == OWN else signed(headline.gain(score, scores[0]), are_shares)
        tau = f"{row.kendall_tau_to_own:.3f}"
        rows.add_row(row.order, f"{score:.3f}", difference, f"{row.metrics.loss:.3f}", tau)
    out.print(f"{report.run}: final weights, {report.orders[0].metrics.images} images")
    if report.spread is not None:
        out.print(f"It has no single order: {words_of_spread(report.spread)}.", soft_wrap=True)
    if report.blocks != [0]:
        later = ", ".join(map(str, report.blocks[1:]))
        out.print(
            f"It also orders before block {later}: tau is to the composed order; others are used before block 0 alone.",
            soft_wrap=True,
        )
    out.print()
    out.print(rows)
    _print_shares(report, headline)
    own = report.orders[0].metrics
    for line in (*describe_worst_class(own, headline), *map(str, own.findings)):
        out.print(line, soft_wrap=True)


def _print_shares(report: EvaluationReport, headline: Headline) -> None:
    """Nothing where no share was asked for."""
    if not report.shares:
        return
    from reorder_kit.runs.encoder_cost import OPERATIONS

    rows = table("share read", "slots", f"{report.split} {headline}", "encoder, ms an image", "million operations")
    for share in report.shares:
        cost, score = share.encoder, share.metrics.score(headline.name)
        time, operations = f"{1e3 * cost.seconds:.3g}", f"{cost.operations / 1e6:.3g}"
        rows.add_row(f"{share.keep:g}", str(cost.slots), f"{score:.3f}", time, operations)
    out = console()
    out.print()
    out.print(rows)
    out.print(OPERATIONS, soft_wrap=True)
    if report.shares_note:
        out.print(report.shares_note, soft_wrap=True)
