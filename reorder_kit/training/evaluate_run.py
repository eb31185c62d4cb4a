"""Evaluate a trained run again, in its own order and in others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.experiment.find_order import find_order
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.recorded_data import reopen_data
from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import views_of
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.encoder_cost import ShareCurve
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.devices import build_accelerator, describe_device, runnable_here
from reorder_kit.training.evaluation import evaluate
from reorder_kit.training.evaluation_report import OWN, EvaluatedOrder, EvaluationReport
from reorder_kit.training.predictions import predict_some
from reorder_kit.training.shares import read_share, slots_of_shares, write_shares


@names_plugins
def evaluate_run(
    folder: RunFolder,
    sources: Sequence[str | Order],
    split: str,
    host: PluginHost,
    places: Places = (),
    allow_download: bool = False,
    keep: Sequence[float] = (),
) -> EvaluationReport:
    """Evaluate the final weights of a run.

    Args:
        folder: the folder of a finished run.
        sources: further orders: orders, names of orderings, order files, run folders.
        split: ``test`` or ``validation``.
        host: the plugins, which receive predictions.
        places: current locations of its data, if it was moved.
        allow_download: let its data source download missing files.
        keep: shares of all patches, from the beginning of its own order, to read alone, with 1 for all slots of its
            order; the results are written to the run folder.

    Raises:
        ReorderKitError: if an order or a share does not fit, the run or its data cannot be read, or the data has
            different classes.
    """
    run = LoadedRun.open(folder.path, host, places, allow_download)
    experiment, task, model = run.experiment, run.experiment.task, run.model
    others = list(_named_orders(sources, host, model.facts.grid))
    own = folder.read_order()
    slots = slots_of_shares(run, own.order, keep)
    accelerator = build_accelerator(runnable_here(experiment.recipe.train))
    run = run.on(accelerator.device)
    splits = reopen_data(experiment, folder).splits
    samples = splits.test if split == "test" else splits.validation
    data = experiment.recipe.data
    loader = evaluation_loader(
        samples,
        run.context.kind,
        split,
        data.batch_size,
        data.workers,
        accelerator.process_index,
        accelerator.num_processes,
        views_of(task, training=False),
    )

    def figures(model: OrderedModel) -> Figures:
        return evaluate(model, task, loader, run.context, accelerator, run.progress)

    if accelerator.is_main_process:
        name = experiment.recipe.name
        predictions = predict_some(run.evaluated_model, task, samples, run.context, accelerator, name, split)
        if predictions is not None:
            host.announce("predictions_made", directory=folder.path, predictions=predictions)
    # Kendall's tau is 1 - 2 times the Kendall distance, so the mean of one follows from the mean of the other.
    own_tau = 1.0 if own.spread is None else 1.0 - 2.0 * own.spread
    rows = [EvaluatedOrder(order=OWN, kendall_tau_to_own=own_tau, metrics=figures(run.evaluated_model))]
    rows += [
        EvaluatedOrder(
            order=name,
            kendall_tau_to_own=other.kendall_tau(own.order),
            metrics=figures(run.evaluated_model.ordered_by(other.to(accelerator.device))),
        )
        for name, other in others
    ]
    shares = [read_share(run, share, slots[share], samples, split, figures, accelerator) for share in sorted(slots)]
    note = ""
    if shares and accelerator.is_main_process:
        device = describe_device(accelerator)
        checkpoint = folder.read_result().checkpoint
        note = write_shares(folder, ShareCurve(checkpoint=checkpoint, split=split, device=device, shares=shares))
    return EvaluationReport(
        run=str(folder.path),
        split=split,
        headline=task.headline,
        higher_is_better=task.higher_is_better,
        blocks=list(model.policy.blocks),
        is_consensus=own.is_consensus,
        spread=own.spread,
        orders=rows,
        shares=shares,
        shares_note=note,
    )


def _named_orders(sources: Sequence[str | Order], host: PluginHost, grid: Grid) -> Iterator[tuple[str, Order]]:
    """Each order with its name; orders without a name are numbered."""
    for number, source in enumerate(sources, start=1):
        if isinstance(source, Order):
            yield f"order {number}", OrderFile(f"order {number}", grid, source).order
        else:
            yield source, find_order(source, host, grid).order
