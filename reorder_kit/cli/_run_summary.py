"""The result of a run in a few lines."""

from __future__ import annotations

from rich.text import Text

from reorder_kit.cli._output import console, table
from reorder_kit.cli._run_progress import describe_unreadable
from reorder_kit.cli._tables import run_table
from reorder_kit.cli._worst_class import describe_worst_class
from reorder_kit.experiment.extension import extended_run
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.runs.epoch_record import EpochRecord
from reorder_kit.runs.figures import words_of_absence
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder


def print_summary(folder: RunFolder, result: RunResult, has_learner: bool) -> None:
    """Print the figures of a finished run and its controls, and notes on how to read them."""
    out = console()
    header, (own, *others) = run_table(result)
    rows = table(*header)
    rows.add_row(Text(own[0], style="bold"), *own[1:])
    for control in others:
        rows.add_row(*control)
    out.print()
    out.print(rows)
    out.print()
    for line in [*summary_lines(folder, result, has_learner), "", *_files(folder)]:
        out.print(line, soft_wrap=True)


def summary_lines(folder: RunFolder, result: RunResult, has_learner: bool) -> list[str]:
    """Notes on how to read the figures of a finished run."""
    epochs = folder.read_epochs()
    order = [*_prior(result), *_order(folder, result, epochs, has_learner)]
    absent = words_of_absence(result.metrics.test, "test")
    notes = [*order, *absent, *_left_out(result), *_unreadable(result, epochs), *_caution(result)]
    return [*describe_worst_class(result.metrics.test, result.metric), _reach(result), *notes]


def _reach(result: RunResult) -> str:
    read = result.order.reach.slots_read
    if read.is_selection:
        return f"{read.words}: this is a selection case; the order also selects which patches are read."
    if read.reached is None:
        return f"Patches are ordered again before a later block: {read.words}."
    return f"{read.words}: every patch is read, so the order selects nothing."


def _prior(result: RunResult) -> list[str]:
    prior = result.order.prior
    if prior is None:
        return []
    start = f"chose {prior.chosen}" if prior.chosen else "made a new order"
    return [f"The prior {prior.name} {start} as the start.", *result.order.words_of_effective_slots]


def _order(folder: RunFolder, result: RunResult, epochs: list[EpochRecord], has_learner: bool) -> list[str]:
    if not has_learner:
        before = extended_run(folder)
        if before is not None:
            return [f"The order is the final order of {before}; the search was not continued."]
        return ["No order was learned: the run kept its starting order."]
    tau, spread = result.order.kendall_tau_to_start, result.order.spread
    scale = "(1 the same, 0 unrelated, -1 reversed)"
    if result.validated is not None:
        accepted = result.order.words_of_closed_form if result.validated.is_accepted else []
        return [result.validated.words, *accepted]
    similarity = f"Kendall tau of the final order to the start: {tau:.3f} {scale}."
    if spread is not None:
        similarity = (
            f"No single order: {words_of_spread(spread)}. Kendall tau of the consensus to the start: {tau:.3f} {scale}."
        )
    if {epoch.phase for epoch in epochs} == {"warm-up"}:
        return [
            similarity,
            "The learner never searched: its warm-up lasted as long as the run. "
            "Raise train.epochs, or lower order.learner.warmup_epochs.",
        ]
    if epochs[-1].phase == "search":
        return [
            similarity,
            "The run ended during its search, so no epoch trained in the final order. "
            "Raise train.epochs, or lower order.learner.search_epochs.",
        ]
    return [similarity, *result.order.words_of_closed_form]


def _left_out(result: RunResult) -> list[str]:
    return [f"The control {name} was left out: {reason}." for name, reason in result.left_out_controls.items()]


def _unreadable(result: RunResult, epochs: list[EpochRecord]) -> list[str]:
    """The images of any split that could not be read."""
    read = [epoch.unreadable for epoch in epochs]
    read += [figures.unreadable for figures in (*(epoch.validation for epoch in epochs), result.metrics.test)]
    named = dict.fromkeys(name for each in read for name in each)
    return [describe_unreadable(list(named))] if named else []


def _caution(result: RunResult) -> list[str]:
    if not result.controls:
        return []
    return ["These are single runs: repeat them with other seeds (--set seed=1) before trusting a small difference."]


def _files(folder: RunFolder) -> list[str]:
    examples = sorted(folder.path.glob("order-example-*.png"))
    order, *others = (folder.path / f"{name}.png" for name in ("order", "curves", "predictions"))
    files = [order, *examples, *others, folder.order, folder.result]
    return [f"wrote {file}" for file in files if file.exists()]
