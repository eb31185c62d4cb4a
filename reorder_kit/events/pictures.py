"""Pictures in the run folder: the final order over the grid, the training curves, and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.run_events import Predictions, RunInfo
from reorder_kit.orders.order_file import OrderFile

if TYPE_CHECKING:
    from reorder_kit.figures.curves import CurvePoint
    from reorder_kit.runs.epoch_record import EpochRecord


@hookimpl
def run_finished(run: RunInfo, epochs: Mapping[str, Sequence[EpochRecord]]) -> None:
    """Write ``order.png``, if there is a final order, and ``curves.png`` with the controls' curves.

    If each image has its own order, ``order.png`` shows their consensus, and ``order-example-1.png`` etc. show the
    orders of some images.
    """
    # Imported late: matplotlib takes a second, which `list-plugins` should not have to wait for.
    from reorder_kit.figures.curves import draw_curves
    from reorder_kit.figures.order_path import draw_order

    order_file = run.directory / "order.json"
    if order_file.exists():
        stored = OrderFile.load(order_file)
        draw_order(stored.order, run.grid, run.directory / "order.png", title=_title(run, stored), reach=run.reach)
        for number, example in enumerate(stored.examples, start=1):
            path, title = run.directory / f"order-example-{number}.png", f"{run.name}: order of one image"
            draw_order(example, run.grid, path, title=title, reach=run.reach)
    points = {name: [_point(record, run.headline) for record in records] for name, records in epochs.items()}
    draw_curves(points, run.headline, run.directory / "curves.png")


@hookimpl
def predictions_made(directory: Path, predictions: Predictions) -> None:
    """Write ``predictions.png`` for test images, or ``predictions-validation.png`` for validation images."""
    from reorder_kit.figures.predictions import draw_predictions

    suffix = "" if predictions.split == "test" else f"-{predictions.split}"
    draw_predictions(predictions, directory / f"predictions{suffix}.png")


def _title(run: RunInfo, stored: OrderFile) -> str:
    epochs = "1 epoch" if run.epochs == 1 else f"{run.epochs} epochs"
    if stored.spread is not None:
        return f"{run.name}: consensus of the images' orders after {epochs}, mean distance to it {stored.spread:.3f}"
    return f"{run.name}: {'order unchanged' if stored.order == run.start else 'order'} after {epochs}"


def _point(record: EpochRecord, headline: str) -> CurvePoint:
    from reorder_kit.figures.curves import CurvePoint

    return CurvePoint(
        record.epoch,
        record.phase,
        record.train.loss,
        record.validation.score(headline),
        record.order.kendall_tau_to_start,
    )
