"""What came out of a run, in a few lines."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text

from reorder_kit.cli._output import console, table
from reorder_kit.cli._run_progress import describe_unreadable
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.run_folder import RunFolder, compared_controls, left_out_controls
from reorder_kit.statistics.headline import Headline, signed


def print_summary(folder: RunFolder, result: dict[str, Any], has_learner: bool) -> None:
    """Print the figures of a finished run, the controls beside it, and what has to be known to read them."""
    out = console()
    headline = Headline.of(result)
    rows = table("", f"test {headline}", *([headline.difference] if result["controls"] else []))
    value = result["metrics"]["test"][headline.name]
    rows.add_row(Text(result["name"], style="bold"), f"{value:.3f}")
    controls = compared_controls(result)
    are_shares = headline.are_shares([value, *(score for each in controls for score in (each.own, each.score))])
    for control in controls:
        rows.add_row(control.name, f"{control.score:.3f}", signed(control.ahead, are_shares))
    out.print()
    out.print(rows)
    out.print()
    order = [*_prior(result), *_order(result, folder, has_learner)]
    lines = [_reach(result), *order, *_left_out(result), *_unreadable(result, folder), *_caution(result)]
    for line in [*lines, "", *_files(folder)]:
        out.print(line, soft_wrap=True)


def _reach(result: dict[str, Any]) -> str:
    read = SlotsRead.from_dict(result["order"]["reach"])
    if read.is_selection:
        return f"{read.words}: this is a selection case; the order also selects which patches are read."
    if read.reached is None:
        return f"Patches are ordered again before a later block: {read.words}."
    return f"{read.words}: the order selects nothing, every patch is read."


def _prior(result: dict[str, Any]) -> list[str]:
    prior = result["order"].get("prior")
    if not prior:
        return []
    start = f"chose {prior['chosen']}" if prior["chosen"] else "made an order of its own"
    return [f"The prior {prior['name']} {start} to start from."]


def _order(result: dict[str, Any], folder: RunFolder, has_learner: bool) -> list[str]:
    if not has_learner:
        return ["No order was learned: it stayed as it started."]
    tau = result["order"]["kendall_tau_to_start"]
    scale = "(1 the same, 0 unrelated, -1 reversed)"
    similarity = f"Kendall tau of the final order to the start: {tau:.3f} {scale}."
    if result["order"].get("is_consensus"):
        words = words_of_spread(result["order"]["spread"])
        similarity = f"No single order: {words}. Kendall tau of the consensus to the start: {tau:.3f} {scale}."
    phases = {json.loads(line)["phase"] for line in folder.metrics.read_text().splitlines()}
    if phases == {"warm-up"}:
        return [
            similarity,
            "The learner never searched: its warm-up was as long as the run. "
            "Raise train.epochs, or lower order.learner.warmup_epochs.",
        ]
    return [similarity]


def _left_out(result: dict[str, Any]) -> list[str]:
    return [f"The control {name} was left out: {reason}." for name, reason in left_out_controls(result).items()]


def _unreadable(result: dict[str, Any], folder: RunFolder) -> list[str]:
    """The images that were missing, of any split."""
    epochs = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    figures = [*epochs, *(epoch["validation"] for epoch in epochs), result["metrics"]["test"]]
    named = dict.fromkeys(name for each in figures for name in each.get("unreadable", ()))
    return [describe_unreadable(list(named))] if named else []


def _caution(result: dict[str, Any]) -> list[str]:
    if not result["controls"]:
        return []
    return ["These are single runs: repeat them with other seeds (--set seed=1) before you trust a small difference."]


def _files(folder: RunFolder) -> list[str]:
    examples = sorted(folder.path.glob("order-example-*.png"))
    order, *others = (folder.path / f"{name}.png" for name in ("order", "curves", "predictions"))
    files = [order, *examples, *others, folder.order, folder.result]
    return [f"wrote {file}" for file in files if file.exists()]
