"""``reorder-kit evaluate``: how good a trained model is, in its own order and in others."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

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

    Nothing is downloaded unless --allow-download is given: the run may be somebody else's.

    \b
    Example:
      reorder-kit evaluate runs/quickstart
      reorder-kit evaluate runs/quickstart --order row --order hilbert --split validation
      reorder-kit evaluate runs/quickstart --order runs/quickstart/orders/start.json --json
      reorder-kit evaluate copied/photos --set data.root=/data/photos
    """
    from reorder_kit.cli._lookup import find_run, load_host, places_of
    from reorder_kit.training.evaluate_run import evaluate_run

    folder, host, places = find_run(run), load_host(), places_of(sets)
    report = evaluate_run(folder, orders or (), split.value, host, places, allow_download)
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
    own = report.orders[0].metrics
    for line in (*describe_worst_class(own, headline), *map(str, own.findings)):
        out.print(line, soft_wrap=True)
