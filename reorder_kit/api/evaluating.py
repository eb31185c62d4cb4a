"""Evaluation of trained runs in other orders, in Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from torch import Tensor

from reorder_kit.api import notebook
from reorder_kit.api.plugins import plugins
from reorder_kit.api.run_path import path_of
from reorder_kit.caller import Caller
from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.experiment.order_source import folder_of, order_from
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from reorder_kit.runs.encoder_cost import ShareRead
    from reorder_kit.training.evaluation_report import EvaluatedOrder, EvaluationReport

Split = Literal["test", "validation"]
Source = Order | str | os.PathLike[str]


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """The evaluation of a trained model in its own order and in others. Notebooks show it as a table.

    Args:
        folder: the run folder.
        report: the figures.
        warnings: the warnings that were issued.
    """

    folder: Path
    report: EvaluationReport
    warnings: tuple[str, ...] = ()

    @property
    def orders(self) -> Sequence[EvaluatedOrder]:
        """Each order with its figures; the run's own order comes first."""
        return self.report.orders

    @property
    def shares(self) -> Sequence[ShareRead]:
        """Each share of the run's own order with its score and cost, from smallest to largest."""
        return self.report.shares

    @property
    def scores(self) -> dict[str, float]:
        """The headline metric of each order, by name."""
        return {each.order: each.metrics.score(self.report.headline) for each in self.orders}

    def as_dict(self) -> dict[str, Any]:
        """The output of ``reorder-kit evaluate --json``."""
        return self.report.as_dict()

    def __repr__(self) -> str:
        scores = ", ".join(f"{order} {score:.3f}" for order, score in self.scores.items())
        return f"<{self.report.split} {self.report.headline}: {scores}; {self.folder}>"

    def _repr_html_(self) -> str:
        from reorder_kit.cli import _evaluation_words as words

        shares = [notebook.table(*words.shares_table(self.report))] if self.shares else []
        return notebook.together(
            *map(notebook.paragraph, words.introduction(self.report)),
            notebook.table(*words.evaluation_table(self.report)),
            *shares,
            notebook.listing(words.notes(self.report)),
            notebook.warned(self.warnings),
        )


def evaluate(
    run: str | os.PathLike[str] | Any,
    orders: Source | Sequence[Source] | Any = (),
    *,
    keep: float | Sequence[float] = (),
    split: Split = "test",
    places: Mapping[str, Any] | None = None,
    allow_download: bool = False,
    host: PluginHost | None = None,
) -> Evaluation:
    """Evaluate a trained model in its own and in other orders.

    >>> evaluate("runs/quickstart", ["row", "hilbert"]).scores  # doctest: +SKIP

    Choose between orders on the validation split: a test split that was used to choose no longer measures
    generalization.

    Args:
        run: the run folder, or what :func:`reorder_kit.run` or :func:`reorder_kit.load_run` returned.
        orders: one or more other orders: orders themselves, names of orderings, order files, runs, or patch numbers.
        keep: one or more shares of all patches; the model then reads only the first patches of its own order. 1 stands
            for all slots of its own order. The results are saved in the run folder for the report.
        split: the images to evaluate on, ``"test"`` or ``"validation"``.
        places: where its data is now, if it has moved, as in ``{"data.root": "/data/photos"}``.
        allow_download: let its data source download what is missing.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if an order or a share does not fit, or the run or its data cannot be read.

    Warns:
        ReorderKitWarning: as :func:`reorder_kit.load_order`, about an order that may not be the intended one.
    """
    # Imported on first use, as in run().
    from reorder_kit.cli._lookup import find_run
    from reorder_kit.training.evaluate_run import evaluate_run
    from reorder_kit.writable import require_writable_file

    if split not in get_args(Split):
        raise ReorderKitError(f"unknown split {split!r}", "give 'test' or 'validation'")
    shares, caller = _shares(keep), Caller.here()
    with caller.warned_of_logs():
        host, folder = plugins(host, caller), find_run(str(path_of(run)))
        grid = folder.read_order().grid
        sources: list[str | Order] = []
        for each in _listed(orders):
            found = order_from(each, grid, host)
            sources.append(os.fspath(each) if isinstance(each, str | os.PathLike) else found.order)
            for doubt in found.doubts:
                caller.warn(doubt)
        if shares:
            require_writable_file(folder.shares)
        now_in = tuple((places or {}).items())
        report = evaluate_run(folder, sources, split, host, now_in, allow_download, shares)
    return Evaluation(folder.path, report, tuple(caller.told))


def _listed(orders: Any) -> list[Any]:
    """One order, or several."""
    if isinstance(orders, Tensor | np.ndarray):  # one row of numbers is one order, several rows are several orders
        is_one = orders.ndim < 2 and (isinstance(orders, Tensor) or orders.dtype.kind not in "OU")
    else:
        is_one = (
            isinstance(orders, Order | str | bytes | os.PathLike | Mapping)
            or not isinstance(orders, Iterable)
            or folder_of(orders) is not None
        )
    if is_one:
        return [orders]
    several = list(orders)
    return [several] if several and all(isinstance(each, Integral) for each in several) else several


def _shares(keep: Any) -> tuple[float, ...]:
    shares = (keep,) if isinstance(keep, Real) else tuple(keep) if isinstance(keep, Iterable) else (None,)
    if not all(isinstance(share, Real) and not isinstance(share, bool) for share in shares):
        raise ReorderKitError(
            f"keep: {quoted(keep)} is not a share of the patches", "give numbers, as in keep=[0.25, 0.5]"
        )
    return tuple(map(float, shares))
